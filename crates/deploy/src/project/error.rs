//! Errors of a project.

/// Failure of a project.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// Files, names or digests.
    #[error(transparent)]
    Store(#[from] cupola_store::Error),
}

impl ProjectError {
    /// `true` if the user can correct the cause.
    pub fn is_user_error(&self) -> bool {
        match self {
            Self::Store(_) => false,
        }
    }
}
