//! Arguments of monitoring, retraining and jobs on a cluster.

mod export;
mod monitor;
mod submit;

pub use self::export::*;
pub use self::monitor::*;
pub use self::submit::*;
