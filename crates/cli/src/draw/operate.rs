//! Drawing of monitoring, retraining and jobs on a cluster.

mod deploy;
mod drift;
mod forecast_estimates;
mod performance;
mod service_log;
mod submit;
mod watch;

pub use self::deploy::{ByteProgress, show_image};
pub use self::drift::show_drift;
pub use self::performance::show_performance;
pub use self::service_log::show_service_log;
pub use self::submit::*;
pub use self::watch::*;
