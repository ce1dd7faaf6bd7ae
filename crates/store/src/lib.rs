//! Files that appear whole, names that are checked once, digests and signatures.
//!
//! Everything that Cupola keeps on disk goes through this crate. A writer stages a file
//! ([`StagedFile`]) or a folder ([`StagedFolder`]) beside its target, syncs it and renames it, so a
//! reader sees the old content or the new one and never a part of it. Processes that change the
//! same folder take its [`Lock`] first. What killed writers left behind is found by [`leftovers`]. What is read back is checked against a SHA-256 digest
//! ([`Sha256Hasher`], [`VerifiedFile`]) and, for packages, a signature ([`verify_signature`]).
//!
//! [`Name`] and [`Reference`] are the only parsers of what users call models, datasets and runs.
//! [`Storage`] is the interface to one root of documents and folders; [`LocalFolder`] implements
//! it on the file system. [`Remote`] is an object store whose cache is a home folder.

mod blobs;
mod dataset_version;
mod digest;
mod disk;
mod error;
mod name;
mod remote;
mod signature;
mod storage;
mod versions;

pub use blobs::Blobs;
pub use dataset_version::{DatasetVersion, FileVersion};
pub use digest::{Sha256Hasher, VerifiedFile, digest_texts, hex, sha256_file, sha256_hex};
pub use disk::json::{JSON_LIMIT, read_json, to_json, write_json};
pub use disk::leftover::{Leftover, LeftoverState, leftovers};
pub use disk::lines::{append_lines, repair_lines};
pub use disk::local::{folders, read_limited};
pub use disk::lock::Lock;
pub use disk::private::{append_file, create_file};
pub use disk::staged::{
    STAGED_PREFIX, StagedFile, StagedFolder, create_folder, sync_folder, write_file, write_folder,
};
pub use error::{Error, io_remedy, is_user_io};
pub use name::{Name, Reference, is_plain_file_name, split_version};
pub use remote::{
    Fetched, FolderClient, Lease, ObjectClient, ObjectInfo, PutCondition, Remote, RemoteWarning,
};
pub use signature::verify_signature;
pub use storage::{LocalFolder, Storage};
pub use versions::{VERSION_LIMIT, next_version, version_number, versions};
