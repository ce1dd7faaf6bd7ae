//! Sources of rows: local files and folders, web servers, object stores, databases, topics and table lakes.
//!
//! A [`SourceRequest`] names a source. [`SourceRequest::collect`] makes local files of it: it finds, downloads, unpacks
//! and hashes them ([`Collected`]). A [`Scan`] then reads the files as Arrow record batches with one schema
//! ([`SourceRows`]), optionally through SQL. Named datasets are found by a [`DatasetResolver`] that the caller passes
//! in, so that this crate needs no knowledge of them.

#[cfg(feature = "ballista")]
pub mod cluster;
mod error;
mod fetch;
mod file;
mod location;
mod progress;
mod read;
mod remote;
mod runtime;
mod secret;
mod table;

pub use cupola_store::{FileVersion, digest_texts};
pub use error::{Error, io_error};
pub use fetch::cache::SourceCache;
pub use fetch::{Collected, DatasetResolver, ResolvedDataset, SourceRequest};
pub use file::{Compression, DataFile, Decrypted, FileFormat, file_version, open_file};
pub use progress::{NoProgress, ProgressSink, ProgressUnit};
pub use read::LineFinder;
pub use read::batch::note::SourceNote;
pub use read::batch::origin::{BatchOrigin, RowLocation, RowOrigin};
pub use read::contents::{ContentsDigest, FileContents, ListedFiles};
pub use read::{Batches, RejectedRow, Scan, SourceBatch, SourceRows, TextColumns, TextFormat};
pub use remote::{HomeClient, RemoteStore};
pub use runtime::io_runtime;
pub use secret::{FilledText, Secrets, fill_secrets};
pub use table::TableWriter;
