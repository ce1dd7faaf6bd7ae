//! Arguments of monitoring, retraining, deployment and jobs on a cluster.

mod deploy;
mod drift;
mod export;
mod monitor;
mod performance;
mod submit;
mod watch;

pub use self::deploy::*;
pub use self::drift::*;
pub use self::export::*;
pub use self::monitor::*;
pub use self::performance::*;
pub use self::submit::*;
pub use self::watch::*;
