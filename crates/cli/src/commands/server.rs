//! Commands of servers and their keys, and of workers.

pub mod keys;
pub mod serve;
pub mod worker;
