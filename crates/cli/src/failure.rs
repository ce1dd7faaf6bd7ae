//! Exit codes, and errors of the command line itself.

use anyhow::Error;
use cupola_operate::DriftedPart;
use cupola_registry::is_user_io;
use cupola_workflow::{GateReport, is_user_error};

/// Kind of an error, as the JSON output names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// Invalid arguments of the command line.
    Usage,
    /// A cause that the user can correct: config, data, a reference.
    UserError,
    /// A model that broke its gate.
    GateBroken,
    /// Data that has drifted.
    Drifted,
    /// A run that a signal stopped, and that can be resumed.
    Stopped,
    /// Any other failure, such as that of a disk or a driver.
    Failure,
}

impl ErrorCode {
    /// Kind of an error.
    pub fn of(error: &Error) -> Self {
        let is_stopped = |cause: &(dyn std::error::Error + 'static)| {
            cause.is::<Stopped>()
                || cause.is::<FoldsStopped>()
                || cause.is::<StudyStopped>()
                || cause.is::<PresetStopped>()
        };
        if error.chain().any(is_stopped) {
            Self::Stopped
        } else if error.chain().any(<dyn std::error::Error + 'static>::is::<GateBroken>) {
            Self::GateBroken
        } else if error.chain().any(<dyn std::error::Error + 'static>::is::<Drifted>) {
            Self::Drifted
        } else if is_user(error) {
            Self::UserError
        } else {
            Self::Failure
        }
    }

    /// Name in the JSON output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::UserError => "user_error",
            Self::GateBroken => "gate_broken",
            Self::Drifted => "drifted",
            Self::Stopped => "stopped",
            Self::Failure => "failure",
        }
    }
}

/// Exit code of an error: 2 if the user can correct the cause, 1 otherwise.
pub fn exit_code(error: &Error) -> u8 {
    if is_user(error) { 2 } else { 1 }
}

fn is_user(error: &Error) -> bool {
    let of_command_line = |cause: &(dyn std::error::Error + 'static)| {
        cause.is::<UserError>()
            || cause.downcast_ref().is_some_and(import)
            || cause.downcast_ref().is_some_and(serving)
            || cause.downcast_ref().is_some_and(http)
            || cause.downcast_ref().is_some_and(cupola_operate::WatchError::is_user_error)
            || cause.downcast_ref().is_some_and(cupola_operate::SubmitError::is_user_error)
            || cause.downcast_ref().is_some_and(cupola_operate::Error::is_user_error)
            || cause.downcast_ref().is_some_and(cupola_deploy::Error::is_user_error)
    };
    is_user_error(error.as_ref()) || error.chain().any(of_command_line)
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
        cupola_serving::Error::Audit { source, .. } => is_user_io(source),
        cupola_serving::Error::System(_) => false,
        _ => true,
    }
}

fn http(error: &cupola_http::Error) -> bool {
    match error {
        cupola_http::Error::Serving(error) => serving(error),
        cupola_http::Error::System(_) | cupola_http::Error::Health { .. } => false,
        cupola_http::Error::Bind { .. }
        | cupola_http::Error::BindReceiver { .. }
        | cupola_http::Error::Tls { .. } => true,
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

/// Error whose remedy names the option that a missing source was given by, in place of the key of a config. `options` has
/// the names of options and their values.
pub fn with_option(error: Error, options: &[(&'static str, String)]) -> Error {
    // The errors of the crates above are transparent, so that the chain does not have that of the source.
    let text = error.to_string();
    let Some(message) = text.strip_suffix("; check `data.source`") else { return error };
    let of = |value: &str| message.strip_prefix(value).is_some_and(|rest| rest.starts_with(": "));
    match options.iter().find(|(_, value)| of(value)) {
        Some((option, _)) => UserError::new(message, format!("check `{option}`")).into(),
        None => error,
    }
}

/// Returns a function for `map_err` on writes to a file that an option names: the remedy is that option, and not another
/// home.
pub fn of_output<E: Into<Error>>(option: &'static str) -> impl FnOnce(E) -> Error {
    move |error| {
        let error = error.into();
        let text = error.to_string();
        match text.rsplit_once("; ") {
            Some((message, remedy)) if remedy.contains("--home") => {
                UserError::new(message, remedy.replace("--home", option)).into()
            }
            _ => error,
        }
    }
}

/// Run that was stopped by a signal, with the command that resumes it.
#[derive(Debug, thiserror::Error)]
#[error("{}; {} with: {resume}", stopped(*.step), if .step.is_some() { "resume" } else { "grow them anew" })]
pub struct Stopped {
    /// Command that resumes the run.
    pub resume: String,
    /// Steps that the checkpoint holds; `None` for trees, which keep none.
    pub step: Option<u64>,
}

fn stopped(step: Option<u64>) -> String {
    step.map_or_else(
        || "stopped before all trees were grown, none is kept".to_owned(),
        |step| format!("stopped at step {step}, checkpoint written"),
    )
}

/// Cross-validation that was stopped by a signal, with the command that goes on with it.
#[derive(Debug, thiserror::Error)]
#[error("stopped after {done} of {folds} folds; continue with: {resume}")]
pub struct FoldsStopped {
    /// Folds that are done.
    pub done: usize,
    /// Folds in all.
    pub folds: usize,
    /// Command that goes on.
    pub resume: String,
}

/// Study that was stopped by a signal, with the command that continues it.
#[derive(Debug, thiserror::Error)]
#[error("stopped after {done} trials; continue with: {resume}")]
pub struct StudyStopped {
    /// Command that continues the study.
    pub resume: String,
    /// Trials that are finished.
    pub done: usize,
}

/// Preset that was stopped by a signal before a member was trained, with the command that begins anew.
#[derive(Debug, thiserror::Error)]
#[error("stopped before a member was trained; begin anew with: {again}")]
pub struct PresetStopped {
    /// Command that begins anew.
    pub again: String,
}

/// Model that broke its gate, with the keys of the conditions that broke it.
#[derive(Debug, thiserror::Error)]
#[error("the gate of {package} is broken: {}", conditions.join(", "))]
pub struct GateBroken {
    /// `NAME:VERSION`
    package: String,
    /// Keys of the conditions.
    conditions: Vec<String>,
}

impl GateBroken {
    /// Fails for a gate that is broken.
    pub fn check(package: &str, gate: &GateReport) -> anyhow::Result<()> {
        if gate.passed {
            return Ok(());
        }
        let conditions = gate.broken().map(|condition| format!("`{}`", condition.key)).collect();
        Err(Self { package: package.to_owned(), conditions }.into())
    }
}

/// Data that has drifted from that of the training.
#[derive(Debug, thiserror::Error)]
#[error("{data} has drifted from the data of {package}: {count} of {compared} {what}")]
pub struct Drifted {
    data: String,
    package: String,
    count: usize,
    compared: usize,
    what: &'static str,
}

impl Drifted {
    /// Error for an outcome with drift of the columns, or else of the embeddings or of the relations between columns.
    pub fn of(found: &cupola_operate::DriftOutcome) -> Self {
        let has = |part: DriftedPart| found.drifted_by.contains(&part);
        let relations = found.multivariate.as_ref().filter(|_| has(DriftedPart::Relations));
        let relations = relations.filter(|_| !has(DriftedPart::Columns));
        let columns = (found.drift.drifted, found.drift.compared, "columns");
        let embeddings =
            found.embeddings.as_ref().filter(|_| has(DriftedPart::Embeddings) && !has(DriftedPart::Columns));
        let columns = embeddings.map_or(columns, |own| {
            let drifted = own.methods.iter().filter(|method| method.drifted);
            (drifted.count(), own.methods.len(), "methods, by the embeddings of the rows")
        });
        let relations = relations.filter(|_| embeddings.is_none());
        let (count, compared, what) = relations.map_or(columns, |own| {
            (own.alerts, own.chunks.len(), "chunks, by the relations between their columns")
        });
        Self { data: found.data.clone(), package: found.package.clone(), count, compared, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_source_names_the_option_that_gave_it() {
        let missing = || {
            let (path, near) = ("nope.csv".to_owned(), " (did you mean `note.csv`?)".to_owned());
            Error::from(cupola_sources::Error::Missing { path, near })
        };
        let options = [("--data", "nope.csv".to_owned())];
        let found = with_option(missing(), &options);
        assert_eq!(found.to_string(), "nope.csv: no such file (did you mean `note.csv`?); check `--data`");
        assert_eq!(exit_code(&found), 2);
        assert!(
            with_option(missing(), &[("--data", "rows.csv".to_owned())])
                .to_string()
                .ends_with("check `data.source`")
        );
    }

    #[test]
    fn a_file_that_cannot_be_written_names_the_option_that_gave_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let written = cupola_registry::write_file(&file.join("out.csv"), b"");
        let error = written.map_err(of_output("--output")).unwrap_err();
        let text = error.to_string();
        assert!(exit_code(&error) == 2 && text.ends_with("--output") && !text.contains("--home"), "{text}");
    }
}
