//! The machine that trains: its devices and its memory.

pub mod device;
pub mod memory;
pub mod probe;
