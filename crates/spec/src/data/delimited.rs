//! Spelling of delimited text: decimal mark, encoding, rows of another length.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Decimal mark of numbers in texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Decimal {
    /// A point, as in `1,234.5`.
    #[serde(rename = ".")]
    Point,
    /// A comma, as in `1.234,5`.
    #[serde(rename = ",")]
    Comma,
}

/// Spelling of a source's text files as a config declares it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFormat {
    /// Character between fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Encoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<TextEncoding>,
    /// Names of the columns of files without a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Character that starts a comment line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<char>,
}

impl SourceFormat {
    /// `true` if everything is recognised.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Encoding of text files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TextEncoding {
    /// UTF-8, with or without a byte order mark.
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16, little endian.
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16, big endian.
    #[serde(rename = "utf-16be")]
    Utf16Be,
    /// Windows-1252.
    #[serde(rename = "windows-1252")]
    Windows1252,
    /// Latin-1 (ISO 8859-1), read as Windows-1252, which holds it.
    #[serde(rename = "latin-1")]
    Latin1,
}

/// Consequence of a row with more or fewer fields than the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RaggedRows {
    /// Reject the data.
    #[default]
    Fail,
    /// Write the row to the file of quarantined rows and use the others.
    Quarantine,
}

impl RaggedRows {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
