//! The record: runs, checkpoints, sealed packages and aliases. Files are the truth, SQL the index.
//!
//! Everything is written beside its place, synced and renamed into it, so a reader sees a whole
//! folder or none, whatever happens to the writer. The `SQLite` index only makes listings fast and
//! can be rebuilt from the files at any time.

mod alias;
mod error;
mod files;
mod home;
mod index;
mod package;
mod reference;
mod run;

pub use alias::Aliases;
pub use error::Error;
pub use files::{read_limited, sha256_hex, write_file, write_folder};
pub use home::{Home, now};
pub use index::{Index, PackageRow, RunRow};
pub use package::{Lineage, Manifest, Package, Sealed, publish, sealed_files};
pub use reference::Reference;
pub use run::{RunFolder, RunRecord, Status};

#[cfg(test)]
mod tests;
