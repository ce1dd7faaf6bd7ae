//! Files and folders on disk: rights, staged writes, locks, what killed writers leave behind, reading.

pub(crate) mod json;
pub(crate) mod leftover;
pub(crate) mod lines;
pub(crate) mod local;
pub(crate) mod lock;
pub(crate) mod private;
pub(crate) mod staged;
