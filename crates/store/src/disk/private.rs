//! Rights of new files and folders, and opening files without following links.
//!
//! New entries belong to their owner alone: folders 0700, files 0600, whatever the umask is. A folder
//! with the set-group-ID bit is shared on purpose (`chmod 2770 HOME`): its entries get its own rights,
//! and Linux hands the bit down to the folders in it.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::error::{Error, at};

const SET_GROUP_ID: u32 = 0o2000;
const OWNER_ONLY: u32 = 0o700;
/// Attempts at a file that other processes remove and create meanwhile.
const ATTEMPTS: usize = 100;

/// Rights of a new folder in `above`.
pub(crate) fn folder_mode(above: &Path) -> u32 {
    match fs::metadata(above).map(|metadata| metadata.permissions().mode()) {
        Ok(mode) if mode & SET_GROUP_ID != 0 => (mode & 0o777) | OWNER_ONLY | SET_GROUP_ID,
        _ => OWNER_ONLY,
    }
}

/// Rights of a new file in `folder`.
pub(crate) fn file_mode(folder: &Path) -> u32 {
    folder_mode(folder) & 0o666
}

/// Gives an existing entry these rights if it has others.
pub(crate) fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    if fs::symlink_metadata(path)?.permissions().mode() & 0o7777 == mode {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Opens a file for reading and appending, and creates it, readable by its owner only unless its folder
/// is shared. A link or a special file in its place is refused.
///
/// # Errors
/// [`Error::Io`], or [`Error::NotAFile`].
pub fn append_file(path: &Path) -> Result<File, Error> {
    open_regular(path, OpenOptions::new().read(true).append(true))
}

/// Creates a file or empties an existing one, with the rights of [`append_file`].
///
/// # Errors
/// [`Error::Io`], or [`Error::NotAFile`].
pub fn create_file(path: &Path) -> Result<File, Error> {
    let file = open_regular(path, OpenOptions::new().read(true).write(true))?;
    file.set_len(0).map_err(at(path))?;
    Ok(file)
}

/// Opens an existing regular file or creates one. Neither step follows a link: a new file is created
/// exclusively, and an opened one is compared with the entry of the folder before it is used.
pub(crate) fn open_regular(path: &Path, options: &mut OpenOptions) -> Result<File, Error> {
    let mode = file_mode(parent(path));
    for _ in 0..ATTEMPTS {
        match fs::symlink_metadata(path) {
            Ok(entry) if !entry.is_file() => return Err(Error::NotAFile { path: path.to_owned() }),
            Ok(_) => match options.create_new(false).open(path) {
                Ok(file) if is_entry(&file, path)? => return Ok(tightened(file, mode)),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(at(path)(error)),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match options.create_new(true).mode(mode).open(path) {
                    Ok(file) => return Ok(tightened(file, mode)),
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(at(path)(error)),
                }
            }
            Err(error) => return Err(at(path)(error)),
        }
    }
    Err(Error::NotAFile { path: path.to_owned() })
}

/// The folder above; `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `true` if the open file is the regular file that the folder has at `path`.
fn is_entry(file: &File, path: &Path) -> Result<bool, Error> {
    let opened = file.metadata().map_err(at(path))?;
    let same = |entry: &Metadata| (entry.dev(), entry.ino()) == (opened.dev(), opened.ino());
    Ok(opened.is_file() && fs::symlink_metadata(path).is_ok_and(|entry| entry.is_file() && same(&entry)))
}

/// The file with these rights. The file of another owner keeps its own.
fn tightened(file: File, mode: u32) -> File {
    if file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o777 != mode) {
        let _ = file.set_permissions(Permissions::from_mode(mode));
    }
    file
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_belongs_to_its_owner_unless_the_folder_is_shared() {
        let folder = cupola_testkit::temporary();
        let root = folder.path();
        fs::set_permissions(root, Permissions::from_mode(0o755)).unwrap();
        append_file(&root.join("a")).unwrap().write_all(b"1").unwrap();
        append_file(&root.join("a")).unwrap().write_all(b"2").unwrap();
        assert_eq!(fs::read(root.join("a")).unwrap(), b"12");
        assert_eq!((mode(&root.join("a")), folder_mode(root)), (0o600, 0o700));
        // A file of an earlier version is tightened.
        fs::set_permissions(root.join("a"), Permissions::from_mode(0o644)).unwrap();
        create_file(&root.join("a")).unwrap();
        assert_eq!((mode(&root.join("a")), fs::read(root.join("a")).unwrap().len()), (0o600, 0));
        fs::set_permissions(root, Permissions::from_mode(0o2770)).unwrap();
        append_file(&root.join("b")).unwrap();
        assert_eq!((mode(&root.join("b")), folder_mode(root)), (0o660, 0o2770));
    }

    #[test]
    fn a_link_or_a_folder_in_place_of_a_file_is_refused() {
        let folder = cupola_testkit::temporary();
        let (victim, planted) = (folder.path().join("victim"), folder.path().join("planted"));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &planted).unwrap();
        for path in [planted.as_path(), folder.path()] {
            assert!(matches!(append_file(path), Err(Error::NotAFile { .. })));
            assert!(matches!(create_file(path), Err(Error::NotAFile { .. })));
        }
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        // A link that leads nowhere creates nothing there.
        let nowhere = folder.path().join("nowhere");
        fs::remove_file(&planted).unwrap();
        symlink(&nowhere, &planted).unwrap();
        assert!(append_file(&planted).is_err() && !nowhere.exists());
    }
}
