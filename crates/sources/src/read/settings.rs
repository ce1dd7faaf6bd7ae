//! Settings of reading texts.

mod lines;

pub use self::lines::LineFinder;

use cupola_spec::{Data, Decimal, RaggedRows, TextEncoding, matches_pattern};

/// Columns that a CSV reader leaves as the exact text, without a guess of their type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TextColumns<'a> {
    /// No column.
    #[default]
    None,
    /// Columns whose name matches a pattern, unless it is an exception.
    Matching {
        /// Names, or globs such as `code_*`.
        patterns: &'a [String],
        /// Names of columns whose type is guessed all the same.
        except: &'a [String],
    },
    /// All columns.
    All,
}

impl TextColumns<'_> {
    /// `true` if the column `name` is left as text.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::Matching { patterns, except } => {
                !except.iter().any(|known| known == name)
                    && patterns.iter().any(|pattern| matches_pattern(pattern, name))
            }
            Self::All => true,
        }
    }
}

/// Spelling of CSV and JSON files as far as it is declared; the rest is recognised.
#[derive(Debug, Clone, Copy, Default)]
pub struct TextFormat<'a> {
    /// Character between fields.
    pub delimiter: Option<char>,
    /// Encoding of the file.
    pub encoding: Option<TextEncoding>,
    /// Names of the columns of a file without a header.
    pub columns: Option<&'a [String]>,
    /// Character that starts a comment line.
    pub comment: Option<char>,
    /// Consequence of a row with another number of fields than the header.
    pub ragged: RaggedRows,
    /// Decimal mark. With a comma, `1.234` is left as text.
    pub decimal: Option<Decimal>,
}

impl<'a> TextFormat<'a> {
    /// Spelling that a config declares.
    pub fn of(data: &'a Data) -> Self {
        Self {
            delimiter: data.delimiter,
            encoding: data.encoding,
            columns: data.columns.as_deref(),
            comment: data.comment,
            ragged: data.ragged,
            decimal: data.decimal,
        }
    }

    /// `true` if a point may be the decimal mark.
    pub(super) fn has_decimal_point(&self) -> bool {
        self.decimal != Some(Decimal::Comma)
    }
}
