//! Actions of GitHub, each pinned to the commit of a release.

use serde::{Serialize, Serializer};
use serde_saphyr::Commented;

/// Action at a commit. Tags can be moved, commits cannot; Dependabot reads the version in the comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinnedAction {
    /// `OWNER/NAME`.
    pub name: &'static str,
    /// Full digest of the commit.
    pub commit: &'static str,
    /// Release that has this commit.
    pub version: &'static str,
}

/// Checkout of the repository.
pub const CHECKOUT: PinnedAction = PinnedAction {
    name: "actions/checkout",
    commit: "3d3c42e5aac5ba805825da76410c181273ba90b1",
    version: "v7.0.1",
};

/// Upload of files of a job.
pub const UPLOAD_ARTIFACT: PinnedAction = PinnedAction {
    name: "actions/upload-artifact",
    commit: "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f",
    version: "v7.0.0",
};

/// Download of files of an earlier job.
pub const DOWNLOAD_ARTIFACT: PinnedAction = PinnedAction {
    name: "actions/download-artifact",
    commit: "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c",
    version: "v8.0.1",
};

impl Serialize for PinnedAction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Commented(format!("{}@{}", self.name, self.commit), self.version.to_owned()).serialize(serializer)
    }
}
