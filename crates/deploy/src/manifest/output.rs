//! Files of a target on disk: all of them or none.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cupola_registry::{read_limited, sha256_hex};
use cupola_store::StagedFolder;

use super::error::ManifestError;

/// Digests of the files of a target, as `sha256sum --check` reads them: what differs was edited since.
const RECORD: &str = "files.sha256";
/// Largest file of a target in bytes.
const FILE_LIMIT: u64 = 16 << 20;

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

/// Digests of files by their paths.
type Digests = BTreeMap<String, String>;

/// Writes the files of a target into a folder, which is created, and a list of their digests. They are staged beside it and
/// appear together. A folder that has nothing but unchanged files of an earlier call is replaced. Any other one is refused
/// unless `force` is set: the files are then renamed into it one by one.
///
/// # Errors
/// [`ManifestError::NotAFolder`], [`ManifestError::Occupied`], [`ManifestError::Write`]; nothing of the folder has changed
/// then, unless a rename fails.
pub fn write_manifests(out: &Path, files: &[ManifestFile], force: bool) -> Result<(), ManifestError> {
    let exists = fs::symlink_metadata(out).is_ok();
    if exists && !out.is_dir() {
        return Err(ManifestError::NotAFolder { path: out.to_owned() });
    }
    let recorded = if exists { recorded(out) } else { Digests::new() };
    let other = if exists { other_entry(out, &recorded)? } else { None };
    if let Some(found) = other.as_ref().filter(|_| !force) {
        return Err(ManifestError::Occupied { path: out.to_owned(), found: found.clone() });
    }
    // A rename needs a name: `.` and `..` have none.
    let out = &std::path::absolute(out).map_err(at(out))?;
    let among = other.is_some() || is_current(out);
    let place = if among { out.join("manifests") } else { out.clone() };
    let staged = StagedFolder::new(&place).map_err(written)?;
    let all: Vec<ManifestFile> = files.iter().cloned().chain([record(files)]).collect();
    for file in &all {
        if let Some(above) = Path::new(&file.path).parent() {
            fs::create_dir_all(staged.path().join(above)).map_err(at(out))?;
        }
        staged.write(&file.path, file.text.as_bytes()).map_err(written)?;
    }
    if !among {
        return staged.replace().map_err(written);
    }
    rename_into(out, &staged, &all)?;
    // Files of the earlier call that this one does not have.
    let stale = recorded.iter().filter(|(path, _)| !files.iter().any(|file| file.path == **path));
    for (path, _) in stale.filter(|(path, digest)| is_unchanged(&out.join(path), digest)) {
        fs::remove_file(out.join(path)).map_err(at(out))?;
    }
    Ok(())
}

/// List of the digests.
fn record(files: &[ManifestFile]) -> ManifestFile {
    let line = |file: &ManifestFile| format!("{}  {}\n", sha256_hex(file.text.as_bytes()), file.path);
    ManifestFile::text(RECORD, files.iter().map(line).collect::<String>())
}

/// Digests that an earlier call has recorded; none without a list.
fn recorded(out: &Path) -> Digests {
    let text =
        read_limited(&out.join(RECORD), FILE_LIMIT).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.unwrap_or_default();
    let plain =
        |path: &str| Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let lines = text.lines().filter_map(|line| line.split_once("  ")).filter(|(_, path)| plain(path));
    lines.map(|(digest, path)| (path.to_owned(), digest.to_owned())).collect()
}

fn is_unchanged(path: &Path, digest: &str) -> bool {
    let is_file = fs::symlink_metadata(path).is_ok_and(|entry| entry.is_file());
    is_file && read_limited(path, FILE_LIMIT).is_ok_and(|bytes| sha256_hex(&bytes) == digest)
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

/// Path of a file below the folder that no earlier call has written, or that was edited since.
fn other_entry(out: &Path, recorded: &Digests) -> Result<Option<String>, ManifestError> {
    let mut left = vec![out.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let path = entry.map_err(at(&folder))?.path();
            let name = path.strip_prefix(out).unwrap_or(&path).to_string_lossy().into_owned();
            let known = recorded.get(&name).is_some_and(|digest| is_unchanged(&path, digest));
            if path.is_dir() && !path.is_symlink() {
                left.push(path);
            } else if !known && name != RECORD {
                return Ok(Some(name));
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
    fn a_file_that_was_edited_is_kept_and_a_stale_one_is_not() {
        let folder = cupola_testkit::temporary();
        let out = folder.path().join("out");
        write_manifests(&out, &files("1"), false).unwrap();
        // Other options may need fewer files.
        write_manifests(&out, &files("2")[..1], false).unwrap();
        assert!(!out.join("templates/b.yaml").exists());
        write_manifests(&out, &files("1"), false).unwrap();
        fs::write(out.join("a.yaml"), "edited").unwrap();
        let error = write_manifests(&out, &files("2"), false).unwrap_err().to_string();
        assert!(
            error.contains("a.yaml") && fs::read_to_string(out.join("a.yaml")).unwrap() == "edited",
            "{error}"
        );
        write_manifests(&out, &files("2")[..1], true).unwrap();
        assert!(
            fs::read_to_string(out.join("a.yaml")).unwrap() == "2" && !out.join("templates/b.yaml").exists()
        );
        // A list that names files elsewhere removes nothing there.
        fs::write(folder.path().join("mine"), "1").unwrap();
        fs::write(out.join(RECORD), format!("{}  ../mine\n", sha256_hex(b"1"))).unwrap();
        write_manifests(&out, &files("2"), true).unwrap();
        assert!(folder.path().join("mine").exists());
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
