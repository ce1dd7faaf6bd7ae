//! Distributions of the rows and predictions of a model: sealed with it at publication, collected again from any data.

mod collect;
mod columns;
mod seal;

pub use self::collect::{CollectedData, CollectionRequest};
pub(crate) use self::seal::{PredictedSplit, sealed_profile};
