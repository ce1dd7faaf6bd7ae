//! Manifest of a dataset version.

use std::path::PathBuf;

use cupola_spec::{Data, Expectation, ForeignKey, Source, masked_source};
use cupola_store::{DatasetVersion, split_version};
use serde::{Deserialize, Serialize};

use crate::contract::ContractReport;
use crate::profile::Profile;

/// Version of a dataset, stored as `manifest.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DatasetManifest {
    /// Version of the file format.
    pub format_version: u32,
    /// Name of the dataset.
    pub name: String,
    /// Version number, from 1.
    pub version: u64,
    /// Version that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    /// Time of creation, RFC 3339 in UTC.
    pub created: String,
    /// Identity of the data.
    pub dataset: DatasetVersion,
    /// Settings to collect the source again. Secrets are not filled in.
    pub data: Data,
    /// Folders that relative paths are resolved against.
    pub roots: Vec<PathBuf>,
    /// Largest value of `data.watermark`, or the offsets of a topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<String>,
    /// Id of the last pushed rows in this version or an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<String>,
    /// Ids of pushed objects of an object store in this version or an earlier one, oldest first. Those that are deleted for
    /// long are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<String>,
    /// Licence of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Update interval of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<String>,
    /// Expectations on the rows.
    pub expect: Vec<Expectation>,
    /// Remote that the version was pulled from, as typed. Its source is then not known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Outcome of the expectations.
    pub report: ContractReport,
    /// Profiles of the columns.
    pub profile: Profile,
}

impl DatasetManifest {
    /// Format version that this code reads and writes.
    pub const FORMAT_VERSION: u32 = 1;
    /// Largest size of a manifest: 64 MiB.
    pub const MAX_BYTES: u64 = 64 << 20;

    /// `NAME:VERSION`
    pub fn label(&self) -> String {
        format!("{}:{}", self.name, self.version)
    }

    /// `true` if rows came from a remote, a server, a database or a client: what they name is not trusted.
    pub(super) fn is_downloaded(&self) -> bool {
        let elsewhere = |source: &String| {
            source.contains("://")
                || source.starts_with("adbc:")
                || std::path::Path::new(source).extension().is_some_and(|kind| kind == "dvc")
        };
        self.origin.is_some()
            || self.pushed.is_some()
            || self.data.source.patterns().iter().any(elsewhere)
            || !self.dataset.datasets.is_empty()
    }

    /// Checks what becomes a path in the home. Returns the reason for which the manifest is refused.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.format_version != Self::FORMAT_VERSION {
            let (found, known) = (self.format_version, Self::FORMAT_VERSION);
            return Err(format!("expected format version {known}, found {found}"));
        }
        let digests = self.dataset.files.iter().map(|file| &file.sha256).chain([&self.dataset.sha256]);
        if !digests.into_iter().all(|digest| is_digest(digest)) {
            return Err("invalid SHA-256; expected 64 lower-case hexadecimal digits".to_owned());
        }
        let mut types = self.dataset.schema.iter().map(|(_, kind)| kind);
        if let Some(kind) = types.find(|kind| nesting(kind) > MAX_NESTING) {
            let kind: String = kind.chars().take(80).collect();
            return Err(format!("the type `{kind}...` of a column is nested too deeply"));
        }
        Ok(())
    }

    /// Checks the manifest of a remote, which may hold anything. Returns the reason for which it is refused.
    pub(super) fn check_of_remote(&self) -> Result<(), String> {
        self.check()?;
        if let Some(file) = self.dataset.files.iter().find(|file| !is_inside(&file.name)) {
            let name: String = file.name.escape_debug().take(80).collect();
            return Err(format!("`{name}` is not the name of a file"));
        }
        if self.dataset.schema.len() > MAX_COLUMNS {
            return Err(format!("more than {MAX_COLUMNS} columns"));
        }
        let texts = self.dataset.source.iter().chain(&self.dataset.datasets);
        let mut texts = texts.chain(&self.licence).chain(&self.updates).chain([&self.created]);
        if texts.any(|text| text.chars().any(char::is_control)) {
            return Err("a text holds control characters".to_owned());
        }
        Ok(())
    }

    /// The manifest without passwords and tokens, which versions from before they were refused may hold.
    pub(super) fn masked(mut self) -> Self {
        self.dataset.source.iter_mut().for_each(|source| *source = masked_source(source));
        self.data.source = match self.data.source {
            Source::One(one) => Source::One(masked_source(&one)),
            Source::Many(many) => Source::Many(many.iter().map(|one| masked_source(one)).collect()),
        };
        self
    }

    /// The manifest of a version that a remote sent, with nothing in it that reads or runs anything: no source but the
    /// stored files, no SQL, no folders, no secrets to fill in.
    pub(super) fn of_remote(self, name: &str, origin: &str) -> Self {
        let data = self.data.with_same_format(Source::One(format!("dataset:{name}")));
        let expect = self.expect.into_iter().filter(|expectation| {
            expectation.foreign_key.as_ref().is_none_or(|ForeignKey { source, .. }| names_dataset(source))
        });
        let mut report = self.report;
        report.file = None;
        Self {
            name: name.to_owned(),
            version: 0,
            parent: None,
            data,
            roots: Vec::new(),
            watermark: None,
            pushed: None,
            taken: Vec::new(),
            origin: Some(origin.to_owned()),
            expect: expect.collect(),
            report,
            ..self
        }
    }
}

/// Largest number of columns.
const MAX_COLUMNS: usize = 100_000;
/// Largest depth of brackets in the type of a column.
const MAX_NESTING: usize = 32;
/// Longest name of a file.
const MAX_NAME_BYTES: usize = 255;

/// `true` for a SHA-256 as this program writes it: digests become the names of files.
pub(super) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `true` for a name that stays within any folder, on every system.
pub(super) fn is_inside(name: &str) -> bool {
    let drive = name.as_bytes().get(1) == Some(&b':');
    let odd = |c: char| c.is_control() || matches!(c, '/' | '\\');
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !matches!(name, "." | "..")
        && !drive
        && !name.contains(odd)
}

/// Depth of the brackets in a text.
fn nesting(text: &str) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    for c in text.chars() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' | '>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

/// `true` for `dataset:NAME` and `dataset:NAME:VERSION`, which name no file and no server.
fn names_dataset(source: &str) -> bool {
    source.strip_prefix("dataset:").is_some_and(|name| !name.contains('$') && split_version(name).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_stay_in_their_folder() {
        for name in ["a.csv", "rows 1.parquet", "contents of `image`", "..a", "a..b", "ä.csv", ".hidden"] {
            assert!(is_inside(name), "{name}");
        }
        let long = "a".repeat(256);
        for name in ["", ".", "..", "a/b", "../a", "/etc/passwd", "a\\b", "C:a", "a\0b", "a\nb", &long] {
            assert!(!is_inside(name), "{name:?}");
        }
    }

    #[test]
    fn digests_are_lower_case_and_whole() {
        assert!(is_digest(&"0af9".repeat(16)));
        for text in ["", "../../etc/passwd", &"0AF9".repeat(16), &"0af9".repeat(17), &"é".repeat(32)] {
            assert!(!is_digest(text), "{text}");
        }
        assert_eq!((nesting("Utf8"), nesting("List(List(Int8))")), (0, 2));
        assert!(
            names_dataset("dataset:a:2")
                && !names_dataset("dataset:${HOME}")
                && !names_dataset("/etc/passwd")
        );
    }
}
