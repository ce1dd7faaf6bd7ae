//! Files for orchestrators and init systems that serve a package.
//!
//! A [`ModelDeployment`] is computed once from a package and [`DeployOptions`]; [`manifest_files`] turns it into the files of
//! a [`ManifestTarget`], and [`write_manifests`] makes them appear together. YAML and JSON are serialised from `objects`,
//! which has the fields of the orchestrators' interfaces.

mod deployment;
mod error;
mod names;
mod objects;
mod output;
mod resources;
mod targets;

pub use deployment::{CanaryImage, DeployOptions, ModelDeployment, PackageFacts};
pub use error::ManifestError;
pub use output::{ManifestFile, write_manifests};
pub use resources::ServerResources;
pub use targets::{ManifestTarget, manifest_files, next_step};
