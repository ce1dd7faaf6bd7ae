//! Commands on the installation itself.

pub mod completions;
pub mod doctor;
pub mod schema;
