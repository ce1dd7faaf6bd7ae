//! Runs, checkpoints, published packages and aliases of a home folder.
//!
//! The files are the truth: a [`RunFolder`] per run, a [`Package`] per published version, one file
//! of [`Aliases`] per model. They are written through `cupola_store`, so a reader sees a whole
//! folder or none, whatever happens to the writer. The `SQLite` [`Index`] only makes listings fast
//! and follows the files whenever it is opened.

mod alias;
mod error;
mod history;
mod home;
mod index;
mod inspect;
mod package;
mod remote;
mod resolve;
mod run;

pub use alias::Aliases;
pub use cupola_store::{
    FolderClient, Leftover, LeftoverState, ObjectClient, Reference, Remote, StagedFile, VerifiedFile,
    is_user_io, read_limited, sha256_hex, write_file, write_folder,
};
pub use error::Error;
pub use history::{
    ComparedRun, ImportanceRow, RunColumn, RunComparison, RunFilter, RunQuery, RunSummary, SettingChange,
    SettingRow,
};
pub use home::{Home, now};
pub use index::{Index, PackageRow, RunRow};
pub use inspect::Finding;
pub use package::{
    EMBEDDINGS, EXAMPLE, GATE, Lineage, MONITOR, Manifest, Package, PackageContents, package_files, publish,
    published_by,
};
pub use run::{RunDataset, RunFolder, RunRecord, Status, ValidationScore};

#[cfg(test)]
mod tests;
