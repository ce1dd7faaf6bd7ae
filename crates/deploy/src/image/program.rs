//! The program of an image, and the libraries that it is loaded with.

mod elf;
mod libraries;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;

use cupola_store::Sha256Hasher;

use self::elf::Executable;
use self::libraries::Libraries;
use super::blob::Progress;
use super::error::ImageError;

/// Text that every build with this crate has, by which another build is known: a program for another processor cannot be
/// asked for its version.
const MARKER: &[u8] = b"cupola-deploy: a program that serves the packages of an image";
/// Largest program or library in bytes.
const PROGRAM_LIMIT: u64 = 4 << 30;
/// Bytes of a program that are hashed at once.
const PART: usize = 4 << 20;

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
    /// SHA-256 of the program in hexadecimal.
    pub sha256: String,
    pub platform: Platform,
    /// Loader and libraries; none for a static program.
    pub libraries: Vec<SystemFile>,
}

impl Program {
    /// Reads a program and finds its libraries.
    ///
    /// # Errors
    /// [`ImageError::Read`], [`ImageError::Program`], [`ImageError::Library`].
    pub fn open(file: &ProgramFile, progress: Progress<'_>) -> Result<Self, ImageError> {
        let path = &file.path;
        let unsuitable = |reason: &str| ImageError::Program { path: path.clone(), reason: reason.to_owned() };
        let (bytes, sha256) = read_with_digest(path)?;
        let parsed = Executable::parse(bytes.as_slice()).map_err(|error| unsuitable(&error.to_string()))?;
        if !file.is_own && memchr::memmem::find(&bytes, MARKER).is_none() {
            return Err(unsuitable("not a build of cupola, or one of an older version"));
        }
        let libraries = Libraries::new(&file.sysroot, parsed.platform).collect(path, &parsed)?;
        progress(bytes.len() as u64);
        Ok(Self { bytes, sha256, platform: parsed.platform, libraries })
    }
}

impl Platform {
    /// `linux/ARCHITECTURE`
    pub fn name(self) -> String {
        let variant = self.variant.map(|variant| format!("/{variant}")).unwrap_or_default();
        format!("linux/{}{variant}", self.architecture)
    }
}

/// Reads a program or a library.
fn read(path: &Path) -> Result<Vec<u8>, ImageError> {
    check_entry(path)?;
    std::fs::read(path).map_err(|source| ImageError::Read { path: path.to_owned(), source })
}

/// Reads a program, with its SHA-256 in hexadecimal: a thread hashes the part before while the next one is read.
fn read_with_digest(path: &Path) -> Result<(Vec<u8>, String), ImageError> {
    check_entry(path)?;
    let failed = |source| ImageError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut bytes = vec![0; usize::try_from(size).map_err(|error| failed(io::Error::other(error)))?];
    let sha256 = thread::scope(|scope| {
        let (sender, parts) = channel::<&[u8]>();
        let digest = scope.spawn(move || {
            let mut hasher = Sha256Hasher::new();
            for part in parts {
                hasher.update(part);
            }
            hasher.finish()
        });
        for part in bytes.chunks_mut(PART) {
            file.read_exact(part)?;
            let _ = sender.send(part);
        }
        drop(sender);
        digest.join().map_err(|_| io::Error::other("the hasher panicked"))
    });
    Ok((bytes, sha256.map_err(failed)?))
}

/// Fails for a device or a pipe, which might never end.
fn check_entry(path: &Path) -> Result<(), ImageError> {
    let entry = std::fs::metadata(path);
    let entry = entry.map_err(|source| ImageError::Read { path: path.to_owned(), source })?;
    let reason = match entry.len() {
        _ if !entry.is_file() => "not a regular file",
        PROGRAM_LIMIT.. => "larger than 4 GiB",
        _ => return Ok(()),
    };
    Err(ImageError::Program { path: path.to_owned(), reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path, is_own: bool) -> Result<Program, ImageError> {
        let file = ProgramFile { path: path.to_owned(), sysroot: "/".into(), is_own };
        Program::open(&file, &drop)
    }

    #[test]
    fn a_program_of_another_kind_is_named() {
        let folder = cupola_testkit::temporary();
        let sparse = folder.path().join("sparse");
        std::fs::File::create(&sparse).unwrap().set_len(PROGRAM_LIMIT).unwrap();
        for (path, reason) in [
            (Path::new("/dev/zero"), "not a regular file"),
            (folder.path(), "not a regular file"),
            (&sparse, "larger than 4 GiB"),
            (Path::new("/bin/sh"), "not a build of cupola"),
        ] {
            let error = open(path, false).unwrap_err();
            assert!(error.is_user_error() && error.to_string().contains(reason), "{error}");
        }
        assert!(matches!(open(&folder.path().join("none"), false), Err(ImageError::Read { .. })));
    }

    #[test]
    fn a_build_is_known_by_its_text() {
        let own = std::env::current_exe().unwrap();
        let found = open(&own, false).unwrap();
        assert_eq!(found.sha256, cupola_store::sha256_hex(&std::fs::read(&own).unwrap()));
        assert_eq!(found.libraries.len(), open(&own, true).unwrap().libraries.len());
    }
}
