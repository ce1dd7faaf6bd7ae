//! OCI images that serve packages, written without a daemon.
//!
//! An [`ImageRequest`] has packages and a program. `contents` plans a layer for the C library and certificates, one for
//! the program and one for each package; `blob` makes them reproducible blobs; `documents` describes them; `output` puts
//! all of it into an archive or a folder, which appears whole.

mod blob;
mod contents;
mod documents;
mod error;
mod output;
mod program;
mod reference;
mod serve;
mod write;

pub use blob::ImageCompression;
pub use error::ImageError;
pub use output::ImageFormat;
pub use program::ProgramFile;
pub use reference::ImageReference;
pub use serve::ImageServe;
pub use write::{ImageLayerReport, ImageReport, ImageRequest, write_image};

#[cfg(test)]
mod tests;
