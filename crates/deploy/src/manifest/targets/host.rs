//! Places of a server on a host without containers, and words of its command.

use std::path::{Path, PathBuf};

use crate::manifest::deployment::ModelDeployment;
use crate::manifest::error::ManifestError;

/// Program of a host where no option names another.
const PROGRAM: &str = "/usr/local/bin/cupola";
/// File name of the program in the context of a Dockerfile, where no argument gives another.
const NAME: &str = "cupola";

/// Absolute path of the program.
pub(super) fn program(deployment: &ModelDeployment) -> Result<String, ManifestError> {
    let program = deployment.options.program.clone().unwrap_or_else(|| PathBuf::from(PROGRAM));
    path("--program", &program)
}

/// Absolute path of the program of a batch job: the running one lies where the nodes see it more often than a fixed place does.
pub(super) fn batch_program(deployment: &ModelDeployment) -> Result<String, ManifestError> {
    let options = &deployment.options;
    let program = options.program.as_deref().or(options.running.as_deref()).unwrap_or(Path::new(PROGRAM));
    path("--program", program)
}

/// Command that installs the running program where the unit expects it, with its `&&`; empty where it is there, or where the
/// user has named another place.
pub(super) fn install_program(deployment: &ModelDeployment) -> String {
    match (&deployment.options.program, &deployment.options.running) {
        (None, Some(running)) if running != Path::new(PROGRAM) => {
            format!("sudo install -m 755 {} {PROGRAM} && ", word(&running.to_string_lossy()))
        }
        _ => String::new(),
    }
}

/// Options of `docker build` that name the folder and the file of the running program, or the usual one.
pub(super) fn program_context(deployment: &ModelDeployment) -> String {
    let program = deployment.options.running.as_deref().unwrap_or(Path::new(PROGRAM));
    let folder = word(&program.parent().unwrap_or(Path::new("/")).to_string_lossy());
    let file = program.file_name().unwrap_or_default().to_string_lossy();
    let file = if file == NAME { String::new() } else { word(&format!("PROGRAM={file}")) };
    let argument = if file.is_empty() { file } else { format!(" --build-arg {file}") };
    format!("--build-context program={folder}{argument}")
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
