//! Errors of the workflow, and whose fault they are.

use std::error::Error as StdError;
use std::path::PathBuf;

/// Failure of a stage. [`Error::is_user_error`] tells mistakes of the user from failures.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Problems of a config.
    #[error(transparent)]
    Config(#[from] cupola_spec::Problems),
    /// A source or dataset.
    #[error(transparent)]
    Data(#[from] cupola_datasets::Error),
    /// Rows that do not fit the config or the plan.
    #[error(transparent)]
    Prepare(#[from] cupola_prep::Error),
    /// A network, its weights or its device.
    #[error(transparent)]
    Network(#[from] cupola_nn::Error),
    /// Trees that cannot be grown.
    #[error(transparent)]
    Trees(#[from] cupola_trees::Error),
    /// The training loop.
    #[error(transparent)]
    Train(#[from] cupola_train::Error),
    /// Runs, packages and aliases.
    #[error(transparent)]
    Record(#[from] cupola_registry::Error),
    /// Files of the home folder.
    #[error(transparent)]
    Store(#[from] cupola_store::Error),
    /// Loading a package or predicting with it.
    #[error(transparent)]
    Runtime(#[from] cupola_runtime::Error),
    /// A file that the user named cannot be read.
    #[error("failed to read {path}: {source}; check the path")]
    Read {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A file or folder of the workflow's own cannot be read or written.
    #[error("{path}: {source}; check the disk")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A value that does not become JSON, or JSON that does not become a value.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A value that does not become TOML.
    #[error(transparent)]
    Toml(#[from] toml::ser::Error),
    /// Training that does not fit this machine.
    #[error("training takes about {needed_mib:.0} MiB, this machine has {available_mib:.0} MiB; {remedy}")]
    Memory {
        /// Estimate.
        needed_mib: f64,
        /// Memory of the machine.
        available_mib: f64,
        /// Remedy.
        remedy: String,
    },
    /// A package that training cannot start from.
    #[error("package {package} {why}")]
    NotTrainable {
        /// `name:version`
        package: String,
        /// Reason and remedy.
        why: &'static str,
    },
    /// Neither a config nor a run to resume.
    #[error("nothing to train; give a config, or a run to resume")]
    NothingToTrain,
    /// The config in the run's folder is not the one that the run began with.
    #[error("{path}: was changed after the run began; restore it, or start a new run")]
    ConfigChanged {
        /// The run's config.
        path: PathBuf,
    },
    /// The config that was given with a run to resume is another one.
    #[error(
        "{config} is not the config that run {run} began with; leave --config out to resume, or leave --resume out to start a new run"
    )]
    ConfigDiffers {
        /// The config that was given.
        config: String,
        /// Id of the run.
        run: String,
    },
    /// The data is not what the run began with.
    #[error(
        "the data has changed since run {run} began (version {before} is now {now}); restore it, or start a new run"
    )]
    DataChanged {
        /// Id of the run.
        run: String,
        /// Digest then.
        before: String,
        /// Digest now.
        now: String,
    },
    /// A run to resume that is finished.
    #[error("run {run} is finished and published as {package}; start a new run with --config")]
    RunFinished {
        /// Id of the run.
        run: String,
        /// Its package.
        package: String,
    },
    /// Kept examples that do not load.
    #[error("{folder} is damaged: {why}; run `cupola prepare --force`")]
    DamagedStage {
        /// Folder of the prepared stage.
        folder: PathBuf,
        /// Reason.
        why: String,
    },
    /// Trees on several devices.
    #[error("trees grow on one device; leave --devices and --mpi out")]
    TreesOnDevices,
    /// Trees on rows that are not in memory.
    #[error("trees need all rows in memory; leave `data.stream` out")]
    TreesOnStream,
    /// A learning-rate test of trees.
    #[error("trees have no learning rate; choose a network in `[model]`")]
    TreesHaveNoRate,
    /// A feature that this binary was built without.
    #[error("this binary has no {what}; build it with: cargo build --release --features {feature}")]
    MissingFeature {
        /// The capability.
        what: &'static str,
        /// Cargo feature that adds it.
        feature: &'static str,
    },
    /// The group of processes that train together.
    #[error("MPI: {0}")]
    Group(String),
    /// A run that failed after it began; what it wrote stays.
    #[error("run {run} failed")]
    Run {
        /// Id of the run.
        run: String,
        /// The failure.
        source: Box<Error>,
    },
}

impl Error {
    /// `true` if the user can correct the cause: a config, data, names, devices, options.
    pub fn is_user_error(&self) -> bool {
        match self {
            Self::Config(_) | Self::Data(_) | Self::Prepare(_) | Self::Read { .. } => true,
            Self::Network(error) => network(error),
            Self::Train(error) => train(error),
            Self::Record(error) => record(error),
            Self::Store(error) => store(error),
            Self::Runtime(error) => runtime(error),
            Self::Run { source, .. } => source.is_user_error(),
            Self::Memory { .. }
            | Self::NotTrainable { .. }
            | Self::NothingToTrain
            | Self::ConfigChanged { .. }
            | Self::ConfigDiffers { .. }
            | Self::DataChanged { .. }
            | Self::RunFinished { .. }
            | Self::TreesOnDevices
            | Self::TreesOnStream
            | Self::TreesHaveNoRate
            | Self::MissingFeature { .. } => true,
            Self::Trees(_)
            | Self::Io { .. }
            | Self::Json(_)
            | Self::Toml(_)
            | Self::DamagedStage { .. }
            | Self::Group(_) => false,
        }
    }
}

/// `true` if the error, or one that caused it, is a mistake of the user.
pub fn is_user_error(error: &(dyn StdError + 'static)) -> bool {
    causes(error).into_iter().any(|cause| {
        cause.is::<cupola_spec::Problems>()
            || cause.is::<cupola_datasets::Error>()
            || cause.is::<cupola_sources::Error>()
            || cause.is::<cupola_prep::Error>()
            || cause.downcast_ref::<Error>().is_some_and(Error::is_user_error)
            || cause.downcast_ref().is_some_and(runtime)
            || cause.downcast_ref().is_some_and(record)
            || cause.downcast_ref().is_some_and(store)
            || cause.downcast_ref().is_some_and(network)
            || cause.downcast_ref().is_some_and(train)
    })
}

/// The error, then what caused it.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    let mut causes = vec![error];
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause);
        next = cause.source();
    }
    causes
}

fn runtime(error: &cupola_runtime::Error) -> bool {
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
        E::Store(error) => store(error),
        E::Index { .. } => false,
    }
}

fn store(error: &cupola_store::Error) -> bool {
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
}

fn train(error: &cupola_train::Error) -> bool {
    match error {
        cupola_train::Error::Network(error) => network(error),
        cupola_train::Error::Record(error) => record(error),
        _ => false,
    }
}

/// Message of an error with its causes, and the remedy apart, if there is one.
///
/// Messages read `what is wrong: detail; remedy`. Parts that an outer message repeats are left out. A
/// message of several lines is a list, whose lines have remedies of their own, and stays whole.
pub fn message_and_hint(error: &(dyn StdError + 'static)) -> (String, Option<String>) {
    let mut message = String::new();
    for cause in causes(error) {
        let part = cause.to_string();
        if !message.contains(&part) {
            if !message.is_empty() {
                message.push_str(": ");
            }
            message.push_str(&part);
        }
    }
    match split(&message) {
        Some(at) => {
            let hint = message[at + 2..].to_owned();
            message.truncate(at);
            (message, Some(hint))
        }
        None => (message, None),
    }
}

/// Position of the last `; ` of a one-line message that is outside of quotes and brackets.
fn split(message: &str) -> Option<usize> {
    if message.contains('\n') {
        return None;
    }
    let (mut depth, mut quoted, mut found) = (0_usize, false, None);
    for (at, letter) in message.char_indices() {
        match letter {
            '`' | '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            ';' if !quoted && depth == 0 && message[at..].starts_with("; ") => found = Some(at),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_split_before_its_remedy() {
        let remedy = "choose a smaller network: its weights alone do not fit".to_owned();
        let error = Error::Memory { needed_mib: 2.0, available_mib: 1.0, remedy };
        let error = Error::Run { run: "a-1".into(), source: Box::new(error) };
        let (message, hint) = message_and_hint(&error);
        assert_eq!(message, "run a-1 failed: training takes about 2 MiB, this machine has 1 MiB");
        assert_eq!(hint.as_deref(), Some("choose a smaller network: its weights alone do not fit"));
        assert!(error.is_user_error());
    }

    #[test]
    fn semicolons_in_quotes_brackets_and_lists_are_no_remedies() {
        assert_eq!(split("the query `SELECT 1; SELECT 2` failed"), None);
        assert_eq!(split("flex (a GPU; it differs)"), None);
        assert_eq!(split("a: b; c\nd: e; f"), None);
        assert_eq!(split("`a; b` is unknown; use `c; d`"), Some(17));
    }
}
