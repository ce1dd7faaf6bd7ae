//! Commands on the record of runs and packages.

pub mod models;
pub mod runs;
