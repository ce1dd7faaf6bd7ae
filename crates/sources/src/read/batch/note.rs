//! Notes on a source: what the reader recognised or repaired without being told.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Decision of a reader that its user should know of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SourceNote {
    /// Recognised delimiter other than that of the file's extension.
    Delimiter {
        /// Name of the file.
        file: String,
        /// Delimiter.
        delimiter: char,
    },
    /// Recognised encoding other than UTF-8.
    Encoding {
        /// Name of the file.
        file: String,
        /// Name of the encoding.
        encoding: String,
    },
    /// Blanks around values or column names that are left out.
    Blanks {
        /// Name of the file.
        file: String,
    },
    /// Nameless column of row numbers that is left out.
    IndexColumn {
        /// Name of the file.
        file: String,
    },
    /// Index that pandas wrote under a name of its own, which is left out.
    PandasIndex {
        /// Name of the file.
        file: String,
        /// Name of the column.
        name: String,
    },
    /// Recognised lines of comments, which are left out.
    Comment {
        /// Name of the file.
        file: String,
        /// Character that such a line begins with.
        mark: char,
    },
    /// Column without a name, which is called by its position.
    NamelessColumn {
        /// Name of the file.
        file: String,
        /// Name that the column is given.
        name: String,
    },
    /// Header that looks like a row of values.
    HeaderOfValues {
        /// Name of the file.
        file: String,
        /// First column name.
        first: String,
    },
    /// Records of Airbyte, of which the payload is read.
    Airbyte {
        /// Name of the file.
        file: String,
    },
    /// Hidden entries of a folder of pictures, sounds or texts, which are left out.
    HiddenFiles {
        /// Folder.
        folder: String,
        /// First ones, and the number of the others.
        entries: String,
    },
    /// Files of another kind in a folder of pictures, sounds or texts, which are left out.
    OtherFiles {
        /// Folder.
        folder: String,
        /// Kind of the files that are read, such as `pictures`.
        medium: String,
        /// First ones, and the number of the others.
        entries: String,
    },
    /// Subfolders without a file that is read.
    EmptyFolders {
        /// Folder.
        folder: String,
        /// Kind of the files that are read, such as `pictures`.
        medium: String,
        /// First ones, and the number of the others.
        entries: String,
    },
    /// Folder with several splits, of which one is read.
    Split {
        /// Folder.
        folder: String,
        /// Split that is read.
        split: String,
        /// Other splits.
        others: Vec<String>,
    },
}

impl fmt::Display for SourceNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delimiter { file, delimiter } => {
                write!(f, "{file}: columns are separated by {}", delimiter_name(*delimiter))
            }
            Self::Encoding { file, encoding } => write!(f, "{file}: read as {encoding}"),
            Self::Blanks { file } => write!(f, "{file}: blanks around values and column names are left out"),
            Self::IndexColumn { file } => {
                write!(f, "{file}: the first column has no name and counts the rows; it is left out")
            }
            Self::PandasIndex { file, name } => {
                write!(f, "{file}: `{name}` is an index that pandas wrote; it is left out")
            }
            Self::Comment { file, mark } => {
                write!(f, "{file}: lines that begin with `{mark}` are comments and left out")
            }
            Self::NamelessColumn { file, name } => {
                write!(f, "{file}: a column has no name in the header; it is called `{name}`")
            }
            Self::HeaderOfValues { file, first } => write!(
                f,
                "{file}: the first row is used as the header, but `{first}` looks like a value; if the file has no header, name the columns with `data.columns`"
            ),
            Self::Airbyte { file } => {
                write!(f, "{file}: records of Airbyte, whose metadata (`_airbyte_...`) is left out")
            }
            Self::HiddenFiles { folder, entries } => {
                write!(f, "{folder}: hidden files and folders are left out: {entries}")
            }
            Self::OtherFiles { folder, medium, entries } => {
                write!(f, "{folder}: only {medium} are read; left out: {entries}")
            }
            Self::EmptyFolders { folder, medium, entries } => {
                write!(f, "{folder}: subfolders without {medium}: {entries}")
            }
            Self::Split { folder, split, others } => write!(
                f,
                "{folder}: the split `{split}` is read; others are there: {}; set `data.test_source` to use one",
                others.join(", ")
            ),
        }
    }
}

/// Delimiter in words.
pub(crate) fn delimiter_name(delimiter: char) -> String {
    match delimiter {
        '\t' => "tabs".to_owned(),
        ';' => "semicolons (`;`)".to_owned(),
        ',' => "commas (`,`)".to_owned(),
        other => format!("`{other}`"),
    }
}
