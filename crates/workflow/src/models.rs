//! Published models: run on rows, aliased, verified, and trained further.

mod files;
pub mod inference;
pub mod packages;
pub mod predict;
pub mod pretrained;
