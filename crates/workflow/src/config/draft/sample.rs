//! First rows of the data, and where they come from.

use std::path::{Path, PathBuf};

use cupola_datasets::{LoadRequest, sample};
use cupola_prep::{ExactColumns, Frame};
use cupola_sources::TextColumns;
use cupola_spec::{DEFAULTS, Data, Source, is_name};

use crate::error::Error;
use crate::event::CollectionEvents;
use crate::session::Session;

/// Rows of a sample.
const SAMPLE_ROWS: usize = 10_000;

/// First rows of a source.
pub(super) struct DataSample {
    /// Settings that the rows are read with.
    pub data: Data,
    /// Rows in the order of the files.
    pub frame: Frame,
    /// `true` if the source has no further rows.
    pub complete: bool,
    /// Column of contents, if the source is a folder of files: `image`, `text` or `sound`.
    pub media: Option<&'static str>,
    /// Folders that paths in the rows are relative to.
    pub folders: Vec<PathBuf>,
}

impl DataSample {
    /// Reads the first rows of a source.
    ///
    /// With `paragraphs`, files of plain text have a row for each paragraph.
    pub fn read(session: &Session<'_>, source: &str, paragraphs: bool) -> Result<Self, Error> {
        let plain = Data::plain(Source::One(source.to_owned()), &default_missing_texts());
        let data = Data { paragraphs, ..plain };
        let roots = [PathBuf::from(".")];
        let watch = CollectionEvents(session.observer);
        let request = LoadRequest {
            source: &data.source,
            data: &data,
            expect: &[],
            texts: TextColumns::None,
            roots: &roots,
            home: session.home.root(),
            progress: &watch,
        };
        let found = sample(&request, SAMPLE_ROWS)?;
        let frame = Frame::from_batches(&found.schema, &found.batches, &ExactColumns::default())?;
        let of_files = found.files.iter().filter_map(|file| file.path.parent().map(Path::to_owned));
        let folders = of_files.chain(roots).collect();
        let has = |name: &&str| frame.get(name).is_some() && frame.get("path").is_some();
        let media = ["image", "text", "sound"].into_iter().find(has).filter(|_| Path::new(source).is_dir());
        Ok(Self { data, frame, complete: found.complete, media, folders })
    }
}

/// `true` for a folder, and for a file of plain text.
pub(super) fn may_be_plain_text(source: &str) -> bool {
    let path = Path::new(source);
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    path.is_dir() || ending.is_some_and(|ending| ending == "txt" || ending == "md")
}

/// Texts that mean a missing value by default.
pub(super) fn default_missing_texts() -> Vec<String> {
    let defaults: Option<toml::Table> = DEFAULTS.parse().ok();
    let texts = defaults.and_then(|table| table.get("data")?.get("null")?.as_array().cloned());
    texts.into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// Name of a run for a source: that of its file or folder, without its extensions.
pub(super) fn run_name(source: &str) -> String {
    // `dataset:NAME:VERSION` is called by its name, whatever the version.
    let of_dataset = source.strip_prefix("dataset:").and_then(|name| name.split(':').next());
    let last =
        of_dataset.or_else(|| source.trim_end_matches('/').rsplit(['/', ':']).next()).unwrap_or_default();
    let stem = last.split('.').find(|part| !part.is_empty()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let name: String = stem.chars().map(plain).take(64).collect();
    let name = name.trim_matches('_').to_owned();
    if is_name(&name) { name } else { "model".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_after_its_source() {
        for (source, expected) in [
            ("data/Churn 2024.csv.gz", "churn_2024"),
            ("photos/", "photos"),
            ("https://host/rows.parquet", "rows"),
            ("dataset:flights", "flights"),
            ("dataset:flights:3", "flights"),
            ("./*.csv", "model"),
            ("über.csv", "ber"),
        ] {
            assert_eq!(run_name(source), expected, "{source}");
        }
        assert_eq!(default_missing_texts(), ["", "NA", "NaN", "nan", "null"]);
    }
}
