//! Files of a folder: those that are packed, and those that are left out by name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::error::Error;
use crate::file::is_hidden;
use crate::read::batch::note::SourceNote;

/// Texts that accompany pictures and sounds.
const COMPANIONS: [&str; 6] = ["readme", "license", "licence", "notice", "citation", "copying"];
/// Entries that one note names.
const NAMED: usize = 5;

/// Kind of the files of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MediaKind {
    Image,
    Sound,
    Text,
}

impl MediaKind {
    pub fn of(path: &Path) -> Option<Self> {
        match ending(path).as_str() {
            "png" | "jpg" | "jpeg" | "bmp" | "gif" | "webp" => Some(Self::Image),
            "wav" => Some(Self::Sound),
            "txt" | "md" => Some(Self::Text),
            _ => None,
        }
    }

    /// Name of the column that holds the contents.
    pub fn column(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Sound => "sound",
            Self::Text => "text",
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Image => "pictures",
            Self::Sound => "sounds",
            Self::Text => "texts",
        }
    }

    /// Formats of this kind, if a file is in another one.
    fn other_format(self, path: &Path) -> Option<&'static str> {
        let ending = ending(path);
        let is = |endings: &[&str]| endings.contains(&ending.as_str());
        match self {
            Self::Image if is(&["tif", "tiff", "heic", "heif", "avif", "jxl", "jp2", "svg", "ico"]) => {
                Some("PNG, JPEG, GIF, BMP or WebP")
            }
            Self::Sound if is(&["mp3", "flac", "ogg", "opus", "m4a", "aac", "aiff"]) => Some("WAV"),
            _ => None,
        }
    }
}

/// Files of a folder.
pub(super) struct FolderListing {
    pub kind: MediaKind,
    /// Files to pack, sorted by path.
    pub files: Vec<PathBuf>,
    /// `true` if every file is in a subfolder, whose name is its class.
    pub classes: bool,
    pub notes: Vec<SourceNote>,
}

/// Entries as they are found.
#[derive(Default)]
struct FoundEntries {
    media: Vec<(MediaKind, PathBuf)>,
    hidden: Vec<PathBuf>,
    others: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl FolderListing {
    /// Lists the files of `folder` and its subfolders, and checks that all are of one kind.
    pub fn of(folder: &Path) -> Result<Self, Error> {
        let wrong = |why: String| Error::Pattern { pattern: folder.display().to_string(), why };
        let mut found = FoundEntries::read(folder)?;
        let kind = found.kind(folder)?;
        let kind = kind.ok_or_else(|| {
            wrong("is a folder without pictures, sounds or texts; for tables name the files, such as FOLDER/*.csv".into())
        })?;
        let of_kind = |(own, _): &(MediaKind, PathBuf)| *own == kind;
        let (media, companions): (Vec<_>, Vec<_>) =
            std::mem::take(&mut found.media).into_iter().partition(of_kind);
        found.others.extend(companions.into_iter().map(|(_, path)| path));
        if let Some((path, formats)) =
            found.others.iter().find_map(|path| Some((path, kind.other_format(path)?)))
        {
            let path = relative(folder, path);
            return Err(wrong(format!(
                "{path} is in a format that is not read; convert it to {formats}, or move it away"
            )));
        }
        let files: Vec<PathBuf> = media.into_iter().map(|(_, path)| path).collect();
        let classes = files.iter().all(|file| file.parent() != Some(folder));
        let notes = found.notes(folder, kind, &files, classes);
        Ok(Self { kind, files, classes, notes })
    }
}

impl FoundEntries {
    fn read(folder: &Path) -> Result<Self, Error> {
        let wrong = |why: String| Error::Pattern { pattern: folder.display().to_string(), why };
        let mut found = Self::default();
        let mut entries =
            WalkDir::new(folder).min_depth(1).follow_links(true).sort_by_file_name().into_iter();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|error| wrong(error.to_string()))?;
            let is_folder = entry.file_type().is_dir();
            if is_hidden(&entry.file_name().to_string_lossy()) {
                if is_folder {
                    entries.skip_current_dir();
                }
                found.hidden.push(entry.into_path());
            } else if is_folder {
                found.folders.push(entry.into_path());
            } else if entry.file_type().is_file() {
                match MediaKind::of(entry.path()) {
                    Some(kind) => found.media.push((kind, entry.into_path())),
                    None => found.others.push(entry.into_path()),
                }
            }
        }
        Ok(found)
    }

    /// Kind of all files but texts that accompany pictures or sounds; `None` without any file.
    fn kind(&self, folder: &Path) -> Result<Option<MediaKind>, Error> {
        let mut first: Option<(MediaKind, &Path)> = None;
        let is_companion = |kind: MediaKind, path: &Path| {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase());
            kind == MediaKind::Text && stem.is_some_and(|stem| COMPANIONS.contains(&stem.as_str()))
        };
        let certain = self.media.iter().filter(|(kind, path)| !is_companion(*kind, path));
        for (kind, path) in certain {
            match first {
                None => first = Some((*kind, path)),
                Some((known, before)) if known != *kind => {
                    let (a, b) = (relative(folder, before), relative(folder, path));
                    let (known, kind) = (known.plural(), kind.plural());
                    return Err(Error::Pattern {
                        pattern: folder.display().to_string(),
                        why: format!(
                            "holds {known} ({a}) and {kind} ({b}); put them into folders of their own"
                        ),
                    });
                }
                Some(_) => {}
            }
        }
        Ok(first.map(|(kind, _)| kind).or_else(|| self.media.first().map(|(kind, _)| *kind)))
    }

    fn notes(&self, folder: &Path, kind: MediaKind, files: &[PathBuf], classes: bool) -> Vec<SourceNote> {
        let name = folder.display().to_string();
        let medium = kind.plural().to_owned();
        let mut notes = Vec::new();
        if let Some(entries) = named(folder, &self.hidden) {
            notes.push(SourceNote::HiddenFiles { folder: name.clone(), entries });
        }
        if let Some(entries) = named(folder, &self.others) {
            notes.push(SourceNote::OtherFiles { folder: name.clone(), medium: medium.clone(), entries });
        }
        let used: BTreeSet<&Path> = files.iter().flat_map(|file| file.ancestors().skip(1)).collect();
        let empty: Vec<PathBuf> =
            self.folders.iter().filter(|path| !used.contains(path.as_path())).cloned().collect();
        if let Some(entries) = named(folder, &empty).filter(|_| classes) {
            notes.push(SourceNote::EmptyFolders { folder: name, medium, entries });
        }
        notes
    }
}

/// `a.txt, b.txt`, with the number of those that are not named; `None` without any.
fn named(folder: &Path, paths: &[PathBuf]) -> Option<String> {
    let first: Vec<String> = paths.iter().take(NAMED).map(|path| relative(folder, path)).collect();
    let more = paths.len().saturating_sub(NAMED);
    match (first.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(first.join(", ")),
        (false, more) => Some(format!("{} and {more} more", first.join(", "))),
    }
}

fn ending(path: &Path) -> String {
    path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Path below the folder.
pub(super) fn relative(folder: &Path, file: &Path) -> String {
    file.strip_prefix(folder).unwrap_or(file).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            if file.ends_with('/') {
                std::fs::create_dir_all(path).unwrap();
            } else {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "x").unwrap();
            }
        }
        folder
    }

    fn names(folder: &tempfile::TempDir, listing: &FolderListing) -> Vec<String> {
        listing.files.iter().map(|file| relative(folder.path(), file)).collect()
    }

    #[test]
    fn hidden_entries_are_left_out_at_every_depth_for_every_kind() {
        for ending in ["png", "wav", "txt"] {
            let files = [
                format!("a/1.{ending}"),
                format!("b/deep/2.{ending}"),
                format!(".hidden/3.{ending}"),
                format!("a/.ipynb_checkpoints/1-checkpoint.{ending}"),
                format!("b/deep/.ipynb_checkpoints/nested/4.{ending}"),
                format!("a/._1.{ending}"),
                format!("__MACOSX/a/._1.{ending}"),
                "a/.DS_Store".to_owned(),
                "Thumbs.db".to_owned(),
                "b/desktop.ini".to_owned(),
            ];
            let folder = folder(&files.iter().map(String::as_str).collect::<Vec<_>>());
            let listing = FolderListing::of(folder.path()).unwrap();
            assert_eq!(names(&folder, &listing), [format!("a/1.{ending}"), format!("b/deep/2.{ending}")]);
            let [note] = listing.notes.as_slice() else { panic!("{:?}", listing.notes) };
            let text = note.to_string();
            assert!(text.contains(".hidden, Thumbs.db") && text.contains("and 3 more"), "{text}");
        }
    }

    #[test]
    fn a_folder_within_a_hidden_one_is_read() {
        let folder = folder(&[".data/photos/a/1.png"]);
        assert_eq!(FolderListing::of(&folder.path().join(".data/photos")).unwrap().files.len(), 1);
    }

    #[test]
    fn files_of_other_kinds_and_empty_classes_are_named() {
        let folder = folder(&[
            "cat/1.png",
            "cat/labels.csv",
            "dog/2.jpg",
            "dog/notes",
            "README.md",
            "bird/",
            "fish/deep/",
        ]);
        let listing = FolderListing::of(folder.path()).unwrap();
        assert!(listing.classes && listing.kind == MediaKind::Image);
        assert_eq!(names(&folder, &listing), ["cat/1.png", "dog/2.jpg"]);
        let notes: Vec<String> = listing.notes.iter().map(ToString::to_string).collect();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[0].contains("cat/labels.csv, dog/notes, README.md"), "{notes:?}");
        assert!(
            notes[1].contains("without pictures") && notes[1].contains("bird, fish, fish/deep"),
            "{notes:?}"
        );
    }

    #[test]
    fn mixed_kinds_and_formats_that_are_not_read_are_refused_by_name() {
        for (files, expected) in [
            (&["cat/1.png", "cat/notes.txt"][..], "pictures (cat/1.png) and texts (cat/notes.txt)"),
            (&["a/1.wav", "b/1.png"], "sounds (a/1.wav) and pictures (b/1.png)"),
            (&["cat/1.png", "cat/2.TIFF"], "cat/2.TIFF is in a format that is not read; convert it to PNG"),
            (&["a/1.wav", "a/2.mp3"], "convert it to WAV"),
            (&["a/table.csv"], "FOLDER/*.csv"),
            (&[".a/1.png"], "without pictures"),
        ] {
            let folder = folder(files);
            let error = FolderListing::of(folder.path()).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let texts = folder(&["README.md", "a.txt"]);
        assert_eq!(FolderListing::of(texts.path()).unwrap().files.len(), 2);
    }
}
