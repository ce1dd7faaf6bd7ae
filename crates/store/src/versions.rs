//! Numbered versions: folders whose names are plain numbers.

use std::fs;
use std::path::Path;

use crate::disk::local::folders;
use crate::error::{Error, at};

/// Largest version number: nine digits, which every format and language holds exactly.
pub const VERSION_LIMIT: u64 = 999_999_999;

/// Number that a version's folder is called by; `None` unless it is written in digits without a leading
/// zero and at most [`VERSION_LIMIT`].
pub fn version_number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || text.is_empty() || text.len() > 9 || text.starts_with('0') {
        return None;
    }
    text.parse().ok()
}

/// Versions in a folder, oldest first: real folders, called by their number, that hold the file `marker`.
/// Everything else is left out. Empty if the folder does not exist or is a link.
///
/// # Errors
/// [`Error::Io`].
pub fn versions(folder: &Path, marker: &str) -> Result<Vec<u64>, Error> {
    if !fs::symlink_metadata(folder).is_ok_and(|entry| entry.is_dir()) {
        return Ok(Vec::new());
    }
    let complete = |path: &Path| fs::symlink_metadata(path.join(marker)).is_ok_and(|entry| entry.is_file());
    let found = folders(folder)?.into_iter().filter(|(_, path)| complete(path));
    let mut versions: Vec<u64> = found.filter_map(|(name, _)| version_number(&name)).collect();
    versions.sort_unstable();
    Ok(versions)
}

/// Number after `newest` whose name is free in a folder: an entry that is no version is skipped.
///
/// # Errors
/// [`Error::VersionLimit`], [`Error::Io`].
pub fn next_version(folder: &Path, newest: Option<u64>) -> Result<u64, Error> {
    let mut version = newest.map_or(1, |newest| newest.saturating_add(1));
    while version <= VERSION_LIMIT {
        let path = folder.join(version.to_string());
        match fs::symlink_metadata(&path) {
            Ok(_) => version += 1,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(version),
            Err(error) => return Err(at(&path)(error)),
        }
    }
    Err(Error::VersionLimit { path: folder.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_version_is_written_in_plain_digits() {
        for (text, number) in [("1", 1), ("42", 42), ("999999999", VERSION_LIMIT)] {
            assert_eq!(version_number(text), Some(number));
        }
        for text in
            ["", "0", "01", "+1", "-1", " 1", "1 ", "1.0", "1e3", "1000000000", "18446744073709551615", "٣"]
        {
            assert_eq!(version_number(text), None, "{text:?}");
        }
    }

    #[test]
    fn odd_folders_are_no_versions_and_are_skipped() {
        let folder = cupola_testkit::temporary();
        let root = folder.path().join("m");
        assert!(versions(&root, "manifest.json").unwrap().is_empty());
        for name in ["1", "2", "01", "+4", "18446744073709551615", ".staged-x", "5\n"] {
            fs::create_dir_all(root.join(name)).unwrap();
            fs::write(root.join(name).join("manifest.json"), "{}").unwrap();
        }
        fs::create_dir(root.join("3")).unwrap();
        fs::write(root.join("4"), "a file").unwrap();
        symlink(root.join("1"), root.join("5")).unwrap();
        assert_eq!(versions(&root, "manifest.json").unwrap(), [1, 2]);
        assert_eq!(next_version(&root, Some(2)).unwrap(), 6);
        assert!(matches!(next_version(&root, Some(VERSION_LIMIT)), Err(Error::VersionLimit { .. })));
        assert!(matches!(next_version(&root, Some(u64::MAX)), Err(Error::VersionLimit { .. })));
        symlink(&root, folder.path().join("linked")).unwrap();
        assert!(versions(&folder.path().join("linked"), "manifest.json").unwrap().is_empty());
    }
}
