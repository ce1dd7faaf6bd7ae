//! Commands that print a secret: those that `secrets.toml` in the home lists, and no other.
//!
//! A config is data that may come from elsewhere, so it names a command but never contains one.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{MAX_BYTES, text, wrong};
use crate::error::Error;

/// File of a home that lists the commands.
const ALLOWED: &str = "secrets.toml";
/// Time within which a command must end.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Content of `secrets.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowedCommands {
    /// Program and arguments by name.
    #[serde(default)]
    commands: BTreeMap<String, Vec<String>>,
}

/// Runs the command `name` of the home and returns what it prints.
pub(super) fn output(name: &str, home: &Path) -> Result<String, Error> {
    let shown = format!("cmd:{name}");
    let command = allowed(&shown, name, home)?;
    let bytes = run(&shown, &command, TIMEOUT)?;
    text(&shown, bytes)
}

/// Program and arguments of a listed command.
fn allowed(shown: &str, name: &str, home: &Path) -> Result<Vec<String>, Error> {
    let path = home.join(ALLOWED);
    let list = path.display();
    let missing = || {
        wrong(
            shown,
            format!("is not allowed; add `{name} = [\"PROGRAM\", \"ARGUMENT\"]` to [commands] of {list}"),
        )
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(missing()),
        Err(error) => return Err(wrong(shown, format!("requires {list}: {error}; check the file"))),
    };
    check_owner(shown, &path)?;
    let allowed: AllowedCommands = toml::from_str(&text)
        .map_err(|error| wrong(shown, format!("requires {list}: {}; correct the file", error.message())))?;
    let command = allowed.commands.get(name).ok_or_else(missing)?;
    if command.first().is_none_or(String::is_empty) {
        return Err(wrong(
            shown,
            format!("has no program; write `{name} = [\"PROGRAM\", \"ARGUMENT\"]` in {list}"),
        ));
    }
    Ok(command.clone())
}

/// Refuses a list that other users may change.
#[cfg(unix)]
fn check_owner(shown: &str, path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;

    let mode = std::fs::metadata(path).map_or(0, |about| about.permissions().mode());
    if mode & 0o022 != 0 {
        let list = path.display();
        return Err(wrong(shown, format!("is not run: others may write {list}; run `chmod 600 {list}`")));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_owner(_: &str, _: &Path) -> Result<(), Error> {
    Ok(())
}

/// Output of a command. Its errors are not shown, since they may contain the secret.
fn run(shown: &str, command: &[String], timeout: Duration) -> Result<Vec<u8>, Error> {
    let deadline = Instant::now() + timeout;
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| {
            wrong(shown, format!("did not start ({error}); check the program's name and path"))
        })?;
    let (sender, receiver) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        // A thread of its own: a read has no time limit.
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = out.take(MAX_BYTES + 1).read_to_end(&mut bytes).map(|_| bytes);
            let _ = sender.send(read);
        });
    }
    let late =
        || wrong(shown, format!("did not end within {} seconds; run it by hand", timeout.as_secs_f64()));
    let printed = receiver.recv_timeout(timeout);
    // A command that prints more than is read would wait for its reader.
    let excess = matches!(&printed, Ok(Ok(bytes)) if bytes.len() as u64 > MAX_BYTES);
    let status = if printed.is_err() || excess { stop(&mut child) } else { wait(&mut child, deadline) };
    let Ok(printed) = printed else { return Err(late()) };
    let bytes = printed.map_err(|error| wrong(shown, format!("printed nothing readable ({error})")))?;
    match status {
        _ if excess => Ok(bytes),
        None => Err(late()),
        Some(status) if status.success() => Ok(bytes),
        Some(status) => Err(wrong(shown, format!("failed ({status}); run it by hand to see why"))),
    }
}

/// Status of a command that ends before the deadline; a later one is stopped.
fn wait(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            _ => return stop(child),
        }
    }
}

fn stop(child: &mut Child) -> Option<ExitStatus> {
    let _ = child.kill();
    let _ = child.wait();
    None
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]
mod tests {
    use super::*;

    fn home(list: &str) -> tempfile::TempDir {
        use std::os::unix::fs::PermissionsExt;

        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(ALLOWED);
        std::fs::write(&path, list).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        home
    }

    fn refused(name: &str, home: &tempfile::TempDir) -> String {
        output(name, home.path()).unwrap_err().to_string()
    }

    #[test]
    fn only_listed_commands_run() {
        let home = home("[commands]\nvault = [\"printf\", \"%s\\n\", \"a b; echo c\"]\nnothing = []\n");
        assert_eq!(output("vault", home.path()).unwrap(), "a b; echo c\n");
        let error = refused("printf", &home);
        assert!(error.contains("${cmd:printf} is not allowed; add `printf = "), "{error}");
        assert!(refused("nothing", &home).contains("has no program"));
        let empty = tempfile::tempdir().unwrap();
        assert!(refused("vault", &empty).contains("is not allowed"));
    }

    #[test]
    fn failures_of_commands_never_show_their_output() {
        let home = home(
            "[commands]\nfails = [\"sh\", \"-c\", \"echo s3cret; echo s3cret >&2; exit 3\"]\nlong = [\"sh\", \"-c\", \"yes s3cret\"]\nnone = [\"no-such-program-here\"]\n",
        );
        for (name, expected) in
            [("fails", "failed (exit status: 3)"), ("long", "64 KiB"), ("none", "did not start")]
        {
            let error = refused(name, &home);
            assert!(error.contains(expected) && !error.contains("s3cret"), "{name}: {error}");
        }
    }

    #[test]
    fn a_command_that_hangs_is_stopped() {
        let command = ["sleep", "60"].map(str::to_owned);
        let started = Instant::now();
        let error = run("cmd:slow", &command, Duration::from_millis(200)).unwrap_err().to_string();
        assert!(error.contains("did not end within 0.2 seconds"), "{error}");
        // The output is closed, but the command goes on.
        let closed = ["sh", "-c", "exec >&-; sleep 60"].map(str::to_owned);
        assert!(run("cmd:slow", &closed, Duration::from_millis(200)).is_err());
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_list_that_others_may_change_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        let home = home("[commands]\nvault = [\"printf\", \"x\"]\n");
        let path = home.path().join(ALLOWED);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(refused("vault", &home).contains("others may write"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "[command]\nvault = 1\n").unwrap();
        assert!(refused("vault", &home).contains("unknown field"));
    }
}
