//! Folders of tables as dataset hubs lay them out: a card (`README.md`) that lists the files, or files whose names or
//! folders name a split.

mod card;

use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use self::card::CardFiles;
use crate::error::{Error, io_error};
use crate::file::{DataFile, FileFormat};
use crate::read::batch::note::SourceNote;

/// Depth of the folders that are searched.
const MAX_DEPTH: usize = 4;
/// Largest card that is read.
const MAX_CARD_BYTES: u64 = 4 << 20;
/// Words that name a split, and the split.
const SPLITS: [(&str, &str); 11] = [
    ("train", "train"),
    ("training", "train"),
    ("validation", "validation"),
    ("valid", "validation"),
    ("val", "validation"),
    ("dev", "validation"),
    ("test", "test"),
    ("testing", "test"),
    ("eval", "test"),
    ("evaluation", "test"),
    ("all", "all"),
];

/// Files of the split that is read.
pub(super) struct TableFolder {
    pub files: Vec<PathBuf>,
    pub note: Option<SourceNote>,
}

/// Files of a folder with a split each.
type SplitFiles = Vec<(String, PathBuf)>;

/// Tables of a folder; `None` if it has none, or has pictures or sounds besides.
pub(super) fn tables(folder: &Path) -> Result<Option<TableFolder>, Error> {
    let (missing, mut listed) = card(folder)?;
    if listed.is_empty() {
        listed = self::listed(folder)?;
        if let Some(pattern) = missing.first().filter(|_| listed.is_empty() && !has_media(folder)) {
            return Err(Error::Pattern {
                pattern: format!("{}/README.md", folder.display()),
                why: format!("the card lists `{pattern}`, but the folder has no such file"),
            });
        }
    }
    if listed.is_empty() {
        return Ok(None);
    }
    let mut splits: Vec<String> = Vec::new();
    for (split, _) in &listed {
        if !splits.contains(split) {
            splits.push(split.clone());
        }
    }
    let chosen = splits.iter().find(|split| *split == "train").unwrap_or(&splits[0]).clone();
    let others: Vec<String> = splits.into_iter().filter(|split| *split != chosen).collect();
    let note = (!others.is_empty()).then(|| SourceNote::Split {
        folder: folder.display().to_string(),
        split: chosen.clone(),
        others,
    });
    let mut files: Vec<PathBuf> =
        listed.into_iter().filter(|(split, _)| *split == chosen).map(|(_, path)| path).collect();
    files.sort();
    files.dedup();
    Ok(Some(TableFolder { files, note }))
}

/// Patterns of the card of a folder that no file has, and the files of the others; none without such a card.
fn card(folder: &Path) -> Result<(Vec<String>, SplitFiles), Error> {
    let path = folder.join("README.md");
    let is_card = path.metadata().is_ok_and(|about| about.is_file() && about.len() <= MAX_CARD_BYTES);
    if !is_card {
        return Ok((Vec::new(), Vec::new()));
    }
    let text = String::from_utf8_lossy(&std::fs::read(&path).map_err(io_error(&path))?).into_owned();
    let (mut missing, mut found) = (Vec::new(), Vec::new());
    for CardFiles { split, pattern } in card::default_files(&text) {
        // A card must not name files elsewhere.
        if Path::new(&pattern)
            .components()
            .any(|part| !matches!(part, Component::Normal(_) | Component::CurDir))
        {
            missing.push(pattern);
            continue;
        }
        let root = glob::Pattern::escape(&folder.to_string_lossy());
        let Ok(paths) = glob::glob(&format!("{root}/{pattern}")) else { continue };
        let paths: Vec<PathBuf> = paths.filter_map(Result::ok).collect();
        if paths.is_empty() {
            missing.push(pattern);
        }
        for path in paths.into_iter().filter(|path| is_table(path)) {
            let split = split.clone().unwrap_or_else(|| split_of(folder, &path));
            found.push((split, path));
        }
    }
    Ok((missing, found))
}

/// Tables of a folder without such a card; none if there are pictures, sounds or other texts.
fn listed(folder: &Path) -> Result<SplitFiles, Error> {
    let mut found = Vec::new();
    let visible = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.')
    };
    for entry in
        WalkDir::new(folder).max_depth(MAX_DEPTH).sort_by_file_name().into_iter().filter_entry(visible)
    {
        let entry = entry.map_err(|error| Error::Pattern {
            pattern: folder.display().to_string(),
            why: error.to_string(),
        })?;
        let path = entry.path();
        if !path.is_file() || is_description(path) {
            continue;
        }
        if is_table(path) {
            found.push((split_of(folder, path), path.to_owned()));
        } else if is_media(path) {
            return Ok(Vec::new());
        }
    }
    Ok(found)
}

/// Split that the name of a file or of one of its folders names; `train` without one.
fn split_of(folder: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().to_lowercase();
    let words = relative.split(|c: char| !c.is_ascii_alphabetic());
    let split = words.filter_map(|word| SPLITS.iter().find(|(name, _)| *name == word)).next_back();
    split.map_or("train", |(_, split)| split).to_owned()
}

fn is_table(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    // Texts are not tables, although a single one may be named as a source.
    let text = matches!(ending.as_str(), "txt" | "data" | "test" | "dat");
    let known = DataFile::new(path.to_owned()).is_ok_and(|file| file.format != FileFormat::Workbook);
    path.is_file() && known && !text && !is_description(path)
}

/// `true` for a file that describes a dataset instead of being a part of it.
fn is_description(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let stem = name.split('.').next().unwrap_or_default();
    matches!(stem, "readme" | "license" | "licence" | "notice" | "changelog" | "citation")
        || matches!(
            name.as_str(),
            "dataset_info.json" | "dataset_infos.json" | "dataset_dict.json" | "state.json"
        )
}

fn has_media(folder: &Path) -> bool {
    let mut entries = WalkDir::new(folder).max_depth(MAX_DEPTH).into_iter().filter_map(Result::ok);
    entries.any(|entry| is_media(entry.path()) && !is_description(entry.path()))
}

fn is_media(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    matches!(
        ending.as_str(),
        "png" | "jpg" | "jpeg" | "bmp" | "gif" | "webp" | "tif" | "tiff" | "wav" | "txt" | "md"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn names(dir: &tempfile::TempDir) -> Option<(Vec<String>, Vec<String>)> {
        let found = tables(dir.path()).unwrap()?;
        let name = |path: &PathBuf| path.strip_prefix(dir.path()).unwrap().to_string_lossy().into_owned();
        let others = match found.note {
            Some(SourceNote::Split { others, .. }) => others,
            _ => Vec::new(),
        };
        Some((found.files.iter().map(name).collect(), others))
    }

    #[test]
    fn splits_are_found_in_names_and_folders() {
        let dir = folder(&[
            ("README.md", "# About\n"),
            ("data/train-00000-of-00002.parquet", ""),
            ("data/train-00001-of-00002.parquet", ""),
            ("data/test-00000-of-00001.parquet", ""),
            (".cache/x.csv", ""),
        ]);
        let (files, others) = names(&dir).unwrap();
        assert_eq!(files, ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]);
        assert_eq!(others, ["test"]);
        let dir = folder(&[("dev/a.jsonl", ""), ("train/a.jsonl", ""), ("train/state.json", "")]);
        assert_eq!(names(&dir).unwrap(), (vec!["train/a.jsonl".into()], vec!["validation".into()]));
        let dir = folder(&[("a.csv", ""), ("b.csv", "")]);
        assert_eq!(names(&dir).unwrap(), (vec!["a.csv".into(), "b.csv".into()], Vec::new()));
    }

    #[test]
    fn the_card_decides_and_names_no_file_elsewhere() {
        let card = "---\nlicense: mit\nconfigs:\n- config_name: other\n  data_files: x.csv\n\
            - config_name: default\n  default: true\n  data_files:\n  - split: train\n    path:\n    - \"one/*.csv\"\n\
            \x20   - two.csv\n  - split: test\n    path: three.csv\n  - split: train\n    path: ../secret.csv\n---\n# About\n";
        let dir = folder(&[
            ("README.md", card),
            ("one/a.csv", ""),
            ("two.csv", ""),
            ("three.csv", ""),
            ("x.csv", ""),
        ]);
        let (files, others) = names(&dir).unwrap();
        assert_eq!((files, others), (vec!["one/a.csv".into(), "two.csv".into()], vec!["test".into()]));
    }

    #[test]
    fn folders_of_pictures_or_texts_are_no_tables() {
        assert!(names(&folder(&[("cats/1.png", ""), ("metadata.csv", "")])).is_none());
        assert!(names(&folder(&[("good/1.txt", ""), ("bad/2.txt", "")])).is_none());
        assert!(names(&folder(&[("README.md", "")])).is_none());
        let card = "---\nconfigs:\n- config_name: default\n  data_files: data/train-*\n---\n";
        let error = tables(folder(&[("README.md", card)]).path()).err().unwrap().to_string();
        assert!(error.contains("README.md") && error.contains("the card lists `data/train-*`"), "{error}");
    }
}
