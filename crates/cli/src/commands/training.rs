//! Commands from a config to a published package.

pub mod check;
pub mod cv;
pub mod ensemble;
pub mod graph;
pub mod init;
pub mod prepare;
pub mod preset;
pub mod rate;
pub mod train;
pub mod tune;
