//! Columns that the model sees: declared or inferred, raw or computed.

mod derivation;
mod expression;
mod resolve;

pub use self::derivation::{Derivation, FittedFeature};
pub use self::resolve::{Finding, Resolved, matches, resolve};
