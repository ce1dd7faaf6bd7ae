//! Repositories for a model of one's own.

mod error;

pub use error::ProjectError;
