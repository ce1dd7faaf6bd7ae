//! Repositories for a model of one's own.
//!
//! A [`ProjectRequest`] becomes [`ProjectFile`]s: the config as it was drafted, tests, one script with every step, and the
//! workflows of three CI services, which call that script, so that a step is the same here and there. [`write_project`]
//! writes all of them or none.

mod ci;
mod error;
mod files;
mod shell;
mod source;
mod write;

pub use ci::{
    CHECKOUT, DOWNLOAD_ARTIFACT, GithubAccess, GithubConcurrency, GithubEvents, GithubInput, GithubJob,
    GithubPermissions, GithubRunner, GithubSchedule, GithubStep, GithubTrigger, GithubWorkflow, PinnedAction,
    UPLOAD_ARTIFACT,
};
pub use error::ProjectError;
pub use files::{ProjectFile, ProjectRequest, ProjectTests, project_files};
pub use shell::shell_word;
pub use source::ProjectSource;
pub use write::{WrittenProject, write_project};
