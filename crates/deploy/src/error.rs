//! Errors of deployment.

/// Failure of an image, a manifest or a project.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An image.
    #[error(transparent)]
    Image(#[from] crate::image::ImageError),
    /// The files of an orchestrator.
    #[error(transparent)]
    Manifest(#[from] crate::manifest::ManifestError),
    /// A repository of a project.
    #[error(transparent)]
    Project(#[from] crate::project::ProjectError),
}

impl Error {
    /// `true` if the user can correct the cause.
    pub fn is_user_error(&self) -> bool {
        match self {
            Self::Image(error) => error.is_user_error(),
            Self::Manifest(error) => error.is_user_error(),
            Self::Project(error) => error.is_user_error(),
        }
    }
}
