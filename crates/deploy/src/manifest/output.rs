//! Files of a target on disk: all of them or none.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cupola_store::StagedFolder;

use super::error::ManifestError;

/// A file of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFile {
    /// Path in the folder of the target, with `/` between its parts.
    pub path: String,
    /// Content.
    pub text: String,
}

impl ManifestFile {
    /// File with a text.
    pub(super) fn text(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

/// Writes the files of a target into a folder, which is created. They are staged beside it and appear together. A folder
/// that has nothing but files of these names is replaced. One that has others is refused unless `force` is set: the files
/// are then renamed into it one by one.
///
/// # Errors
/// [`ManifestError::NotAFolder`], [`ManifestError::Occupied`], [`ManifestError::Write`]; nothing of the folder has changed
/// then, unless a rename fails.
pub fn write_manifests(out: &Path, files: &[ManifestFile], force: bool) -> Result<(), ManifestError> {
    let exists = fs::symlink_metadata(out).is_ok();
    if exists && !out.is_dir() {
        return Err(ManifestError::NotAFolder { path: out.to_owned() });
    }
    let other = if exists { other_entry(out, files)? } else { None };
    if let Some(found) = other.as_ref().filter(|_| !force) {
        return Err(ManifestError::Occupied { path: out.to_owned(), found: found.clone() });
    }
    // A rename needs a name: `.` and `..` have none.
    let out = &std::path::absolute(out).map_err(at(out))?;
    let among = other.is_some() || is_current(out);
    let place = if among { out.join("manifests") } else { out.clone() };
    let staged = StagedFolder::new(&place).map_err(written)?;
    for file in files {
        if let Some(above) = Path::new(&file.path).parent() {
            fs::create_dir_all(staged.path().join(above)).map_err(at(out))?;
        }
        staged.write(&file.path, file.text.as_bytes()).map_err(written)?;
    }
    if among { rename_into(out, &staged, files) } else { staged.replace().map_err(written) }
}

/// `true` for the working directory, which must not be replaced under the feet of a shell.
fn is_current(out: &Path) -> bool {
    let (Ok(current), Ok(out)) = (std::env::current_dir(), out.canonicalize()) else { return false };
    current.starts_with(out)
}

fn rename_into(out: &Path, staged: &StagedFolder, files: &[ManifestFile]) -> Result<(), ManifestError> {
    for file in files {
        let target = out.join(&file.path);
        if let Some(above) = target.parent() {
            fs::create_dir_all(above).map_err(at(above))?;
        }
        fs::rename(staged.path().join(&file.path), &target).map_err(at(&target))?;
    }
    Ok(())
}

/// Path of an entry of the folder that is none of the files, nor a folder above one.
fn other_entry(out: &Path, files: &[ManifestFile]) -> Result<Option<String>, ManifestError> {
    let own: BTreeSet<&Path> = files.iter().flat_map(|file| Path::new(&file.path).ancestors()).collect();
    let mut left = vec![out.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let path = entry.map_err(at(&folder))?.path();
            let name = path.strip_prefix(out).unwrap_or(&path);
            if !own.contains(name) {
                return Ok(Some(name.display().to_string()));
            }
            if path.is_dir() && !path.is_symlink() {
                left.push(path);
            }
        }
    }
    Ok(None)
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> ManifestError + '_ {
    |source| ManifestError::Write { path: path.to_owned(), source }
}

/// Error of the store whose remedy names `--out`.
fn written(error: cupola_store::Error) -> ManifestError {
    match error {
        cupola_store::Error::Io { path, source } => ManifestError::Write { path, source },
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Vec<ManifestFile> {
        vec![ManifestFile::text("a.yaml", text), ManifestFile::text("templates/b.yaml", text)]
    }

    fn read(out: &Path) -> [String; 2] {
        ["a.yaml", "templates/b.yaml"].map(|name| fs::read_to_string(out.join(name)).unwrap())
    }

    #[test]
    fn a_folder_of_an_earlier_call_is_replaced() {
        let folder = cupola_testkit::temporary();
        let out = folder.path().join("deep/out");
        for text in ["1", "2"] {
            write_manifests(&out, &files(text), false).unwrap();
            assert_eq!(read(&out), [text, text]);
        }
        let beside: Vec<_> = fs::read_dir(out.parent().unwrap()).unwrap().collect();
        assert_eq!(beside.len(), 1);
    }

    #[test]
    fn other_files_are_kept() {
        let folder = cupola_testkit::temporary();
        for other in ["notes.txt", "templates/notes.txt"] {
            let out = folder.path().join(other.replace('/', "-"));
            fs::create_dir_all(out.join("templates")).unwrap();
            fs::write(out.join(other), "mine").unwrap();
            let error = write_manifests(&out, &files("1"), false).unwrap_err();
            assert!(error.is_user_error() && error.to_string().contains(other), "{error}");
            assert!(!out.join("a.yaml").exists());
            write_manifests(&out, &files("1"), true).unwrap();
            assert_eq!(
                (read(&out), fs::read_to_string(out.join(other)).unwrap().as_str()),
                (["1", "1"].map(str::to_owned), "mine")
            );
            let staged = fs::read_dir(&out)
                .unwrap()
                .flatten()
                .filter(|entry| entry.file_name().to_string_lossy().starts_with('.'));
            assert_eq!(staged.count(), 0);
        }
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_an_error() {
        let folder = cupola_testkit::temporary();
        let out = folder.path().join("out");
        fs::write(&out, "").unwrap();
        for place in [out.clone(), out.join("below")] {
            let error = write_manifests(&place, &files("1"), true).unwrap_err();
            assert!(error.is_user_error() && error.to_string().contains("--out"), "{error}");
        }
        assert_eq!(fs::read_to_string(&out).unwrap(), "");
    }
}
