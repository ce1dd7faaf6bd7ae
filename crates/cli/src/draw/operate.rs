//! Drawing of monitoring, retraining and jobs on a cluster.

mod watch;

pub use self::watch::*;
