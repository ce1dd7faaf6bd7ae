//! Collect: sources become Arrow record batches and a dataset version. The only user of `DataFusion`.
//!
//! A [`Request`] says what is wanted. Its files are collected first: found, fetched, unpacked, hashed.
//! Then `DataFusion` reads them, optionally through a SQL query, and each row is held against what is
//! expected of it. [`load`] keeps the rows in memory, [`stream`] reads them a batch at a time, and
//! [`Datasets`] keeps them as versions with a name. The [`DatasetVersion`] says exactly which bytes a
//! run has seen.

#[cfg(feature = "ballista")]
pub mod cluster;
mod collect;
mod contents;
mod contract;
mod csv_schema;
mod dataset;
mod error;
mod files;
mod journal;
mod place;
mod profile;
mod read;
mod scan;
mod secret;
mod stream;
mod version;
mod watch;

pub use collect::Request;
pub use contract::{Outcome, Report};
pub use dataset::{About, Added, ColumnDiff, Datasets, Diff, Inbox, Manifest, NotTaken, push_dvc};
pub use error::Error;
pub use journal::{Entry, Journal};
pub use profile::{ColumnProfile, Numbers, Profile};
pub use read::{Collection, Table, collect, load, load_collected};
pub use stream::{Stream, stream, stream_collected};
pub use version::{DatasetVersion, FileVersion};
pub use watch::{Unit, Unwatched, Watch};
