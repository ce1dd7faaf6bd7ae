//! Arguments of monitoring, retraining and jobs on a cluster.

mod submit;
mod watch;

pub use self::submit::*;
pub use self::watch::*;
