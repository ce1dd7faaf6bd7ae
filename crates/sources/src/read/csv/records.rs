//! Fields of the records of a chunk.

mod blanks;
mod plain;
mod quoted;

use std::borrow::Cow;

use memchr::memchr;

use super::dialect::Dialect;
use crate::error::Error;
use crate::read::batch::RejectedRow;
use crate::read::chunks::Chunk;

pub(super) use self::blanks::trim_blanks;

/// Most characters of a rejected row that are kept.
const SHOWN_CHARACTERS: usize = 2_000;

/// Unquoted fields of records with the same number of fields.
pub(super) struct Records<'a> {
    text: Cow<'a, str>,
    /// For each record its start, then for each field its end and `gap`.
    bounds: Vec<u32>,
    columns: usize,
    /// Bytes between two fields.
    gap: usize,
}

/// Records of a chunk.
pub(super) struct Decoded<'a> {
    pub records: Records<'a>,
    /// Records with another number of fields; `row` is their number in the file.
    pub ragged: Vec<RaggedRow>,
}

/// Record with another number of fields than the header.
pub(super) struct RaggedRow {
    pub row: u64,
    pub found: usize,
    pub expected: usize,
    pub text: String,
}

impl RaggedRow {
    fn new(row: u64, found: usize, expected: usize, raw: &[u8]) -> Self {
        let text = String::from_utf8_lossy(raw).trim_matches(['\r', '\n']).to_owned();
        Self { row, found, expected, text: text.chars().take(SHOWN_CHARACTERS).collect() }
    }

    /// Error that names file and row.
    pub fn error(&self, file: &str) -> Error {
        let (row, expected, found) = (self.row, self.expected, self.found);
        Error::Ragged { file: file.to_owned(), row, expected, found }
    }
}

impl From<RaggedRow> for RejectedRow {
    fn from(ragged: RaggedRow) -> Self {
        let reason = format!("expected {} fields, found {}", ragged.expected, ragged.found);
        Self { row: ragged.row, reason, text: ragged.text }
    }
}

impl Records<'_> {
    /// Number of records.
    pub fn rows(&self) -> usize {
        self.bounds.len() / (self.columns + 1)
    }

    /// Field of a record.
    pub fn field(&self, row: usize, column: usize) -> &str {
        let at = row * (self.columns + 1) + column;
        self.between(self.bounds[at], self.bounds[at + 1])
    }

    /// Field of each record.
    pub fn column(&self, column: usize) -> impl Iterator<Item = &str> {
        let records = self.bounds.chunks_exact(self.columns + 1);
        records.map(move |bounds| self.between(bounds[column], bounds[column + 1]))
    }

    #[inline]
    fn between(&self, start: u32, end: u32) -> &str {
        self.text.get(start as usize..end as usize - self.gap).unwrap_or_default()
    }

    /// Mean number of bytes of a column.
    pub fn bytes_per_column(&self) -> usize {
        self.text.len() / self.columns.max(1)
    }
}

/// Record of text that is not UTF-8.
#[derive(Debug)]
pub(super) struct Undecodable {
    /// Index among the records with the expected number of fields.
    pub record: usize,
    pub column: usize,
}

/// Splits the records of a chunk of less than 4 GiB into `columns` fields each. `first_row` is the number of the first
/// one in the file.
pub(super) fn decode(
    chunk: &Chunk,
    dialect: Dialect,
    columns: usize,
    first_row: u64,
) -> Result<Decoded<'_>, Undecodable> {
    let bytes: Cow<'_, [u8]> = if dialect.blanks {
        trim_blanks(&chunk.bytes, dialect.delimiter, dialect.comment).into()
    } else {
        chunk.bytes.as_slice().into()
    };
    let is_plain = dialect.comment.is_none() && memchr(b'"', &bytes).is_none();
    let by_csv_core = |bytes: &[u8]| quoted::split(bytes, dialect, columns, chunk.records, first_row);
    if !is_plain {
        return by_csv_core(&bytes);
    }
    // Bytes that are not UTF-8 may be in a ragged record, which is left out or has an error of its own.
    let text = match bytes {
        Cow::Borrowed(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => return by_csv_core(bytes),
        },
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Cow::Owned(text),
            Err(error) => return by_csv_core(error.as_bytes()),
        },
    };
    let found = plain::split(text.as_bytes(), dialect.delimiter, columns, chunk.records, first_row);
    let records = Records { text, bounds: found.bounds, columns, gap: 1 };
    Ok(Decoded { records, ragged: found.ragged })
}

/// Position in a chunk, of which the parsers check the size.
fn narrow(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str, dialect: Dialect, columns: usize) -> (Vec<Vec<String>>, Vec<(u64, usize)>) {
        let records = text.lines().count();
        let chunk = Chunk { bytes: text.as_bytes().to_vec(), records };
        let Ok(Decoded { records, ragged }) = decode(&chunk, dialect, columns, 1) else {
            panic!("not UTF-8")
        };
        let row = |row| (0..columns).map(|column| records.field(row, column).to_owned()).collect();
        ((0..records.rows()).map(row).collect(), ragged.iter().map(|row| (row.row, row.found)).collect())
    }

    const PLAIN: Dialect = Dialect { delimiter: b',', comment: None, blanks: false };

    #[test]
    fn ragged_rows_are_found_among_the_others() {
        let text = "1,a\n2\n3,c,x,y\n\"4\",\"d,\"\"e\"\r\n  \n5,";
        let (rows, ragged) = decoded(text, PLAIN, 2);
        assert_eq!(rows, [["1", "a"], ["4", "d,\"e"], ["5", ""]]);
        assert_eq!(ragged, [(2, 1), (3, 4)]);
    }

    #[test]
    fn blanks_are_left_out_around_fields_and_kept_within_quotes() {
        let dialect = Dialect { blanks: true, ..PLAIN };
        let (rows, ragged) = decoded("39, a b , \" x, \"\n40 ,\t,c d\n", dialect, 3);
        assert_eq!(rows, [["39", "a b", " x, "], ["40", "", "c d"]]);
        assert!(ragged.is_empty());
    }

    #[test]
    fn comments_are_no_records_and_bad_text_names_its_field() {
        let dialect = Dialect { comment: Some(b'#'), ..PLAIN };
        let (rows, _) = decoded("# \"one\n1,2\n#x\n3,4", dialect, 2);
        assert_eq!(rows, [["1", "2"], ["3", "4"]]);
        for (bytes, record, column) in [(&b"1,2\n3,\xff\n"[..], 1, 1), (b"1,\"2\"\n\xff,3\n4,5\n", 1, 0)] {
            let chunk = Chunk { bytes: bytes.to_vec(), records: 2 };
            let error = decode(&chunk, PLAIN, 2, 1).err().unwrap();
            assert_eq!((error.record, error.column), (record, column));
        }
    }

    /// Fields, ragged rows with their texts, or the place of text that is not UTF-8.
    type Found = Result<(Vec<Vec<String>>, Vec<(u64, usize, String)>), (usize, usize)>;

    fn found(decoded: Result<Decoded<'_>, Undecodable>, columns: usize) -> Found {
        let Decoded { records, ragged } = decoded.map_err(|error| (error.record, error.column))?;
        let row = |row| (0..columns).map(|column| records.field(row, column).to_owned()).collect();
        let rows = (0..records.rows()).map(row).collect();
        Ok((rows, ragged.into_iter().map(|row| (row.row, row.found, row.text)).collect()))
    }

    proptest! {
        #[test]
        fn text_without_quotes_has_the_fields_of_csv_core(
            bytes in prop::collection::vec(prop::sample::select(b"ab1,,;\t\n\n\r \xff\xc3\xa9".to_vec()), 0..90),
            delimiter in prop::sample::select(b",;\t".to_vec()),
            (blanks, columns, records) in (any::<bool>(), 1_usize..5, 0_usize..9),
        ) {
            let dialect = Dialect { delimiter, comment: None, blanks };
            let text = if blanks { trim_blanks(&bytes, delimiter, None) } else { bytes.clone() };
            let chunk = Chunk { bytes, records };
            let plain = found(decode(&chunk, dialect, columns, 7), columns);
            let oracle = found(quoted::split(&text, dialect, columns, records, 7), columns);
            prop_assert_eq!(plain, oracle);
        }
    }

    #[test]
    fn every_byte_but_delimiters_and_line_ends_is_a_value() {
        let values: String =
            (0..128).map(char::from).filter(|byte| !matches!(byte, ',' | '"' | '\r' | '\n')).collect();
        let (rows, ragged) = decoded(&format!("{values},é,\r\n\n\r1,2,3"), PLAIN, 3);
        assert_eq!(rows, [[values.as_str(), "é", ""], ["1", "2", "3"]]);
        assert!(ragged.is_empty());
    }
}
