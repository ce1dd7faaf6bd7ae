//! Commands of monitoring, retraining and jobs on a cluster.

pub mod deploy;
pub mod monitor;
pub mod submit;
pub mod watch;
