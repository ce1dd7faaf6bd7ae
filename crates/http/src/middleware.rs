//! Layers around every route: access, content codings, time limits, the end of connections, and the entry before routing.

mod access;
mod browser;
mod coding;
mod fields;
mod front;
mod guard;
mod leaving;
mod message;
mod refusal;
mod rpc;
mod time_limit;

pub(crate) use self::access::Access;
pub(crate) use self::browser::BrowserRules;
pub(crate) use self::coding::check_coding;
pub(crate) use self::front::front;
pub(crate) use self::guard::Routes;
pub(crate) use self::leaving::close_when_leaving;
pub(crate) use self::refusal::refuse;
pub(crate) use self::rpc::{RpcService, rpc};
pub(crate) use self::time_limit::limit_time;
