//! Memory and time that requests may use.
//!
//! [`Accounts`] holds the memory of a server, of which each caller may have a share at once. [`Accounts::request`]
//! opens the [`Budget`] of one request, which has a share of its own and a deadline. Code that is about to allocate
//! what a client's numbers decide calls [`Budget::take`] first and keeps the [`Hold`] for as long as the memory is
//! in use; loops over rows call [`Budget::check`]. [`Budget::unlimited`] serves training and tests.
//!
//! The sums are estimates of what is allocated, taken before it is: they bound memory, and do not measure it.

mod account;
mod accounts;
mod budget;
mod exceeded;
mod hold;

pub use accounts::{Accounts, MemoryLimits};
pub use budget::Budget;
pub use exceeded::Exceeded;
pub use hold::Hold;
