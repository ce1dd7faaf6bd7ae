//! Writing of a project: all of its files or none.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cupola_store::StagedFolder;

use super::error::ProjectError;
use super::files::ProjectFile;
use super::source::ProjectSource;

/// Project that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenProject {
    /// Its files within the folder, in the order of their paths.
    pub files: Vec<String>,
}

/// Writes a project into a folder, which may have other files.
///
/// Files are staged in the folder and moved to their places one after the other. A failure moves those back that were
/// there before.
///
/// # Errors
/// Without `force`, files of the project that exist already. Failures of the file system.
pub fn write_project(
    folder: &Path,
    files: &[ProjectFile],
    data: &ProjectSource,
    force: bool,
) -> Result<WrittenProject, ProjectError> {
    let mut paths: Vec<PathBuf> = files.iter().map(|file| PathBuf::from(file.path)).collect();
    paths.extend(data.files().iter().map(|(_, target)| target.clone()));
    check_places(folder, &paths, force)?;
    let made = missing_folders(folder);
    let written = stage_and_move(folder, files, data, &paths);
    if written.is_err() {
        // Only empty ones go.
        for folder in &made {
            let _ = fs::remove_dir(folder);
        }
    }
    written?;
    let mut files: Vec<String> = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    files.sort();
    Ok(WrittenProject { files })
}

fn stage_and_move(
    folder: &Path,
    files: &[ProjectFile],
    data: &ProjectSource,
    paths: &[PathBuf],
) -> Result<(), ProjectError> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    let staged = StagedFolder::scratch(folder)?;
    let (new, old) = (staged.path().join("new"), staged.path().join("old"));
    for file in files {
        let path = new.join(file.path);
        create_above(&path)?;
        let mode = if file.executable { 0o777 } else { 0o666 };
        let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        opened
            .and_then(|mut opened| opened.write_all(file.text.as_bytes()).and_then(|()| opened.sync_all()))
            .map_err(at(&folder.join(file.path)))?;
    }
    for (from, target) in data.files() {
        let path = new.join(target);
        create_above(&path)?;
        fs::copy(from, &path).map_err(at(from))?;
    }
    let mut moves = Moves { folder, old: &old, done: Vec::new() };
    for path in paths {
        if let Err(error) = moves.place(&new, path) {
            moves.undo();
            return Err(error);
        }
    }
    Ok(())
}

/// Files that were moved to their places.
struct Moves<'a> {
    folder: &'a Path,
    /// Folder of the files that were there before.
    old: &'a Path,
    /// Paths within the project, and `true` for those that replaced a file.
    done: Vec<(PathBuf, bool)>,
}

impl Moves<'_> {
    fn place(&mut self, new: &Path, path: &Path) -> Result<(), ProjectError> {
        let target = self.folder.join(path);
        create_above(&target)?;
        let replaces = target.symlink_metadata().is_ok();
        if replaces {
            let kept = self.old.join(path);
            create_above(&kept)?;
            fs::rename(&target, &kept).map_err(at(&target))?;
        }
        self.done.push((path.to_owned(), replaces));
        fs::rename(new.join(path), &target).map_err(at(&target))
    }

    /// Restores each place.
    fn undo(&self) {
        for (path, replaced) in self.done.iter().rev() {
            let target = self.folder.join(path);
            let _ =
                if *replaced { fs::rename(self.old.join(path), &target) } else { fs::remove_file(&target) };
            // Only empty ones go.
            for above in target.ancestors().skip(1).take_while(|above| *above != self.folder) {
                let _ = fs::remove_dir(above);
            }
        }
    }
}

/// Fails for files that exist, and for folders where files belong.
fn check_places(folder: &Path, paths: &[PathBuf], force: bool) -> Result<(), ProjectError> {
    if folder.exists() && !folder.is_dir() {
        return Err(ProjectError::InTheWay { path: folder.to_owned(), expected: "folder" });
    }
    let mut existing = Vec::new();
    for path in paths {
        let target = folder.join(path);
        let Ok(found) = target.symlink_metadata() else { continue };
        if found.is_dir() {
            return Err(ProjectError::InTheWay { path: target, expected: "file" });
        }
        existing.push(path.to_string_lossy().into_owned());
    }
    if existing.is_empty() || force {
        return Ok(());
    }
    existing.sort();
    Err(ProjectError::Exists { folder: folder.to_owned(), files: existing })
}

/// Folders above and at a path that do not exist yet, the deepest first.
fn missing_folders(folder: &Path) -> Vec<PathBuf> {
    folder
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .map(Path::to_owned)
        .collect()
}

fn create_above(path: &Path) -> Result<(), ProjectError> {
    let above = path.parent().unwrap_or(path);
    fs::create_dir_all(above).map_err(at(above))
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> ProjectError {
    let path = path.to_owned();
    move |source| ProjectError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use cupola_testkit::names;

    use super::*;

    fn files(text: &str) -> Vec<ProjectFile> {
        let file = |path, executable| ProjectFile { path, text: text.to_owned(), executable };
        vec![file("run.toml", false), file("check", true), file("tests/gate.toml", false)]
    }

    fn named() -> ProjectSource {
        ProjectSource::Named { source: "s3://bucket/rows.csv".to_owned() }
    }

    #[test]
    fn a_project_is_written_once_and_replaced_when_asked() {
        let home = cupola_testkit::temporary();
        fs::write(home.path().join("rows.csv"), "a\n1\n").unwrap();
        let folder = home.path().join("deep/project");
        let data = ProjectSource::of(&home.path().join("rows.csv").to_string_lossy(), &folder).unwrap();
        let written = write_project(&folder, &files("1"), &data, false).unwrap();
        assert_eq!(written.files, ["check", "data/rows.csv", "run.toml", "tests/gate.toml"]);
        assert_eq!(names(&folder), ["check", "data", "run.toml", "tests"]);
        assert_eq!(fs::read_to_string(folder.join("data/rows.csv")).unwrap(), "a\n1\n");
        let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode();
        assert_eq!((mode("check") & 0o100, mode("run.toml") & 0o100), (0o100, 0));

        fs::write(folder.join("notes.txt"), "mine").unwrap();
        let error = write_project(&folder, &files("2"), &data, false).unwrap_err();
        assert!(
            error.is_user_error() && error.to_string().contains("run.toml, tests/gate.toml; add --force"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(folder.join("run.toml")).unwrap(), "1");
        write_project(&folder, &files("2"), &data, true).unwrap();
        assert_eq!(fs::read_to_string(folder.join("run.toml")).unwrap(), "2");
        assert_eq!(names(&folder), ["check", "data", "notes.txt", "run.toml", "tests"]);
    }

    #[test]
    fn a_failure_leaves_everything_as_it_was() {
        let home = cupola_testkit::temporary();
        let folder = home.path().join("project");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("run.toml"), "mine").unwrap();
        // A file where the folder of the last file belongs.
        fs::write(folder.join("tests"), "a file").unwrap();
        let error = write_project(&folder, &files("1"), &named(), true).unwrap_err();
        assert!(matches!(error, ProjectError::Io { .. }), "{error}");
        assert_eq!(names(&folder), ["run.toml", "tests"]);
        assert_eq!(fs::read_to_string(folder.join("run.toml")).unwrap(), "mine");

        // Data that is gone leaves no folder.
        let gone = ProjectSource::Copied {
            source: "data/rows.csv".to_owned(),
            files: vec![(home.path().join("gone.csv"), PathBuf::from("data/rows.csv"))],
        };
        assert!(write_project(&home.path().join("a/b"), &files("1"), &gone, false).is_err());
        assert_eq!(names(home.path()), ["project"]);
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let home = cupola_testkit::temporary();
        fs::write(home.path().join("file"), "1").unwrap();
        fs::create_dir_all(home.path().join("project/check")).unwrap();
        let of_file = write_project(&home.path().join("file"), &files("1"), &named(), true).unwrap_err();
        assert!(of_file.to_string().contains("is not a folder"), "{of_file}");
        let of_folder = write_project(&home.path().join("project"), &files("1"), &named(), true).unwrap_err();
        assert!(of_folder.to_string().contains("check is not a file"), "{of_folder}");
    }
}
