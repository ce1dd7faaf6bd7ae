//! Alerts of a server: rules are checked on its own metrics, and notifications sent to receivers.
//!
//! [`AlertWatch`] checks all rules once per interval and puts notifications into one bounded queue per receiver. Each
//! receiver has a task of its own that sends, retries with a growing delay, and reports what fails; one that is down
//! delays neither the others nor a request. States, silences and queues are kept in a file, so that a restarted server
//! tells nothing twice and loses nothing.

mod channel;
mod columns;
mod config;
mod delivery;
mod email;
mod failure;
mod outbox;
mod payload;
mod signature;
mod store;
mod watch;

pub(crate) use self::channel::resolved;
pub use self::columns::check_drift_columns;
pub use self::config::{alert_rules, default_rules};
pub use self::signature::{is_same_secret, is_signed, signature};
pub use self::watch::{AlertWatch, MetricsText, NewSilence};

#[cfg(test)]
mod tests;
