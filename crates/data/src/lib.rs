//! Collect: sources become Arrow record batches and a dataset version. The only user of `DataFusion`.
//!
//! [`load`] reads files into a [`Table`]: first the files are found and hashed, then `DataFusion`
//! reads them, optionally through a SQL query. The [`DatasetVersion`] says exactly which bytes a
//! run has seen. [`stream`] opens a source that is read a batch of rows at a time.

mod csv_schema;
mod error;
mod files;
mod read;
mod stream;
mod version;

pub use error::Error;
pub use files::{DataFile, Format, find};
pub use read::{Table, load};
pub use stream::{Stream, stream};
pub use version::{DatasetVersion, FileVersion};
