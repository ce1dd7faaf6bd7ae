//! Images, manifests and repositories that run a package elsewhere, as typed values.
//!
//! `image` writes an OCI image without a daemon, `manifest` the files of an orchestrator or an init system, `project` a
//! repository whose CI trains, judges and publishes a model.

mod error;
mod image;
mod manifest;
pub mod pod;
mod project;

pub use error::Error;
pub use image::*;
pub use manifest::*;
pub use project::*;
