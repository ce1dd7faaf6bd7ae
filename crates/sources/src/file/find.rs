//! Paths of local sources: globs, and suggestions for missing files.

use std::path::{Path, PathBuf};

use cupola_spec::nearest;

use super::DataFile;
use super::hidden::is_asked_for;
use crate::error::Error;

/// Expands a path or glob to sorted paths; a folder is one path. Relative patterns are resolved against `roots` in turn.
///
/// # Errors
/// [`Error::Missing`] with the nearest name in the folder, [`Error::Pattern`] for a glob without a match.
pub(crate) fn expand(pattern: &str, roots: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let is_glob = pattern.contains(['*', '?', '[']);
    for root in roots {
        let full = root.join(pattern);
        if full.exists() {
            return Ok(vec![full]);
        }
        if is_glob {
            let wrong = |why: String| Error::Pattern { pattern: pattern.to_owned(), why };
            let found = glob::glob(&full.to_string_lossy()).map_err(|e| wrong(e.to_string()))?;
            let asked = full.to_string_lossy();
            let mut paths: Vec<PathBuf> = found
                .filter_map(Result::ok)
                .filter(|path| path.is_file() && is_asked_for(path, &asked))
                .collect();
            paths.sort();
            if !paths.is_empty() {
                return Ok(paths);
            }
        }
    }
    if is_glob {
        return Err(Error::Pattern { pattern: pattern.to_owned(), why: "matches no file".into() });
    }
    Err(Error::Missing { path: pattern.to_owned(), near: suggestion(pattern, roots) })
}

/// Checks that all files have the same format and compression.
///
/// # Errors
/// [`Error::Mixed`], or [`Error::Pattern`] without any file.
pub(crate) fn same_format(files: &[DataFile]) -> Result<(), Error> {
    let Some(first) = files.first() else {
        return Err(Error::Pattern { pattern: String::new(), why: "no path is given".into() });
    };
    let other = files.iter().find(|f| (f.format, f.compression) != (first.format, first.compression));
    other.map_or(Ok(()), |other| {
        Err(Error::Mixed { first: first.name.clone().into(), second: other.name.clone().into() })
    })
}

fn suggestion(pattern: &str, roots: &[PathBuf]) -> String {
    let path = Path::new(pattern);
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = path.parent().unwrap_or(Path::new(""));
    for root in roots {
        let names: Vec<String> = std::fs::read_dir(root.join(folder))
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        if let Some(near) = nearest(&name, names.iter().map(String::as_str)) {
            return format!(" (did you mean `{}`?)", folder.join(near).display());
        }
    }
    String::new()
}
