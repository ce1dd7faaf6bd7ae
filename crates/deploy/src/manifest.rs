//! Files for orchestrators and init systems that serve a package.

mod error;

pub use error::ManifestError;
