//! Drawing of monitoring, retraining and jobs on a cluster.

mod drift;
mod submit;

pub use self::drift::show_drift;
pub use self::submit::*;
