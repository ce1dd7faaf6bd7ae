//! Monitoring of models in production, from plain numbers: how far data and predictions have moved from those of the
//! training, how good the predictions still are, and which of it is worth an alert.
//!
//! Nothing here reads a file, opens a connection or knows a tensor; `serving` feeds it from requests, `operate` from
//! logs and files.

pub mod alert;
pub mod detect;
mod drift;
mod error;
pub mod multivariate;
pub mod performance;
mod profile;
pub mod service;
pub mod sketch;
mod twister;
pub mod window;

pub use drift::embedding;
pub use drift::{
    ColumnDrift, ColumnSide, DatasetDrift, DriftColumnKey, DriftMethod, DriftOptions, DriftPicture,
    MAX_DRIFTED_SHARE,
};
pub use error::Error;
pub use performance::late;
pub use profile::{
    CategoryReference, ColumnCollector, ColumnRole, ContentSample, NamedColumn, NumberReference,
    ObservedColumn, ObservedKind, ObservedValues, ReferenceColumn, ReferenceProfile, ReferenceValues,
    SampledTexts, SortedNumbers, TextReference,
};
