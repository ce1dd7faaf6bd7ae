//! What a user declares: run, data, model and training specs. Parse, validate, explain; pure.
//!
//! Two types stand for one file. [`Config`] is what was typed, with the defaults of
//! `configs/default.toml` filled in. [`Run`] is what it means: the model expanded to a list of
//! layers, the one target picked out. Nothing here reads a file or touches a tensor; whoever calls
//! [`parse`] hands in a loader for the files that a config names.

mod config;
mod data;
mod families;
mod inputs;
mod layers;
mod model;
mod name;
mod serve;
mod train;
mod validate;

pub use config::{
    Config, DEFAULTS, PACKAGE, Problem, Problems, Run, Split, SplitBy, Target, TargetKind, TargetList,
    config_schema, did_you_mean, model_schema, nearest, parse, parse_data, parse_model_file, serve_schema,
};
pub use data::{
    Api, Block, Clean, Data, Engine, Expectation, Feature, ForeignKey, Http, Page, Severity, Source,
    TextStep, ValueType,
};
pub use families::{
    AutoencoderFamily, Bagging, Boosting, CnnFamily, Depth, DlinearFamily, FtTransformerFamily, GptFamily,
    ImageStem, LayersFamily, LlamaFamily, MlpFamily, Numbers, PatchtstFamily, Recurrence, ResnetFamily,
    ResnetTabularFamily, TabmFamily, TcnFamily, TextTransformerFamily, TreesSpec, VitFamily,
};
pub use inputs::{
    Augment, Category, DatePart, Encoding, Fill, Input, Kind, OutlierAction, OutlierRule, Outliers, Scaling,
    Tokens, TokensKind, Unseen,
};
pub use layers::{
    Activation, Cell, Cost, Embedding, Init, Layer, LayerContract, Misfit, ROPE_BASE, Rope, RopeScaling,
    ShapeError, ShapeRow, Take, WeightSpec, trace,
};
pub use model::{Combine, Design, Expect, Family, Head, Lora, Model, ModelFile, PackageRef, TableStem};
pub use name::{NAME_RULE, is_name};
pub use serve::{Canary, Jwt, RequestLog, Serve, ServedModel, Tls, parse_serve};
pub use train::{
    ClassWeights, EarlyStop, Goal, Group, LossKind, LossSpec, Optimizer, OptimizerKind, Precision, Schedule,
    ScheduleKind, Train,
};
