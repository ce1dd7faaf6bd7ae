//! Access checks and time limits around every route.

mod access;
mod guard;
mod rpc;
mod time_limit;

pub(crate) use self::access::Access;
pub(crate) use self::guard::Routes;
pub(crate) use self::rpc::rpc;
pub(crate) use self::time_limit::limit_time;
