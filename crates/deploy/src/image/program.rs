//! The program of an image, and the libraries that it is loaded with.

mod elf;
mod libraries;

use std::path::{Path, PathBuf};

use self::elf::Executable;
use self::libraries::Libraries;
use super::error::ImageError;

/// Program that an image runs.
#[derive(Debug, Clone)]
pub struct ProgramFile {
    /// Path of a Linux build of Cupola.
    pub path: PathBuf,
    /// Root of the system that has the libraries of the program.
    pub sysroot: PathBuf,
    /// `true` if it was built with this crate, so that the crates in it are known.
    pub is_own: bool,
}

/// Processor that a program runs on, by the names of the OCI image specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Platform {
    /// Value of `architecture`.
    pub architecture: &'static str,
    /// Value of `variant`.
    pub variant: Option<&'static str>,
}

/// A file of the system, at the same path in the image.
#[derive(Debug)]
pub(super) struct SystemFile {
    /// Path without a leading slash.
    pub path: String,
    pub bytes: Vec<u8>,
}

/// A program and all files that its loader reads.
#[derive(Debug)]
pub(super) struct Program {
    pub bytes: Vec<u8>,
    pub platform: Platform,
    /// Loader and libraries; none for a static program.
    pub libraries: Vec<SystemFile>,
}

impl Program {
    /// Reads a program and finds its libraries.
    ///
    /// # Errors
    /// [`ImageError::Read`], [`ImageError::Program`], [`ImageError::Library`].
    pub fn open(file: &ProgramFile) -> Result<Self, ImageError> {
        let bytes = read(&file.path)?;
        let parsed = Executable::parse(&bytes)
            .map_err(|error| ImageError::Program { path: file.path.clone(), reason: error.to_string() })?;
        let libraries = Libraries::new(&file.sysroot, parsed.platform).collect(&file.path, &parsed)?;
        Ok(Self { platform: parsed.platform, libraries, bytes })
    }
}

impl Platform {
    /// `linux/ARCHITECTURE`
    pub fn name(self) -> String {
        let variant = self.variant.map(|variant| format!("/{variant}")).unwrap_or_default();
        format!("linux/{}{variant}", self.architecture)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ImageError> {
    std::fs::read(path).map_err(|source| ImageError::Read { path: path.to_owned(), source })
}
