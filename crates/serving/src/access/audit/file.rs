//! File that is rotated at a size. Whole lines only: what a full disk cuts off is removed again.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Size from which a file is rotated, in bytes.
const MAX_BYTES: u64 = 16 << 20;
/// Old files that are kept: `audit.jsonl.1` is the newest of them.
const OLD_FILES: u32 = 8;
/// Permissions: only the owner reads and writes.
const MODE: u32 = 0o600;

/// Append-only file with a bounded number of bounded predecessors.
#[derive(Debug)]
pub(super) struct RotatedFile {
    path: PathBuf,
    file: File,
    /// `true` if the last line is not whole.
    torn: bool,
    max_bytes: u64,
}

impl RotatedFile {
    /// Opens or creates a file, and the folder above it.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            cupola_store::create_folder(folder).map_err(|error| match error {
                // Its kind counts: a read-only file system is no failure of a container.
                cupola_store::Error::Io { source, .. }
                    if source.kind() == io::ErrorKind::ReadOnlyFilesystem =>
                {
                    source
                }
                error => io::Error::other(error),
            })?;
        }
        let (file, torn) = open(path)?;
        Ok(Self { path: path.to_owned(), file, torn, max_bytes: MAX_BYTES })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends lines: all of them, or none.
    ///
    /// # Errors
    /// Errors of the file system. The file then ends as before.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.follow()?;
        let before = self.file.metadata()?.len();
        if before > 0 && before + lines.len() as u64 > self.max_bytes {
            self.rotate()?;
            return self.write(lines, 0);
        }
        self.write(lines, before)
    }

    fn write(&mut self, lines: &[u8], before: u64) -> io::Result<()> {
        // A half line of a process that was killed must not be glued to the next one.
        let text = if self.torn { [b"\n", lines].concat() } else { lines.to_vec() };
        let mut written = 0;
        while written < text.len() {
            match self.file.write(&text[written..]) {
                Ok(0) => return Err(self.cut_back(before, written, io::ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.cut_back(before, written, error)),
            }
        }
        self.torn = false;
        Ok(())
    }

    /// Removes the part of the lines that was written, unless another process has appended to it.
    fn cut_back(&mut self, before: u64, written: usize, error: io::Error) -> io::Error {
        if written == 0 {
            return error;
        }
        let alone = self.file.metadata().is_ok_and(|now| now.len() == before + written as u64);
        self.torn |= !(alone && self.file.set_len(before).is_ok());
        error
    }

    /// Opens the file anew if it was moved or deleted, as other programs rotate logs.
    fn follow(&mut self) -> io::Result<()> {
        let own = self.file.metadata()?;
        let same = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino()));
        if !same {
            (self.file, self.torn) = open(&self.path)?;
        }
        Ok(())
    }

    /// Renames the file and its predecessors, of which the oldest is overwritten, and starts a new one.
    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..OLD_FILES).rev() {
            let from = self.numbered(number);
            if from.exists() {
                std::fs::rename(from, self.numbered(number + 1))?;
            }
        }
        std::fs::rename(&self.path, self.numbered(1))?;
        (self.file, self.torn) = open(&self.path)?;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        name.into()
    }
}

/// Open file, and `true` if its last line is not whole.
fn open(path: &Path) -> io::Result<(File, bool)> {
    // A pipe would block, and a link would make the server write to a file of somebody's choice.
    if std::fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        let message = format!("{}: expected a regular file", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let mut file = OpenOptions::new().create(true).append(true).read(true).mode(MODE).open(path)?;
    let about = file.metadata()?;
    if about.permissions().mode() & 0o077 != 0 {
        // Files of older versions; of another owner they stay as they are.
        let _ = file.set_permissions(Permissions::from_mode(MODE));
    }
    let mut last = [b'\n'];
    if about.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    Ok((file, last != *b"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_rotated_private_and_of_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        std::fs::write(&path, "half a li").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let mut log = RotatedFile { max_bytes: 100, ..RotatedFile::open(&path).unwrap() };
        for number in 0..200 {
            log.append(format!("line {number:02}\n").as_bytes()).unwrap();
        }
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names.len(), 9, "{names:?}");
        assert_eq!((names[0].as_str(), names[8].as_str()), ("audit.jsonl", "audit.jsonl.8"));
        for name in &names {
            let file = folder.path().join(name);
            let about = std::fs::metadata(&file).unwrap();
            assert!(about.len() <= 110 && about.permissions().mode() & 0o777 == 0o600, "{name}");
            let text = std::fs::read_to_string(file).unwrap();
            assert!(text.ends_with('\n') && text.lines().all(|line| line.starts_with("line ")), "{text}");
        }
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("line 199\n"));
        // Another program has moved the file away.
        std::fs::rename(&path, folder.path().join("moved")).unwrap();
        log.append(b"line new\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "line new\n");
    }

    #[test]
    fn a_half_line_stays_by_itself_and_links_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        std::fs::write(&path, "{\"time\":").unwrap();
        RotatedFile::open(&path).unwrap().append(b"{}\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"time\":\n{}\n");
        let link = folder.path().join("link.jsonl");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(RotatedFile::open(&link).unwrap_err().to_string().contains("expected a regular file"));
    }

    #[test]
    fn a_full_disk_leaves_no_half_line() {
        // Each write to this device fails, as on a full disk.
        let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut log = RotatedFile::open(&path).unwrap();
        log.append(b"one\n").unwrap();
        let file = std::mem::replace(&mut log.file, full);
        assert!(log.write(b"two\n", 4).is_err());
        log.file = file;
        log.append(b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\nthree\n");
    }
}
