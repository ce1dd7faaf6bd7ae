//! Arguments of monitoring, retraining and jobs on a cluster.

mod monitor;
mod submit;

pub use self::monitor::*;
pub use self::submit::*;
