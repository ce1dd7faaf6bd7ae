//! Secrets: `${NAME}` in headers and addresses is replaced when it is used, never stored or shown.
//!
//! `${NAME}` is an environment variable, `${file:PATH}` the first line of a file, `${file:PATH#FIELD}` a field of a JSON
//! file, as agents of secret managers write them, and `${cmd:NAME}` the output of a command that `secrets.toml` in the
//! home lists.

mod command;
mod filled;

use std::io::Read;
use std::path::{Path, PathBuf};

pub use self::filled::{FilledText, Secrets};

use crate::error::Error;

/// Largest size of a secret file or of a command's output: 64 KiB.
const MAX_BYTES: u64 = 64 << 10;

/// Replaces the secrets of `text`. Relative paths of files are resolved against `roots` in turn, commands are those of
/// `home`.
///
/// # Errors
/// [`Error::Secret`] with the name, never with a value.
pub fn fill_secrets(text: &str, roots: &[PathBuf], home: &Path) -> Result<String, Error> {
    Secrets::default().fill(text, roots, home)
}

fn value(name: &str, roots: &[PathBuf], home: &Path) -> Result<String, Error> {
    if let Some(path) = name.strip_prefix("file:") {
        return from_file(name, path, roots);
    }
    if let Some(command) = name.strip_prefix("cmd:") {
        let text = command::output(command, home)?;
        return first_line(name, &text);
    }
    std::env::var(name).map_err(|_| wrong(name, "is not set in the environment; set it"))
}

fn wrong(name: &str, why: impl Into<String>) -> Error {
    Error::Secret { name: name.to_owned(), why: why.into() }
}

fn from_file(name: &str, path: &str, roots: &[PathBuf]) -> Result<String, Error> {
    let found = |path: &str| roots.iter().map(|root| root.join(path)).find(|path| path.is_file());
    // A `#` may also be part of the file's name.
    if let Some(file) = found(path) {
        return first_line(name, &read(name, &file)?);
    }
    let unreadable = || wrong(name, "is not a readable file; check the path");
    let (path, field) = path.rsplit_once('#').ok_or_else(unreadable)?;
    let text = read(name, &found(path).ok_or_else(unreadable)?)?;
    let json: serde_json::Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|_| wrong(name, "names a field of a file that is not JSON; leave out the `#`"))?;
    let pointer = if field.starts_with('/') { field.to_owned() } else { format!("/{field}") };
    match json.get(field).or_else(|| json.pointer(&pointer)) {
        Some(serde_json::Value::String(text)) => Ok(text.clone()),
        Some(serde_json::Value::Number(number)) => Ok(number.to_string()),
        Some(_) => Err(wrong(name, "is not a text; name a field that holds one, such as `#data/password`")),
        None => Err(wrong(name, "is not a field of that file; check its name")),
    }
}

fn read(name: &str, path: &Path) -> Result<String, Error> {
    let file = std::fs::File::open(path)
        .map_err(|error| wrong(name, format!("is not a readable file ({error}); check its permissions")))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| wrong(name, format!("is not a readable file ({error}); check it")))?;
    text(name, bytes)
}

/// Text of bounded size.
fn text(name: &str, bytes: Vec<u8>) -> Result<String, Error> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(wrong(name, "is longer than 64 KiB; check that it is a secret"));
    }
    String::from_utf8(bytes).map_err(|_| wrong(name, "is not UTF-8; store it as text"))
}

/// First line without the blanks around it.
fn first_line(name: &str, text: &str) -> Result<String, Error> {
    let line = text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default().trim();
    if line.is_empty() {
        return Err(wrong(name, "is empty; check that the secret was written"));
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_filled_in_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "s3cret\nmore\n").unwrap();
        let roots = [folder.path().to_owned()];
        let fill = |text: &str| fill_secrets(text, &roots, folder.path());
        assert_eq!(fill("Bearer ${file:token}!").unwrap(), "Bearer s3cret!");
        assert_eq!(fill("no ${ end").unwrap(), "no ${ end");
        let error = fill("${CUPOLA_NO_SUCH_VARIABLE}").unwrap_err().to_string();
        assert!(error.contains("CUPOLA_NO_SUCH_VARIABLE") && error.contains("set it"), "{error}");
    }

    #[test]
    fn files_of_secret_agents_are_read_by_field() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
        write("db.json", br#"{"data": {"password": "p w", "port": 5432}, "a/b": "x", "list": [1]}"#);
        write("windows", "\u{feff}t0ken\r\n".as_bytes());
        write("odd#name", b"whole\n");
        write("empty", b"\n");
        write("long", &vec![b'x'; 70_000]);
        write("binary", &[0xFF, 0xFE, 0x00]);
        let roots = [folder.path().to_owned()];
        let fill = |text: &str| fill_secrets(text, &roots, folder.path());
        for (text, expected) in [
            ("${file:db.json#data/password}", "p w"),
            ("${file:db.json#/data/port}", "5432"),
            ("${file:db.json#a/b}", "x"),
            ("${file:windows}", "t0ken"),
            ("${file:odd#name}", "whole"),
        ] {
            assert_eq!(fill(text).unwrap(), expected, "{text}");
        }
        for (text, expected) in [
            ("${file:db.json#list}", "not a text"),
            ("${file:db.json#user}", "not a field"),
            ("${file:windows#x}", "not JSON"),
            ("${file:none}", "not a readable file"),
            ("${file:none#x}", "not a readable file"),
            ("${file:empty}", "is empty"),
            ("${file:long}", "64 KiB"),
            ("${file:binary}", "UTF-8"),
        ] {
            let error = fill(text).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("p w"), "{text}: {error}");
        }
    }
}
