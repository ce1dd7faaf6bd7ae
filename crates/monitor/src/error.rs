//! Errors of monitoring.

/// What is wrong with values, profiles or rules that were given.
#[derive(Debug, thiserror::Error)]
pub enum Error {}
