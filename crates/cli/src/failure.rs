//! Exit codes, and errors of the command line itself.

use anyhow::Error;
use cupola_workflow::is_user_error;

/// Exit code of an error: 2 if the user can correct the cause, 1 otherwise.
pub fn exit_code(error: &Error) -> u8 {
<<<<<<< HEAD
    let of_command_line = |cause: &(dyn std::error::Error + 'static)| {
        cause.is::<UserError>()
            || cause.downcast_ref().is_some_and(import)
            || cause.downcast_ref().is_some_and(serving)
            || cause.downcast_ref().is_some_and(http)
    };
    if is_user_error(error.as_ref()) || error.chain().any(of_command_line) { 2 } else { 1 }
=======
    let is_mistake = error.chain().any(|cause| {
        cause.is::<cupola_spec::Problems>()
            || cause.is::<cupola_data::Error>()
            || cause.is::<cupola_prep::Error>()
            || cause.is::<Mistake>()
            || cause.downcast_ref::<cupola_runtime::Error>().is_some_and(infer)
            || cause.downcast_ref::<cupola_registry::Error>().is_some_and(record)
            || cause.downcast_ref::<cupola_nn::Error>().is_some_and(network)
            || cause.downcast_ref::<cupola_serving::Error>().is_some_and(serve)
            || cause.downcast_ref::<cupola_http::Error>().is_some_and(listen)
            || cause.downcast_ref::<cupola_import::Error>().is_some_and(import)
            || cause.downcast_ref::<cupola_train::Error>().is_some_and(|error| match error {
                cupola_train::Error::Network(error) => network(error),
                cupola_train::Error::Record(error) => record(error),
                _ => false,
            })
    });
    if is_mistake { 2 } else { 1 }
}

fn infer(error: &cupola_runtime::Error) -> bool {
    use cupola_runtime::Error as E;
    match error {
        E::Rows(_) | E::Value { .. } | E::NotFinite { .. } => true,
        E::Record(error) => record(error),
        _ => false,
    }
}

fn record(error: &cupola_registry::Error) -> bool {
    use cupola_registry::Error as E;
    match error {
        E::Unknown { .. } | E::Moved { .. } => true,
        E::Store(error) => stored(error),
        E::Index { .. } => false,
    }
}

fn stored(error: &cupola_store::Error) -> bool {
    use cupola_store::Error as E;
    match error {
        E::Name { .. } | E::Reference { .. } | E::Version { .. } | E::Signature { .. } => true,
        E::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

fn network(error: &cupola_nn::Error) -> bool {
    use cupola_nn::Error as E;
    matches!(
        error,
        E::Shape(_)
            | E::Input { .. }
            | E::NotFlat { .. }
            | E::Device { .. }
            | E::Disagrees { .. }
            | E::Missing { .. }
            | E::Unexpected { .. }
            | E::WeightShape { .. }
    )
>>>>>>> main
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
