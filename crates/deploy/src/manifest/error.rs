//! Errors of a manifest.

/// Failure of a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Files, names or digests.
    #[error(transparent)]
    Store(#[from] cupola_store::Error),
}

impl ManifestError {
    /// `true` if the user can correct the cause.
    pub fn is_user_error(&self) -> bool {
        match self {
            Self::Store(_) => false,
        }
    }
}
