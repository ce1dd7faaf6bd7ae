//! Secrets: `${NAME}` in headers and addresses is replaced when it is used, never stored or shown.

use std::path::PathBuf;

use crate::error::Error;

/// Replaces `${NAME}` by the environment variable and `${file:PATH}` by the first line of a file.
///
/// # Errors
/// [`Error::Secret`] with the name, never with a value.
pub fn fill_secrets(text: &str, roots: &[PathBuf]) -> Result<String, Error> {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find("${") {
        let Some(end) = rest[start..].find('}') else { break };
        let name = &rest[start + 2..start + end];
        out.push_str(&rest[..start]);
        out.push_str(&value(name, roots)?);
        rest = &rest[start + end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn value(name: &str, roots: &[PathBuf]) -> Result<String, Error> {
    let wrong = |why: &str| Error::Secret { name: name.to_owned(), why: why.to_owned() };
    let Some(path) = name.strip_prefix("file:") else {
        return std::env::var(name).map_err(|_| wrong("is not set in the environment; set it"));
    };
    let text = roots.iter().find_map(|root| std::fs::read_to_string(root.join(path)).ok());
    let text = text.ok_or_else(|| wrong("is not a readable file; check the path"))?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_filled_in_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "s3cret\nmore\n").unwrap();
        let roots = [folder.path().to_owned()];
        assert_eq!(fill_secrets("Bearer ${file:token}!", &roots).unwrap(), "Bearer s3cret!");
        assert_eq!(fill_secrets("no ${ end", &roots).unwrap(), "no ${ end");
        let error = fill_secrets("${CUPOLA_NO_SUCH_VARIABLE}", &roots).unwrap_err().to_string();
        assert!(error.contains("CUPOLA_NO_SUCH_VARIABLE") && error.contains("set it"), "{error}");
    }
}
