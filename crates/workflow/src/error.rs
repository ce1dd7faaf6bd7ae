//! Error of the workflow.

mod message;
mod user;

use std::error::Error as StdError;
use std::path::PathBuf;

pub use self::message::message_and_hint;
pub use self::user::is_user_error;

use self::user::{network, runtime, study, train};

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
    /// A model whose rows have no vectors.
    #[error(
        "{package} makes no vectors of its rows, so there are no embeddings to compare; leave out --embeddings"
    )]
    NoEmbeddings {
        /// `NAME:VERSION`
        package: String,
    },
    /// Data that no config can be drafted for as it was asked.
    #[error("{why}; {remedy}")]
    Draft {
        /// Reason.
        why: String,
        /// Remedy.
        remedy: String,
    },
    /// A target that the model does not have.
    #[error("unknown target `{target}`; expected one of {known}")]
    UnknownTarget {
        /// Name that was given.
        target: String,
        /// Names of the model's targets.
        known: String,
    },
    /// Errors of single rows of a ranking.
    #[error(
        "`{target}` is a ranking, whose rows have no errors of their own; measure it by `cupola evaluate --data` on rows with their groups"
    )]
    RankingOutcomes {
        /// Name of the target.
        target: String,
    },
    /// Late targets of series without times.
    #[error(
        "the rows of `{target}` have no column of times, so values do not join them; train with `time` under `[series]`"
    )]
    NoSeriesTime {
        /// Name of the target.
        target: String,
    },
    /// Late targets of a model whose rows are no series.
    #[error(
        "--targets joins by series and time, but each row of `{target}` is predicted by itself; send targets as \
         feedback, or give data with the column of the target"
    )]
    NoSeries {
        /// Name of the target.
        target: String,
    },
    /// A table of late targets without one of the columns that they join by, or without the target.
    #[error(
        "column `{column}` is not in {table}{found}; {near}--targets takes a table with the key, the time and the target of the \
         series: {expected}"
    )]
    NoLateColumn {
        /// Source of the table.
        table: String,
        /// Name of the column.
        column: String,
        /// Columns that are there, with a leading space, or empty.
        found: String,
        /// Question such as ``did you mean `x`? ``, or empty.
        near: String,
        /// Names of the columns that the table must have.
        expected: String,
    },
    /// A late target that is not a number.
    #[error("row {row} of the targets, column `{column}`: {why}; fix it, or leave it empty")]
    LateValue {
        /// Number of the row, from 1.
        row: usize,
        /// Name of the column.
        column: String,
        /// Reason.
        why: String,
    },
    /// A file that the user named cannot be read.
    #[error("failed to read {path}: {source}; check the path")]
    Read {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A file or folder of the workflow's own cannot be read or written.
    #[error("{path}: {source}; {}", cupola_store::io_remedy(.source))]
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
    /// Several models on rows that are not in memory.
    #[error("an ensemble needs all rows in memory; leave `data.stream` out")]
    EnsembleOnStream,
    /// A config that has no folds.
    #[error("no cross-validation: {why}; {remedy}")]
    CrossValidation {
        /// Reason.
        why: String,
        /// Remedy.
        remedy: &'static str,
    },
    /// Models that cannot be combined as asked.
    #[error("{why}; {remedy}")]
    Ensemble {
        /// Reason.
        why: String,
        /// Remedy.
        remedy: &'static str,
    },
    /// A preset that cannot be trained.
    #[error("{why}; {remedy}")]
    Preset {
        /// Reason.
        why: String,
        /// Remedy.
        remedy: String,
    },
    /// Members that were not trained and tested on the same rows.
    #[error(
        "{first} and {second} differ in {what}, so they have no common valid rows; train both with the same data, split and seed"
    )]
    OtherRows {
        /// First package.
        first: String,
        /// Second package.
        second: String,
        /// Difference.
        what: &'static str,
    },
    /// A member whose run has no package.
    #[error("run {run} is not finished; continue it with `cupola train --resume`, or name another run")]
    MemberUnfinished {
        /// Id of the run.
        run: String,
    },
    /// A member of an ensemble that is the average of a cross-validation.
    #[error(
        "`{package}` is the average of a cross-validation, whose folds have seen the rows that members are weighed and \
         tested on; name a package of `cupola train`"
    )]
    MemberOfFolds {
        /// `name:version` of the package.
        package: String,
    },
    /// A learning-rate test of trees.
    #[error("trees have no learning rate; choose a network in `[model]`")]
    TreesHaveNoRate,
    /// A feature that this binary was built without.
    #[error("this binary is built without {what}; build it with: cargo build --release --features {feature}")]
    MissingFeature {
        /// The capability.
        what: &'static str,
        /// Cargo feature that adds it.
        feature: &'static str,
    },
    /// A package that was published without conditions, where no others are given.
    #[error("{package} was published without a gate; give conditions with --config, in a table `[gate]`")]
    NoGate {
        /// `NAME:VERSION`
        package: String,
    },
    /// A package whose files are not those that were published.
    #[error("package {package} is damaged: {why}")]
    DamagedPackage {
        /// The package as it was named.
        package: String,
        /// Damage and remedy.
        why: String,
    },
    /// A result that the format cannot hold.
    #[error("failed to write the result as {format}: {why}")]
    Format {
        /// `YAML` or `JUnit`.
        format: &'static str,
        /// Reason.
        why: String,
    },
    /// Subgroups of a model whose examples are no single rows.
    #[error("{package} predicts {what}, which belong to no subgroup; leave --subgroups out")]
    NoSubgroups {
        /// `NAME:VERSION`
        package: String,
        /// Examples that it predicts, such as windows of a series.
        what: &'static str,
    },
    /// Two models that do not predict the same.
    #[error("{first} and {second} cannot be compared: {why}; choose models of the same target")]
    Incomparable {
        /// First model.
        first: String,
        /// Second model.
        second: String,
        /// Difference.
        why: String,
    },
    /// Distributions that do not make a profile.
    #[error(transparent)]
    Monitor(#[from] cupola_monitor::Error),
    /// A study, its journal or its space.
    #[error(transparent)]
    Study(#[from] cupola_tune::StudyError),
    /// A study that cannot begin or end as it was asked to.
    #[error("study {study}: {why}; {remedy}")]
    Tune {
        /// Name of the study.
        study: String,
        /// Reason.
        why: String,
        /// Remedy.
        remedy: String,
    },
    /// The group of processes that train together.
    #[error("MPI: {0}")]
    Group(String),
    /// Calibration, threshold or intervals that the data does not allow.
    #[error("`{key}`: {why}; {remedy}")]
    Decision {
        /// Key of the config.
        key: &'static str,
        /// Description of the problem.
        why: String,
        /// Remedy.
        remedy: String,
    },
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
    pub(crate) fn draft(why: String, remedy: &str) -> Self {
        Self::Draft { why, remedy: remedy.to_owned() }
    }

    /// `true` if the user can correct the cause: a config, data, names, devices, options.
    pub fn is_user_error(&self) -> bool {
        match self {
            Self::Network(error) => network(error),
            Self::Train(error) => train(error),
            Self::Record(error) => error.is_user_error(),
            Self::Store(error) => error.is_user_error(),
            Self::Runtime(error) => runtime(error),
            Self::Run { source, .. } => source.is_user_error(),
            Self::Study(error) => study(error),
            Self::Config(_)
            | Self::Data(_)
            | Self::Prepare(_)
            | Self::Draft { .. }
            | Self::UnknownTarget { .. }
            | Self::NoEmbeddings { .. }
            | Self::RankingOutcomes { .. }
            | Self::NoSeriesTime { .. }
            | Self::NoSeries { .. }
            | Self::NoLateColumn { .. }
            | Self::LateValue { .. }
            | Self::Tune { .. }
            | Self::Read { .. }
            | Self::Memory { .. }
            | Self::NotTrainable { .. }
            | Self::NothingToTrain
            | Self::ConfigChanged { .. }
            | Self::ConfigDiffers { .. }
            | Self::DataChanged { .. }
            | Self::RunFinished { .. }
            | Self::Decision { .. }
            | Self::TreesOnDevices
            | Self::TreesOnStream
            | Self::TreesHaveNoRate
            | Self::EnsembleOnStream
            | Self::CrossValidation { .. }
            | Self::Ensemble { .. }
            | Self::Preset { .. }
            | Self::OtherRows { .. }
            | Self::MemberUnfinished { .. }
            | Self::MemberOfFolds { .. }
            | Self::MissingFeature { .. }
            | Self::Incomparable { .. }
            | Self::DamagedPackage { .. }
            | Self::NoSubgroups { .. }
            | Self::NoGate { .. } => true,
            Self::Trees(error) => matches!(error, cupola_trees::Error::Monotone { .. }),
            Self::Io { source, .. } => cupola_store::is_user_io(source),
            Self::Json(_)
            | Self::Toml(_)
            | Self::Format { .. }
            | Self::Monitor(_)
            | Self::DamagedStage { .. }
            | Self::Group(_) => false,
        }
    }
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
