//! Trees: gradient boosting as a baseline, fitted on the same examples as a network.
//!
//! [`Boosted`] answers logits as a network does, so evaluation, packages and the server take it
//! without knowing. The algorithm is the `perpetual` crate's, which finds step size and number of
//! trees itself from one `budget`.

mod boosted;
mod error;
mod file;

pub use boosted::Boosted;
pub use error::Error;
