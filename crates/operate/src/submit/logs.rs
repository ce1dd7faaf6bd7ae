//! Files that grow: the log of a job, the events of a run.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::ErrorKind;
use std::path::PathBuf;

use super::error::SubmitError;

/// Lines of a file that other processes append to, and that a resumed run shortens.
#[derive(Debug)]
pub struct FollowedFile {
    path: PathBuf,
    /// Digests of the lines that were returned.
    seen: Vec<u64>,
    /// Bytes and modification at the last look.
    looked: Option<(u64, std::time::SystemTime)>,
}

/// Additions to a file since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct NewLines {
    /// Number of lines that were returned before and are gone: a resumed run writes them again.
    pub taken_back: usize,
    /// Whole lines that are new.
    pub lines: Vec<String>,
}

impl FollowedFile {
    /// File at `path`, which need not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, seen: Vec::new(), looked: None }
    }

    /// Whole lines since the last call. A last line without its line break is left for the next call.
    ///
    /// # Errors
    /// [`SubmitError::Io`] for a file that cannot be read; one that does not exist has no lines.
    pub fn new_lines(&mut self) -> Result<NewLines, SubmitError> {
        let metadata = match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(NewLines::default()),
            metadata => metadata.map_err(SubmitError::io(&self.path))?,
        };
        let looked = metadata.modified().ok().map(|modified| (metadata.len(), modified));
        if looked.is_some() && looked == self.looked {
            return Ok(NewLines::default());
        }
        self.looked = looked;
        let bytes = fs::read(&self.path).map_err(SubmitError::io(&self.path))?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let text = String::from_utf8_lossy(&bytes[..whole]);
        let lines: Vec<&str> = text.lines().collect();
        let digests: Vec<u64> = lines.iter().map(|line| digest(line)).collect();
        let same = digests.iter().zip(&self.seen).take_while(|(a, b)| a == b).count();
        let taken_back = self.seen.len() - same;
        self.seen = digests;
        Ok(NewLines { taken_back, lines: lines[same..].iter().map(|line| (*line).to_owned()).collect() })
    }
}

fn digest(line: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    line.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn lines_are_returned_once_and_again_after_a_rewind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut file = FollowedFile::new(path.clone());
        assert_eq!(file.new_lines().unwrap(), NewLines::default());
        fs::write(&path, "a\nb\nc").unwrap();
        assert_eq!(file.new_lines().unwrap().lines, ["a", "b"]);
        assert_eq!(file.new_lines().unwrap(), NewLines::default());
        let mut more = fs::OpenOptions::new().append(true).open(&path).unwrap();
        more.write_all(b"\nd\n").unwrap();
        assert_eq!(
            file.new_lines().unwrap(),
            NewLines { taken_back: 0, lines: vec!["c".into(), "d".into()] }
        );
        // The run resumes after `a` and goes another way.
        fs::write(&path, "a\nB\n").unwrap();
        assert_eq!(file.new_lines().unwrap(), NewLines { taken_back: 3, lines: vec!["B".into()] });
    }
}
