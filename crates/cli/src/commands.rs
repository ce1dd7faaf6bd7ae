//! One file for each command.

pub mod check;
pub mod completions;
pub mod data;
pub mod doctor;
pub mod evaluate;
pub mod generate;
pub mod graph;
pub mod keys;
pub mod models;
pub mod predict;
pub mod prepare;
pub mod rate;
pub mod runs;
pub mod schema;
pub mod serve;
pub mod train;
pub mod worker;
