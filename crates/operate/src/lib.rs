//! Models in production: reports of monitoring, retraining, and jobs on a cluster, as a library over `workflow`.

mod error;
mod submit;

pub use error::Error;
pub use submit::*;
