//! Exit codes, and errors of the command line itself.

use anyhow::Error;
use cupola_workflow::is_user_error;

/// Exit code of an error: 2 if the user can correct the cause, 1 otherwise.
pub fn exit_code(error: &Error) -> u8 {
    let of_command_line = |cause: &(dyn std::error::Error + 'static)| {
        cause.is::<UserError>()
            || cause.downcast_ref().is_some_and(import)
            || cause.downcast_ref().is_some_and(serving)
            || cause.downcast_ref().is_some_and(http)
    };
    if is_user_error(error.as_ref()) || error.chain().any(of_command_line) { 2 } else { 1 }
}

fn import(error: &cupola_import::Error) -> bool {
    use cupola_import::Error as E;
    match error {
        E::Network(error) => is_user_error(error),
        E::Registry(error) => is_user_error(error),
        E::Json(_) => false,
        _ => true,
    }
}

fn serving(error: &cupola_serving::Error) -> bool {
    match error {
        cupola_serving::Error::Model(error) => is_user_error(error),
        cupola_serving::Error::System(_) => false,
        _ => true,
    }
}

fn http(error: &cupola_http::Error) -> bool {
    match error {
        cupola_http::Error::Serving(error) => serving(error),
        cupola_http::Error::System(_) => false,
        cupola_http::Error::Bind { .. } | cupola_http::Error::Tls { .. } => true,
    }
}

/// Mistake in the arguments of a command, with its remedy.
#[derive(Debug, thiserror::Error)]
#[error("{message}; {hint}")]
pub struct UserError {
    message: String,
    hint: String,
}

impl UserError {
    /// Error with a message and a remedy.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }

    /// File of `--config` that cannot be read.
    pub fn config(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(format!("failed to read {}: {error}", path.display()), "check --config")
    }
}

/// Run that was stopped by a signal, with the command that resumes it.
#[derive(Debug, thiserror::Error)]
#[error("stopped at step {step}, checkpoint written; resume with: cupola train --resume {run}")]
pub struct Stopped {
    /// Id of the run.
    pub run: String,
    /// Steps done.
    pub step: u64,
}
