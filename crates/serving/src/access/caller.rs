//! Sender of a request, and what it may do.

use std::sync::Arc;

use super::key_file::ApiKey;
use super::scope::Scope;
use crate::error::Error;

/// Sender of a request.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Anybody, at a server without keys.
    Anonymous,
    /// Holder of a key or token.
    Key(Arc<ApiKey>),
}

impl Caller {
    /// `true` if the caller has a scope for a model or dataset; an empty name stands for all of them.
    pub fn has(&self, scope: Scope, name: &str) -> bool {
        let Self::Key(key) = self else { return true };
        let exact = format!("{scope}:{name}");
        key.scopes.iter().any(|held| {
            held == Scope::Admin.as_str() || held == scope.as_str() || (!name.is_empty() && *held == exact)
        })
    }

    /// Checks [`Self::has`].
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn require(&self, scope: Scope, name: &str) -> Result<(), Error> {
        if self.has(scope, name) {
            return Ok(());
        }
        Err(Error::Forbidden { key: self.id().to_owned(), scope: scope.as_str(), name: name.to_owned() })
    }

    /// Checks that the caller may know of a model. Any other model looks like one that does not exist.
    ///
    /// # Errors
    /// [`Error::UnknownModel`].
    pub fn require_sight(&self, model: &str) -> Result<(), Error> {
        if self.has(Scope::Predict, model) {
            return Ok(());
        }
        Err(Error::UnknownModel { name: model.to_owned() })
    }

    /// Id of the key, or `-`.
    pub fn id(&self) -> &str {
        match self {
            Self::Anonymous => "-",
            Self::Key(key) => &key.id,
        }
    }
}
