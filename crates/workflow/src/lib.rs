//! Workflow: collect, prepare, train, evaluate and publish as a library, without a terminal.
//!
//! A [`Session`] ties a home folder to an [`Observer`] that receives a typed [`WorkflowEvent`] for everything
//! that happens. Its methods are the stages: [`Session::run_config`] reads a config,
//! [`Session::draft`] drafts one from data, [`Session::load_data`] collects and prepares its rows (or reuses what [`Session::prepare`] kept),
//! [`Session::check`] stops before training,
//! [`Session::evaluate_model`] makes the evaluation of a package on rows, [`Session::compare_models`] that of two, [`Session::collect_columns`] collects the distributions of data for monitoring, and [`Session::open_model`] predicts and evaluates with a
//! published package. A [`TrainJob`] goes all the way to a published package and ends early, with a
//! checkpoint, when its [`StopSignal`] is set.
//!
//! Nothing here prints or exits: the command line draws events, and other programs may do as they like.

mod check;
mod config;
mod data;
mod error;
mod evaluate;
mod event;
mod machine;
mod models;
mod session;
mod train;
mod tune;

pub use check::{CheckReport, NetworkPlan};
pub use config::ConfigSource;
pub use config::draft::{
    Draft, DraftColumn, DraftModel, DraftRequest, DraftRole, DraftSplit, DraftTraining, PRODUCTION,
    ProjectDraft,
};
pub use cupola_tune::{JournalTrialState, ParamImportance};
pub use data::stages::{StageNode, StageState};
pub use data::{LoadedData, Prepare, PrepareOutcome, PreparedStage, SourceReport};
pub use error::{Error, is_user_error, message_and_hint};
pub use evaluate::gate::{
    GateConditions, GateOutcome, GateReport, GateRequest, JudgedCondition, JudgedModel, Opponent,
    evaluation_junit, gate_junit, gate_markdown, judge, sealed_evaluation, to_yaml,
};
pub use evaluate::{
    CompareRequest, ComparedModels, EvaluatedModel, EvaluationOptions, PublishedMetrics, evaluation_json,
    explanation_json, sealed_document, write_page,
};
pub use event::{Observer, Silent, TrainingPlan, TrialProgress, TrialRow, WorkflowEvent};
pub use machine::memory::{MemoryEstimate, machine_memory};
pub use machine::probe::{GpuProbe, NoGpu, VulkanProbe};
pub use models::inference::{ForecastOptions, InputRows, LoadedModel, ModelSelection, RowLabels};
pub use models::monitor::{
    CollectedData, CollectedEmbeddings, CollectedFeatures, CollectedForecasts, CollectionRequest, ErrorModel,
    OutcomeRows, OutcomeSource, reference_embeddings,
};
pub use models::packages::{AliasChange, roll_back_alias, set_alias, verify_packages};
pub use models::predict::{PredictOptions, PredictedRows};
pub use models::pretrained::Pretrained;
pub use session::Session;
pub use train::{
    BaselineScore, JobOutcome, PublishedRun, RateReport, RateTest, StopSignal, TrainJob, TrainingDevices,
    TrainingSummary,
};
pub use tune::cv::{CrossValidation, CvJob, CvOutcome, FoldMetric, FoldScore};
pub use tune::ensemble::{EnsembleJob, EnsembleMethod, EnsembleOutcome, LeaderboardRow, PublishedEnsemble};
pub use tune::preset::{
    Preset, PresetJob, PresetMember, PresetMemberState, PresetOutcome, PresetProgress, PresetReport,
};
pub use tune::{StudyWorkerCommand, TuneJob, TuneOutcome, TuneReport};

/// Version of the code, as recorded in runs and packages.
pub const CODE_VERSION: &str = env!("CARGO_PKG_VERSION");
