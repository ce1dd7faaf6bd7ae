//! Keys, tokens, scopes and the audit log.

mod audit;
mod caller;
mod jwt;
mod key_file;
mod keys;
mod limits;
mod scope;

use std::path::Path;
use std::sync::Arc;

pub use self::audit::{AuditEvent, AuditLog, AuditedCall, PendingCall};
pub use self::caller::Caller;
pub use self::jwt::TokenVerifier;
pub use self::key_file::{ApiKey, KeyFile, NewKey};
pub use self::keys::{Denial, KeyRing};
pub use self::limits::SharedLimits;
pub use self::scope::{SCOPES, Scope};

use cupola_spec::RateLimits;

use crate::error::Error;
use crate::notify::resolved;
use crate::telemetry::LimitMetrics;

/// Access rules of a server: who may call it, and the log of who administered it.
#[derive(Debug)]
pub struct AccessControl {
    keys: KeyRing,
    audit: Option<AuditLog>,
}

impl AccessControl {
    /// Access rules without an audit log.
    pub fn new(keys: KeyRing) -> Self {
        Self { keys, audit: None }
    }

    /// Replaces the keys.
    pub fn set_keys(&mut self, keys: KeyRing) {
        self.keys = keys;
    }

    /// Writes administrative and refused calls to a file.
    ///
    /// # Errors
    /// [`Error::Audit`] if the file cannot be opened.
    pub fn set_audit(&mut self, path: &Path) -> Result<(), Error> {
        let opened = AuditLog::open(path);
        self.audit = Some(opened.map_err(|source| Error::Audit { path: path.to_owned(), source })?);
        Ok(())
    }

    /// Accepts the tokens of an identity provider too; callers without key or token are then refused.
    pub fn set_tokens(&mut self, tokens: Arc<TokenVerifier>) {
        self.keys.set_tokens(tokens);
    }

    /// Counts the use of keys together with other servers, in the store of `[limits]`.
    ///
    /// # Errors
    /// [`Error::Limits`] for an invalid address, or a variable in it that is not set.
    pub fn share_limits(&mut self, spec: &RateLimits, metrics: LimitMetrics) -> Result<SharedLimits, Error> {
        let address = resolved(&spec.shared, |name| std::env::var(name).ok());
        let address = address.map_err(|unset| Error::Limits { why: unset.to_string() })?;
        SharedLimits::new(self.keys.share_usage(spec.replicas), &address, spec, metrics)
    }

    /// `true` if the server has no keys, and everybody may do everything.
    pub fn is_open(&self) -> bool {
        self.keys.is_empty()
    }

    /// Audit log, if one is kept.
    pub fn audit(&self) -> Option<&AuditLog> {
        self.audit.as_ref()
    }

    /// Checks that a caller has a scope for a model or dataset, and that an administrative call can be recorded.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Unrecorded`].
    pub fn authorize(&self, caller: &Caller, scope: Scope, name: &str) -> Result<(), Error> {
        caller.require(scope, name)?;
        if scope == Scope::Admin && self.audit.as_ref().is_some_and(AuditLog::is_full) {
            return Err(Error::Unrecorded);
        }
        Ok(())
    }

    /// Identifies the caller by its key or token, and counts the request.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], [`Error::RateLimited`].
    pub fn admit(&self, token: Option<&str>) -> Result<Caller, Error> {
        self.keys.admit(token).map_err(|denial| match denial {
            Denial::Unknown => Error::Unauthenticated,
            Denial::RateLimited(wait) => Error::RateLimited { wait },
        })
    }
}
