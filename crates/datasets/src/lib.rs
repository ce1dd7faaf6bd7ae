//! Datasets: rows that are read, checked and kept as named, immutable versions.
//!
//! [`collect`] makes local files of a source by `cupola-sources`. [`load`] reads them into memory, [`stream`] reads them
//! batch by batch, as often as needed; both check every row against the expectations of the config
//! ([`ContractReport`]). [`Datasets`] keeps versions over content-addressed blobs, each with a [`DatasetManifest`] and
//! a [`Profile`]. [`IngestLog`] stores rows that are pushed to a dataset, [`PredictionJournal`] stores predictions.
//! A [`DatasetVersion`] identifies exactly the bytes that a run has seen.

mod contract;
mod dataset;
mod error;
mod journal;
mod load;
mod profile;
mod stream;

pub use contract::{ContractReport, RuleOutcome};
pub use cupola_store::DatasetVersion;
pub use dataset::{
    AddOutcome, ColumnDiff, DatasetInfo, DatasetManifest, Datasets, Diff, IngestError, IngestLog, push_dvc,
};
pub use error::Error;
pub use journal::{
    JournalColumn, JournalEntry, JournalSettings, JournalValues, JournalWarning, PredictionJournal,
};
pub use load::{Collection, LoadRequest, Sample, Table, collect, load, load_collected, sample};
pub use profile::{ColumnProfile, NumberProfile, Profile};
pub use stream::{Stream, stream, stream_collected};
