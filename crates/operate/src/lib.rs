//! Models in production: reports of monitoring, retraining, and jobs on a cluster, as a library over `workflow`.

mod error;
mod submit;
mod watch;

pub use error::Error;
pub use submit::*;
pub use watch::*;
