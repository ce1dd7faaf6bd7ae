//! Drawing of monitoring, retraining and jobs on a cluster.

mod submit;

pub use self::submit::*;
