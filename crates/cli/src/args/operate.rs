//! Arguments of monitoring, retraining and jobs on a cluster.

mod monitor;

pub use self::monitor::*;
