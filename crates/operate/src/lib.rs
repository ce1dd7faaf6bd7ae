//! Models in production: reports of monitoring, retraining, and jobs on a cluster, as a library over `workflow`.

mod error;
mod watch;

pub use error::Error;
pub use watch::*;
