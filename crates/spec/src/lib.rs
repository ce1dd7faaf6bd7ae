//! What a user declares: run, data, model and training specs. Parse, validate, explain; pure.
//!
//! Two types stand for one file. [`Config`] is what was typed, with the defaults of
//! `configs/default.toml` filled in. [`Run`] is what it means: the model expanded to a list of
//! layers, the one target picked out. Nothing here reads a file or touches a tensor; whoever calls
//! [`parse`] hands in a loader for the files that a config names.

mod config;
mod document;
mod layer;
mod model;
mod parse;
mod problem;
mod run;
mod schema;
mod shape;

pub use config::{
    Category, Config, Data, EarlyStop, Encoding, Goal, Input, Kind, Optimizer, OptimizerKind, Scaling,
    Schedule, ScheduleKind, Source, Split, SplitBy, Target, TargetKind, Train, Unseen,
};
pub use layer::{Activation, Layer};
pub use model::{Expect, Family, Model, ModelFile};
pub use parse::{DEFAULTS, parse, parse_model_file};
pub use problem::{Problem, Problems, nearest};
pub use run::Run;
pub use schema::{config_schema, model_schema};
pub use shape::{ShapeError, ShapeRow, trace};
