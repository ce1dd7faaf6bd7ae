//! Places of a server on a host without containers, and words of its command.

use std::path::{Path, PathBuf};

use crate::manifest::deployment::ModelDeployment;
use crate::manifest::error::ManifestError;

/// Program of a host where no option names another.
const PROGRAM: &str = "/usr/local/bin/cupola";

/// Absolute path of the program.
pub(super) fn program(deployment: &ModelDeployment) -> Result<String, ManifestError> {
    let program = deployment.options.program.clone().unwrap_or_else(|| PathBuf::from(PROGRAM));
    path("--program", &program)
}

/// Text of an absolute path that units and scripts take as it is.
pub(super) fn path(option: &str, path: &Path) -> Result<String, ManifestError> {
    let text = path.to_string_lossy().into_owned();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@,".contains(c);
    if path.is_absolute() && text.chars().all(plain) {
        return Ok(text);
    }
    let remedy = "use an absolute path of letters, digits and `/._-+@,`";
    Err(ManifestError::option(format!("{option}: the target does not take the path {text:?}"), remedy))
}

/// Word of a POSIX shell: plain, or in single quotes.
pub(super) fn word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
