//! Versions in use, by the figures of the server that runs them.

mod interval;
mod rollout;

pub use self::interval::{ProcessUse, ServiceInterval, TargetOutcome};
pub use self::rollout::{RolloutBounds, RolloutVerdict, VersionFigures};
