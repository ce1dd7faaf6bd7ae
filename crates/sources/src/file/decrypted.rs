//! Temporary plaintext of an encrypted file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempPath;

/// Temporary file with decrypted bytes; removed when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Decrypted(Arc<TempPath>);

impl Decrypted {
    /// Takes ownership of a temporary file.
    pub fn new(path: TempPath) -> Self {
        Self(Arc::new(path))
    }

    /// Path of the plaintext.
    pub fn path(&self) -> PathBuf {
        Path::to_path_buf(&self.0)
    }
}

impl PartialEq for Decrypted {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Decrypted {}
