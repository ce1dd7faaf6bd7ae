//! Distributions of the rows and predictions of a model: sealed with it at publication, collected again from any data.

mod collect;
mod columns;
mod embeddings;
mod error_model;
mod features;
mod forecasts;
mod late;
mod log;
mod outcomes;
mod reservoir;
mod seal;
mod series_table;

pub use self::collect::{CollectedData, CollectionRequest};
pub use self::embeddings::CollectedEmbeddings;
pub use self::error_model::ErrorModel;
pub use self::features::CollectedFeatures;
pub use self::forecasts::CollectedForecasts;
pub use self::outcomes::{OutcomeRows, OutcomeSource};
pub use self::reservoir::reference_embeddings;
pub(crate) use self::reservoir::sealed_embeddings;
pub(crate) use self::seal::{PredictedSplit, sealed_profile};
