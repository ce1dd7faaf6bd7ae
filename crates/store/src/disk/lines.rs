//! Logs of lines: each append is on disk as a whole before it is acknowledged, or nothing of it is left.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::disk::lock::lock_file;
use crate::disk::private::{append_file, parent};
use crate::disk::staged::{create_folder, sync_folder};
use crate::error::{Error, at};

/// Bytes that are read at once in search of the last line end.
const PIECE: u64 = 1 << 16;

/// Appends lines to a file and syncs it. The file is created, readable by its owner only. Processes take turns.
///
/// The rest of a line that a full disk or a killed process left is cut off first, so that no line is glued to it.
/// After a failure the file is as long as it was.
///
/// # Errors
/// [`Error::Io`]; then none of the lines is kept.
pub fn append_lines(path: &Path, lines: &[u8]) -> Result<(), Error> {
    create_folder(parent(path))?;
    let existed = path.exists();
    let mut file = append_file(path)?;
    lock_file(&file, path)?;
    let end = cut_torn_line(&mut file).map_err(at(path))?;
    if let Err(error) = file.write_all(lines).and_then(|()| file.sync_data()) {
        // A second failure leaves a torn line, which the next append cuts off.
        let _ = file.set_len(end).and_then(|()| file.sync_data());
        return Err(at(path)(error));
    }
    if existed { Ok(()) } else { sync_folder(parent(path)) }
}

/// Cuts off an unfinished line at the end of a file, which was never acknowledged. A missing file is whole.
///
/// # Errors
/// [`Error::Io`].
pub fn repair_lines(path: &Path) -> Result<(), Error> {
    if !path.is_file() {
        return Ok(());
    }
    let mut file = append_file(path)?;
    lock_file(&file, path)?;
    cut_torn_line(&mut file).map(|_| ()).map_err(at(path))
}

/// Cuts a file off behind its last line end; returns its length.
fn cut_torn_line(file: &mut File) -> std::io::Result<u64> {
    let length = file.metadata()?.len();
    let end = end_of_lines(file, length)?;
    if end < length {
        file.set_len(end)?;
        file.sync_data()?;
    }
    Ok(end)
}

/// Bytes up to the end of the last complete line.
fn end_of_lines(file: &mut File, length: u64) -> std::io::Result<u64> {
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        let mut piece = vec![0; usize::try_from(end - start).unwrap_or_default()];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[test]
    fn a_torn_line_is_cut_off_before_the_next_one() {
        let folder = cupola_testkit::temporary();
        let path = folder.path().join("inner").join("rows.jsonl");
        append_lines(&path, b"one\n").unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"half\": ").unwrap();
        file.write_all(&vec![b'x'; 200_000]).unwrap();
        append_lines(&path, b"two\nthree\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
        file.write_all(b"torn").unwrap();
        repair_lines(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
        repair_lines(&folder.path().join("none")).unwrap();
        std::fs::write(&path, "only a part").unwrap();
        repair_lines(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn lines_of_several_writers_are_never_mixed() {
        let folder = cupola_testkit::temporary();
        let path = folder.path().join("rows.jsonl");
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    for line in 0..20 {
                        let text = format!("{writer}-{line}-{}\n", "x".repeat(5_000));
                        append_lines(path, text.as_bytes()).unwrap();
                    }
                });
            }
        });
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|line| line.ends_with(&"x".repeat(5_000))));
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), 160);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_that_is_full_is_an_error_and_the_log_is_private() {
        use std::os::unix::fs::PermissionsExt;

        let folder = cupola_testkit::temporary();
        let path = folder.path().join("rows.jsonl");
        append_lines(&path, b"one\n").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let full = Path::new("/dev/full");
        if full.exists() {
            assert!(append_lines(full, b"one\n").is_err());
        }
    }
}
