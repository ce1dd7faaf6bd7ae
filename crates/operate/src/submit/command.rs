//! Programs of a cluster, run as commands.

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

use super::error::SubmitError;
use super::remedy::{missing, refused};

/// Letters of a program's message that an error shows.
const SHOWN: usize = 400;

/// Runs a program with `input` on its standard input; returns its standard output.
pub(super) fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, SubmitError> {
    let failed = |source: std::io::Error| {
        if source.kind() == ErrorKind::NotFound {
            return SubmitError::NoProgram { program: program.to_owned(), remedy: missing(program) };
        }
        SubmitError::Start { program: program.to_owned(), source }
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading its input says why itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let why: String = lines.join(", ").replace("; ", ", ").chars().take(SHOWN).collect();
    let why = if why.is_empty() { output.status.to_string() } else { why };
    let remedy = refused(program, &why);
    Err(SubmitError::Refused { program: program.to_owned(), why, remedy })
}
