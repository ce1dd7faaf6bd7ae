//! Data of a project: files that are copied into it, or an address that its config names.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::ProjectError;

/// Bytes of data that a repository holds. Git keeps each version whole, and GitHub refuses files above 100 MB.
const LIMIT: u64 = 50 << 20;

/// Folder of the data in a project.
const FOLDER: &str = "data";

/// Data of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProjectSource {
    /// Address, dataset, or path that leads into the project: written into the config as it is.
    Named {
        /// Source as the config names it.
        source: String,
    },
    /// Files outside of the project.
    Copied {
        /// Source as the config names it.
        source: String,
        /// Each file and its path in the project.
        files: Vec<(PathBuf, PathBuf)>,
    },
}

impl ProjectSource {
    /// Data of `source` for a project in `folder`.
    ///
    /// # Errors
    /// Files that are missing, too large for a repository, or tracked by DVC in another one.
    pub fn of(source: &str, folder: &Path) -> Result<Self, ProjectError> {
        let path = Path::new(source);
        if !path.exists() {
            return if is_address(source) {
                Ok(Self::Named { source: source.to_owned() })
            } else {
                Self::of_glob(source, folder)
            };
        }
        if let Some(within) = within(path, folder) {
            return Ok(Self::Named { source: within });
        }
        if path.extension().is_some_and(|ending| ending == "dvc") {
            let reason = "it is tracked by DVC in another repository".to_owned();
            let remedy = "write the project into that repository, or give the address of the data";
            return Err(ProjectError::Data { data: source.to_owned(), reason, remedy });
        }
        let absolute = absolute(path)?;
        let name = absolute.file_name().map_or_else(|| "rows".into(), std::ffi::OsStr::to_os_string);
        let target = Path::new(FOLDER).join(name);
        let mut files = Vec::new();
        if path.is_dir() {
            walk(&absolute, &target, &mut files)?;
        } else {
            files.push((absolute, target.clone()));
        }
        let shown = target.to_string_lossy().into_owned();
        Self::copied(source, shown, files)
    }

    /// Data of a pattern in the last part of a path.
    fn of_glob(source: &str, folder: &Path) -> Result<Self, ProjectError> {
        let invalid = |reason: &str| ProjectError::Data {
            data: source.to_owned(),
            reason: reason.to_owned(),
            remedy: "check --data",
        };
        let (above, pattern) = source.rsplit_once('/').unwrap_or((".", source));
        if above.contains(['*', '?', '[']) {
            return Err(invalid("a pattern in the name of a folder cannot become part of a project"));
        }
        let found = glob::glob(source).map_err(|error| invalid(&error.to_string()))?;
        let found: Vec<PathBuf> = found.flatten().filter(|path| path.is_file()).collect();
        if found.is_empty() {
            return Err(invalid("no such file"));
        }
        if let Some(within) = within(Path::new(above), folder) {
            let source = if within.is_empty() { pattern.to_owned() } else { format!("{within}/{pattern}") };
            return Ok(Self::Named { source });
        }
        let files = found.into_iter().map(|path| {
            let target = Path::new(FOLDER).join(path.file_name().unwrap_or_default());
            Ok((absolute(&path)?, target))
        });
        Self::copied(source, format!("{FOLDER}/{pattern}"), files.collect::<Result<_, ProjectError>>()?)
    }

    fn copied(data: &str, source: String, files: Vec<(PathBuf, PathBuf)>) -> Result<Self, ProjectError> {
        let size =
            |(path, _): &(PathBuf, PathBuf)| fs::metadata(path).map(|file| file.len()).unwrap_or_default();
        let bytes: u64 = files.iter().map(size).sum();
        if bytes > LIMIT {
            let reason =
                format!("{} MiB are too much for a repository, which holds {}", bytes >> 20, LIMIT >> 20);
            let remedy = "put it into an object store and give its address (s3://...), or track it with DVC in the project";
            return Err(ProjectError::Data { data: data.to_owned(), reason, remedy });
        }
        Ok(Self::Copied { source, files })
    }

    /// Source as the config names it.
    pub fn source(&self) -> &str {
        match self {
            Self::Named { source } | Self::Copied { source, .. } => source,
        }
    }

    /// Files to copy, each with its path in the project.
    pub fn files(&self) -> &[(PathBuf, PathBuf)] {
        match self {
            Self::Named { .. } => &[],
            Self::Copied { files, .. } => files,
        }
    }
}

/// `true` for a URL, a dataset, a database, a topic or a lake: `scheme:` before anything else.
fn is_address(source: &str) -> bool {
    let scheme = source.split_once(':').map(|(scheme, _)| scheme);
    source.starts_with("${")
        || scheme.is_some_and(|scheme| {
            scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        })
}

/// Path within the folder of the project, if it leads there.
fn within(path: &Path, folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let path = path.canonicalize().ok()?;
    path.strip_prefix(folder).ok().map(|path| path.to_string_lossy().into_owned())
}

fn absolute(path: &Path) -> Result<PathBuf, ProjectError> {
    path.canonicalize().map_err(|source| ProjectError::Io { path: path.to_owned(), source })
}

/// Lists the files of a folder, at every depth, without hidden ones and without links.
fn walk(folder: &Path, target: &Path, files: &mut Vec<(PathBuf, PathBuf)>) -> Result<(), ProjectError> {
    let wrong = |source| ProjectError::Io { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        let kind = entry.file_type().map_err(wrong)?;
        let target = target.join(&name);
        if kind.is_dir() {
            walk(&entry.path(), &target, files)?;
        } else if kind.is_file() {
            files.push((entry.path(), target));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &Path, folder: &Path) -> Result<ProjectSource, ProjectError> {
        ProjectSource::of(&source.to_string_lossy(), folder)
    }

    #[test]
    fn files_outside_of_the_project_are_copied_and_those_within_are_named() {
        let home = cupola_testkit::temporary();
        let project = home.path().join("project");
        fs::create_dir_all(project.join("data")).unwrap();
        fs::create_dir_all(home.path().join("photos/cat")).unwrap();
        for file in
            ["rows.csv", "project/data/own.csv", "photos/cat/1.png", "photos/.hidden", "a.jsonl", "b.jsonl"]
        {
            fs::write(home.path().join(file), "1").unwrap();
        }
        let file = of(&home.path().join("rows.csv"), &project).unwrap();
        assert_eq!((file.source(), file.files().len()), ("data/rows.csv", 1));
        let own = of(&project.join("data/own.csv"), &project).unwrap();
        assert_eq!(own, ProjectSource::Named { source: "data/own.csv".to_owned() });
        let folder = of(&home.path().join("photos/"), &project).unwrap();
        assert_eq!(folder.source(), "data/photos");
        assert_eq!(folder.files().len(), 1);
        assert_eq!(folder.files()[0].1, Path::new("data/photos/cat/1.png"));
        let glob = of(&home.path().join("*.jsonl"), &project).unwrap();
        assert_eq!((glob.source(), glob.files().len()), ("data/*.jsonl", 2));
        // A project that does not exist yet holds nothing.
        let fresh = of(&home.path().join("rows.csv"), &home.path().join("new/project")).unwrap();
        assert_eq!(fresh.files().len(), 1);
    }

    #[test]
    fn addresses_are_named() {
        for address in [
            "https://host/rows.csv",
            "s3://bucket/*.parquet",
            "dataset:flights:3",
            "sqlite:shop.db",
            "${ROWS}",
        ] {
            let source = ProjectSource::of(address, Path::new("project")).unwrap();
            assert_eq!(source, ProjectSource::Named { source: address.to_owned() });
        }
    }

    #[test]
    fn what_a_repository_cannot_hold_is_refused() {
        let home = cupola_testkit::temporary();
        let large = home.path().join("large.csv");
        fs::File::create(&large).unwrap().set_len(LIMIT + 1).unwrap();
        fs::write(home.path().join("rows.csv.dvc"), "outs: []\n").unwrap();
        for (name, part) in [
            ("large.csv", "too much for a repository"),
            ("rows.csv.dvc", "DVC"),
            ("none.csv", "no such file"),
            ("*/rows.csv", "the name of a folder"),
        ] {
            let error = of(&home.path().join(name), &home.path().join("project")).unwrap_err();
            assert!(error.is_user_error() && error.to_string().contains(part), "{error}");
        }
    }
}
