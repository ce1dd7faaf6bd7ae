//! Errors of an image.

/// Failure of an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Files, names or digests.
    #[error(transparent)]
    Store(#[from] cupola_store::Error),
}

impl ImageError {
    /// `true` if the user can correct the cause.
    pub fn is_user_error(&self) -> bool {
        match self {
            Self::Store(_) => false,
        }
    }
}
