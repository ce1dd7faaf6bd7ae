//! Commands of monitoring, retraining and jobs on a cluster.

pub mod submit;
pub mod watch;
