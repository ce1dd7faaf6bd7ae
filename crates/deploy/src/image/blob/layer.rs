//! Layers: entries of a file system, written as a tar archive that depends on nothing but them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cupola_store::{Sha256Hasher, sha256_hex};
use tar::{Builder, EntryType, Header};

use super::Progress;
use crate::image::error::{ImageError, at};

/// Purpose of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) enum LayerKind {
    /// C library, users, certificates.
    Base,
    /// The program.
    Program,
    /// Config of the server.
    Config,
    /// A package.
    Model,
}

/// User and group of an entry.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::image) struct Owner {
    pub user: u64,
    pub group: u64,
}

/// Entries of a layer, by their path without a leading slash.
#[derive(Debug)]
pub(in crate::image) struct Layer {
    pub name: String,
    pub kind: LayerKind,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    mode: u32,
    owner: Owner,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Folder,
    Bytes {
        bytes: Vec<u8>,
        sha256: String,
    },
    /// A file that is read for each archive, with the SHA-256 that it must have.
    File {
        path: PathBuf,
        size: u64,
        sha256: String,
    },
}

impl Layer {
    pub fn new(name: impl Into<String>, kind: LayerKind) -> Self {
        Self { name: name.into(), kind, entries: BTreeMap::new() }
    }

    /// Adds a folder, and those above it.
    pub fn folder(&mut self, path: &str, mode: u32, owner: Owner) {
        self.insert(path, Entry { mode, owner, source: Source::Folder });
    }

    /// Adds a file with this content, and the folders above it.
    pub fn bytes(&mut self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        let sha256 = sha256_hex(&bytes);
        self.hashed_bytes(path, mode, bytes, sha256);
    }

    /// Adds a file with this content, whose SHA-256 is known, and the folders above it.
    pub fn hashed_bytes(&mut self, path: &str, mode: u32, bytes: Vec<u8>, sha256: String) {
        let source = Source::Bytes { bytes, sha256 };
        self.insert(path, Entry { mode, owner: Owner::default(), source });
    }

    /// Adds a file that is read when the archive is written, and the folders above it.
    ///
    /// # Errors
    /// [`ImageError::Read`].
    pub fn file(&mut self, path: &str, mode: u32, from: &Path, sha256: &str) -> Result<(), ImageError> {
        let read = |source| ImageError::Read { path: from.to_owned(), source };
        let size = std::fs::metadata(from).map_err(read)?.len();
        let source = Source::File { path: from.to_owned(), size, sha256: sha256.to_owned() };
        self.insert(path, Entry { mode, owner: Owner::default(), source });
        Ok(())
    }

    /// Paths of the files, and their SHA-256 in hexadecimal.
    pub fn file_digests(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().filter_map(|(path, entry)| match &entry.source {
            Source::Bytes { sha256, .. } | Source::File { sha256, .. } => {
                Some((path.as_str(), sha256.as_str()))
            }
            Source::Folder => None,
        })
    }

    /// Size of all files.
    pub fn content_size(&self) -> u64 {
        let size = |entry: &Entry| match &entry.source {
            Source::Folder => 0,
            Source::Bytes { bytes, .. } => bytes.len() as u64,
            Source::File { size, .. } => *size,
        };
        self.entries.values().map(size).sum()
    }

    /// SHA-256 of everything that decides the archive, which is known before it is written.
    pub fn content_digest(&self) -> String {
        let mut hasher = Sha256Hasher::new();
        for (path, Entry { mode, owner, source }) in &self.entries {
            let sha256 = match source {
                Source::Folder => "",
                Source::Bytes { sha256, .. } | Source::File { sha256, .. } => sha256,
            };
            hasher.update_text(path);
            hasher.update_text(&format!("{mode} {} {} {sha256}", owner.user, owner.group));
        }
        hasher.finish()
    }

    fn insert(&mut self, path: &str, entry: Entry) {
        for (at, _) in path.match_indices('/') {
            let folder = || Entry { mode: 0o755, owner: Owner::default(), source: Source::Folder };
            self.entries.entry(path[..at].to_owned()).or_insert_with(folder);
        }
        self.entries.insert(path.to_owned(), entry);
    }

    /// Writes the archive to the file at `path`, which errors of writes name.
    ///
    /// # Errors
    /// [`ImageError::Read`], [`ImageError::Changed`], and [`ImageError::Store`] for a wrong digest, [`ImageError::Write`].
    pub fn write_tar(
        &self,
        path: &Path,
        out: &mut dyn Write,
        progress: Progress<'_>,
    ) -> Result<(), ImageError> {
        let mut archive = Builder::new(out);
        for (name, entry) in &self.entries {
            append(&mut archive, name, entry, path, progress)?;
        }
        archive.finish().map_err(at(path))
    }
}

fn append(
    archive: &mut Builder<&mut dyn Write>,
    name: &str,
    entry: &Entry,
    target: &Path,
    progress: Progress<'_>,
) -> Result<(), ImageError> {
    match &entry.source {
        Source::Folder => {
            let mut header = header(entry, EntryType::Directory, 0);
            archive.append_data(&mut header, format!("{name}/"), io::empty()).map_err(at(target))
        }
        Source::Bytes { bytes, .. } => {
            let mut header = header(entry, EntryType::Regular, bytes.len() as u64);
            archive.append_data(&mut header, name, bytes.as_slice()).map_err(at(target))?;
            progress(bytes.len() as u64);
            Ok(())
        }
        Source::File { path, size, sha256 } => {
            let file = File::open(path).map_err(|source| ImageError::Read { path: path.clone(), source })?;
            let mut input =
                Checked { file: file.take(*size), hasher: Sha256Hasher::new(), progress, failed: None };
            let mut header = header(entry, EntryType::Regular, *size);
            let appended = archive.append_data(&mut header, name, &mut input);
            if let Some(source) = input.failed {
                return Err(ImageError::Read { path: path.clone(), source });
            }
            appended.map_err(at(target))?;
            // A file that was cut off has another digest too.
            let (found, expected) = (input.hasher.finish(), sha256.clone());
            if found == expected {
                return Ok(());
            }
            Err(cupola_store::Error::Digest { path: path.clone(), expected, found }.into())
        }
    }
}

/// Header of an entry from 1970, so that equal content gives an equal archive.
fn header(entry: &Entry, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(entry.mode);
    header.set_uid(entry.owner.user);
    header.set_gid(entry.owner.group);
    header.set_mtime(0);
    header
}

/// File whose digest is computed while it is read. Keeps errors of reads apart from those of writes.
struct Checked<'a> {
    file: io::Take<File>,
    hasher: Sha256Hasher,
    progress: Progress<'a>,
    failed: Option<io::Error>,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.file.read(buffer) {
            Ok(count) => {
                self.hasher.update(&buffer[..count]);
                (self.progress)(count as u64);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(layer: &Layer) -> Result<Vec<u8>, ImageError> {
        let mut out = Vec::new();
        layer.write_tar(Path::new("out"), &mut out, &drop)?;
        Ok(out)
    }

    #[test]
    fn entries_are_sorted_owned_and_without_times() {
        let folder = cupola_testkit::temporary();
        let file = folder.path().join("weights");
        std::fs::write(&file, b"12345").unwrap();
        let mut layer = Layer::new("m", LayerKind::Model);
        layer.file("models/m/1/weights", 0o644, &file, &sha256_hex(b"12345")).unwrap();
        layer.bytes("etc/passwd", 0o644, "root");
        layer.folder("tmp", 0o1777, Owner { user: 7, group: 8 });
        // Longer than a header of the oldest format allows.
        let long = format!("etc/{}", "long".repeat(60));
        layer.bytes(&long, 0o755, "");
        let bytes = archive(&layer).unwrap();
        assert!(bytes == archive(&layer).unwrap() && bytes.len().is_multiple_of(512));
        let mut reader = tar::Archive::new(bytes.as_slice());
        let found: Vec<_> = reader
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let (header, path) = (entry.header(), entry.path().unwrap().to_string_lossy().into_owned());
                assert_eq!((header.mtime().unwrap(), header.username().unwrap()), (0, Some("")));
                (path, header.mode().unwrap(), header.uid().unwrap(), header.size().unwrap())
            })
            .collect();
        let expected = [
            ("etc/", 0o755, 0, 0),
            (long.as_str(), 0o755, 0, 0),
            ("etc/passwd", 0o644, 0, 4),
            ("models/", 0o755, 0, 0),
            ("models/m/", 0o755, 0, 0),
            ("models/m/1/", 0o755, 0, 0),
            ("models/m/1/weights", 0o644, 0, 5),
            ("tmp/", 0o1777, 7, 0),
        ];
        let found: Vec<_> = found.iter().map(|(path, m, u, s)| (path.as_str(), *m, *u, *s)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_file_that_changed_or_vanished_is_named() {
        let folder = cupola_testkit::temporary();
        let file = folder.path().join("weights");
        std::fs::write(&file, b"12345").unwrap();
        let mut layer = Layer::new("m", LayerKind::Model);
        layer.file("weights", 0o644, &file, &sha256_hex(b"12345")).unwrap();
        for other in ["1234", "12346"] {
            std::fs::write(&file, other).unwrap();
            let error = archive(&layer).unwrap_err();
            assert!(matches!(error, ImageError::Store(cupola_store::Error::Digest { .. })), "{error}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(archive(&layer).unwrap_err(), ImageError::Read { .. }));
    }
}
