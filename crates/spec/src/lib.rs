//! The declarations of a user: run, data, model, training and server configs. Pure: no file is read and no
//! tensor touched.
//!
//! A config walks through this crate in four steps. [`parse`] reads the TOML text into values that know their
//! line and column, applies overrides, and puts `configs/default.toml` under them. The JSON Schema that is
//! generated from the types finds wrong keys and types, and the rules of `validate` find values that exclude
//! or require each other; both report every problem at once. The family of the model expands to a [`Design`],
//! a list of [`Layer`]s with its head. The result is a [`Run`], whose `sealed` [`Config`] parses to the same
//! run again. Files that a config names are read by a function that the caller passes in.
//!
//! | module | contents |
//! |---|---|
//! | `config` | the run config, its parser, its JSON Schema, its problems, and the resolved run |
//! | `data` | sources, data contract, repairs, and the blocks of an example |
//! | `inputs` | inputs by kind |
//! | `layers` | layer kinds with their contracts: weights, output shape, cost |
//! | `evaluate` | contents of the evaluation at the end of a run, calibration and threshold, intervals and sets |
//! | `families` | families of networks as structs of sizes, each with one function to a design |
//! | `names` | names of models and columns, suggestions for unknown ones |
//! | `model` | families by name, references to architectures, designs |
//! | `train` | the training loop, loss, optimizer, schedule; the search for good values of keys |
//! | `validate` | rules that a schema cannot express |
//! | `serve` | the config of a server |

mod config;
mod data;
mod evaluate;
mod families;
mod inputs;
mod layers;
mod model;
mod names;
mod serve;
mod train;
mod validate;

pub use config::{
    Config, DEFAULTS, DriftTrigger, Gap, Gate, GateBound, GateCheck, GateComparator, GateCondition,
    GateMetric, GateSplit, GateValue, InvalidCondition, InvalidTime, LatencyPercentile, PACKAGE, Problem,
    Problems, QuietHours, Run, Series, Split, SplitBy, SubgroupStatistic, Target, TargetKind, TargetList,
    ValueEnd, VersusClaim, Watch, WatchBudget, WatchCanary, WatchClaim, WatchLive, WatchRollback,
    WatchSchedule, WatchTriggers, WatchWebhook, config_schema, config_settings, default_settings,
    model_schema, parse, parse_data, parse_gate, parse_model_file, parse_zone, train_for,
};
pub use data::{
    Api, Block, Clean, Data, Decimal, Expectation, Feature, ForeignKey, Http, Page, QueryEngine, RaggedRows,
    Severity, Source, SourceFormat, TextEncoding, TextStep, ValueType, masked_source, plain_secret,
};
pub use evaluate::{
    CalibrationMethod, Evaluate, ThresholdBound, ThresholdGoal, ThresholdScore, Uncertainty,
    UncertaintyMethod,
};
pub use families::{
    AutoencoderFamily, Bagging, Boosting, CnnFamily, Depth, DlinearFamily, FtTransformerFamily, GptFamily,
    ImageStem, LayersFamily, LlamaFamily, MlpFamily, NumberEmbedding, NumberLoss, PatchtstFamily, RankLoss,
    RealmlpFamily, Recurrence, ResnetFamily, ResnetTabularFamily, TabmFamily, TcnFamily,
    TextTransformerFamily, TreesSpec, Trend, VitFamily,
};
pub use inputs::{
    Augment, Category, DatePart, Encoding, Fill, Input, Kind, OutlierAction, OutlierRule, Outliers, Scaling,
    Tokens, TokensKind, Unseen,
};
pub use layers::{
    Activation, AttentionVariant, Cell, Cost, Embedding, Init, Layer, LayerContract, Misfit, ROPE_BASE, Rope,
    RopeScaling, ShapeError, ShapeRow, Take, WeightSpec, trace,
};
pub use model::{
    ColumnDefaults, Combine, Design, Expect, Family, FamilyInfo, FamilyUse, Head, Lora, Model, ModelFile,
    PackageRef, TableStem, families, families_for,
};
pub use names::{
    NAME_RULE, did_you_mean, is_name, matches_pattern, nearest, other_spelling, spelling_difference,
};
pub use serve::{
    Alert, AlertSettings, AlertWhen, Canary, ColumnStatistic, Jwt, LiveMonitoring, MailEncryption, Notify,
    PerformanceLog, RateLimits, RequestLog, Serve, ServedModel, StatisticNames, TimeSpan, Tls, is_valid_rate,
    parse_serve, serve_schema,
};
pub use train::{
    ClassWeights, EarlyStop, Goal, Group, InvalidTuneKey, LossKind, LossSpec, Optimizer, OptimizerKind,
    Precision, Schedule, ScheduleKind, ShareSchedule, Train, Tune, TuneMetric, TuneMetrics, TunePruner,
    TuneRange, TuneSampler, TuneSpace, TuneValues, parse_time,
};
