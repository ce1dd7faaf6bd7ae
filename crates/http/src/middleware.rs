//! Access checks and time limits around every route.

mod guard;
mod time_limit;

pub(crate) use self::guard::{Access, Routes, rpc};
pub(crate) use self::time_limit::limit_time;
