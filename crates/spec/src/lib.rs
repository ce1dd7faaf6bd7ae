//! What a user declares: run, data, model and training specs. Parse, validate, explain; pure.
//!
//! Two types stand for one file. [`Config`] is what was typed, with the defaults of
//! `configs/default.toml` filled in. [`Run`] is what it means: the model expanded to a list of
//! layers, the one target picked out. Nothing here reads a file or touches a tensor; whoever calls
//! [`parse`] hands in a loader for the files that a config names.

mod block;
mod clean;
mod combine;
mod config;
mod data;
mod design;
mod document;
mod expect;
mod families;
mod input;
mod judge;
mod layer;
mod model;
mod name;
mod parse;
mod problem;
mod rope;
mod run;
mod schema;
mod serve;
mod shape;
mod sizes;
mod train;

pub use block::Block;
pub use clean::{Clean, Feature, TextStep};
pub use combine::Combine;
pub use config::{Config, Split, SplitBy, Target, TargetKind};
pub use data::{Api, Data, Engine, Http, Page, Source};
pub use design::{Design, Head, TableStem};
pub use expect::{Expectation, ForeignKey, Severity, ValueType};
pub use input::{
    Augment, Category, DatePart, Encoding, Fill, Input, Kind, OutlierAction, OutlierRule, Outliers, Scaling,
    Tokens, TokensKind, Unseen,
};
pub use layer::{Activation, Cell, Layer, Take};
pub use model::{Expect, Family, Lora, Model, ModelFile, PackageRef};
pub use name::{NAME_RULE, is_name};
pub use parse::{DEFAULTS, PACKAGE, parse, parse_data, parse_model_file};
pub use problem::{Problem, Problems, did_you_mean, nearest};
pub use rope::{ROPE_BASE, Rope, RopeScaling};
pub use run::Run;
pub use schema::{config_schema, model_schema, serve_schema};
pub use serve::{Canary, Jwt, RequestLog, Serve, ServedModel, Tls, parse_serve};
pub use shape::{ShapeError, ShapeRow, trace};
pub use sizes::{Bagging, Boosting, Depth, ImageStem, Numbers, Recurrence, TreesSpec};
pub use train::{
    ClassWeights, EarlyStop, Goal, Group, LossKind, LossSpec, Optimizer, OptimizerKind, Precision, Schedule,
    ScheduleKind, Train,
};
