//! OCI images of a package, written without a daemon.

mod error;

pub use error::ImageError;
