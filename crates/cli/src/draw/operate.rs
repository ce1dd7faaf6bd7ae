//! Drawing of monitoring, retraining and jobs on a cluster.

mod drift;
mod submit;
mod watch;

pub use self::drift::show_drift;
pub use self::submit::*;
pub use self::watch::*;
