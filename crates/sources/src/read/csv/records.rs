//! Fields of the records of a chunk.

use csv_core::{ReadRecordResult, ReaderBuilder};

use super::dialect::Dialect;
use crate::error::Error;
use crate::read::batch::RejectedRow;
use crate::read::chunks::{Chunk, is_blank};

/// Most characters of a rejected row that are kept.
const SHOWN_CHARACTERS: usize = 2_000;

/// Unquoted fields of records with the same number of fields.
pub(super) struct Records {
    text: String,
    /// Start of the first field, then the end of each one.
    ends: Vec<usize>,
    columns: usize,
}

/// Records of a chunk.
pub(super) struct Decoded {
    pub records: Records,
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

impl Records {
    /// Number of records.
    pub fn rows(&self) -> usize {
        (self.ends.len() - 1).checked_div(self.columns).unwrap_or(0)
    }

    /// Field of a record.
    pub fn field(&self, row: usize, column: usize) -> &str {
        let at = row * self.columns + column;
        self.text.get(self.ends[at]..self.ends[at + 1]).unwrap_or_default()
    }

    /// Mean number of bytes of a column.
    pub fn bytes_per_column(&self) -> usize {
        self.text.len() / self.columns.max(1)
    }
}

/// Record of text that is not UTF-8.
pub(super) struct Undecodable {
    /// Index among the records with the expected number of fields.
    pub record: usize,
    pub column: usize,
}

/// Splits the records of a chunk into `columns` fields each. `first_row` is the number of the first one in the file.
pub(super) fn decode(
    chunk: &Chunk,
    dialect: Dialect,
    columns: usize,
    first_row: u64,
) -> Result<Decoded, Undecodable> {
    let trimmed;
    let bytes: &[u8] = if dialect.blanks {
        trimmed = trim_blanks(&chunk.bytes, dialect.delimiter);
        &trimmed
    } else {
        &chunk.bytes
    };
    let mut decoder = Decoder::new(bytes, dialect, columns, chunk.records);
    let mut ragged = Vec::new();
    let mut row = first_row;
    while let Some(record) = decoder.next() {
        if record.found != columns {
            let text = String::from_utf8_lossy(record.raw).trim_matches(['\r', '\n']).to_owned();
            let text = text.chars().take(SHOWN_CHARACTERS).collect();
            ragged.push(RaggedRow { row, found: record.found, expected: columns, text });
        }
        row += 1;
    }
    Ok(Decoded { records: decoder.finish()?, ragged })
}

/// State of splitting a chunk into fields.
struct Decoder<'a> {
    reader: csv_core::Reader,
    bytes: &'a [u8],
    dialect: Dialect,
    columns: usize,
    at: usize,
    data: Vec<u8>,
    used: usize,
    ends: Vec<usize>,
    /// Ends of the fields of one record, with one place more.
    record_ends: Vec<usize>,
}

/// Record as it was found.
struct RawRecord<'a> {
    found: usize,
    raw: &'a [u8],
}

impl<'a> Decoder<'a> {
    fn new(bytes: &'a [u8], dialect: Dialect, columns: usize, records: usize) -> Self {
        let mut reader = ReaderBuilder::new().delimiter(dialect.delimiter).comment(dialect.comment).build();
        // A reader that has not read anything takes the first bytes for a byte order mark.
        reader.read_record(b"\n", &mut [0], &mut [0]);
        let mut ends = Vec::with_capacity(records * columns + 1);
        ends.push(0);
        Self {
            reader,
            bytes,
            dialect,
            columns,
            at: 0,
            // Fields are never longer than the text that they come from.
            data: vec![0; bytes.len() + 1],
            used: 0,
            ends,
            record_ends: vec![0; columns + 1],
        }
    }

    /// Reads the next record, and keeps its fields if their number is the expected one.
    fn next(&mut self) -> Option<RawRecord<'a>> {
        let mut start = self.at;
        let (mut found, data_start) = (0, self.used);
        loop {
            let place = found.min(self.columns);
            let (result, read, written, ends) = self.reader.read_record(
                &self.bytes[self.at..],
                &mut self.data[self.used..],
                &mut self.record_ends[place..],
            );
            self.at += read;
            self.used += written;
            found += ends;
            match result {
                ReadRecordResult::InputEmpty | ReadRecordResult::OutputEndsFull => {}
                ReadRecordResult::OutputFull => self.data.resize(self.data.len() + 4096, 0),
                ReadRecordResult::End => return None,
                ReadRecordResult::Record => {
                    let raw = &self.bytes[start..self.at];
                    if found == 1 && self.is_no_record(raw, data_start) {
                        (start, found, self.used) = (self.at, 0, data_start);
                        continue;
                    }
                    if found == self.columns {
                        let ends = &self.record_ends[..found];
                        self.ends.extend(ends.iter().map(|end| data_start + end));
                    } else {
                        self.used = data_start;
                    }
                    return Some(RawRecord { found, raw });
                }
            }
        }
    }

    /// `true` for a line of blanks, or a comment at the end of a file, which csv-core returns as an empty record.
    fn is_no_record(&self, raw: &[u8], data_start: usize) -> bool {
        let blank = |byte: &u8| is_blank(*byte, self.dialect.delimiter);
        let ends = raw.iter().rev().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let text = &raw[..raw.len() - ends];
        let line = text.rsplit(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        // Only a line feed ends a comment.
        let whole = text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let first = whole.iter().find(|byte| **byte != b'\r');
        let comment = self.dialect.comment.is_some() && first == self.dialect.comment.as_ref();
        self.data[data_start..self.used].iter().all(blank) && (comment || line.iter().all(blank))
    }

    fn finish(mut self) -> Result<Records, Undecodable> {
        self.data.truncate(self.used);
        match String::from_utf8(self.data) {
            Ok(text) => Ok(Records { text, ends: self.ends, columns: self.columns }),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let field = self.ends.partition_point(|end| *end <= at).saturating_sub(1);
                let columns = self.columns.max(1);
                Err(Undecodable { record: field / columns, column: field % columns })
            }
        }
    }
}

/// Leaves out blanks around fields, but not those within quotes.
pub(super) fn trim_blanks(bytes: &[u8], delimiter: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        while at < bytes.len() && is_blank(bytes[at], delimiter) {
            at += 1;
        }
        let start = out.len();
        if bytes.get(at) == Some(&b'"') {
            at = copy_quoted(bytes, at, &mut out);
        }
        let quoted = out.len();
        while at < bytes.len() && bytes[at] != delimiter && !matches!(bytes[at], b'\r' | b'\n') {
            out.push(bytes[at]);
            at += 1;
        }
        while out.len() > quoted.max(start) && out.last().is_some_and(|byte| is_blank(*byte, delimiter)) {
            out.pop();
        }
        if let Some(end) = bytes.get(at) {
            out.push(*end);
            at += 1;
        }
    }
    out
}

/// Copies a quoted field; returns the place behind it.
fn copy_quoted(bytes: &[u8], start: usize, out: &mut Vec<u8>) -> usize {
    out.push(bytes[start]);
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        out.push(*byte);
        at += 1;
        if *byte == b'"' {
            if bytes.get(at) != Some(&b'"') {
                break;
            }
            out.push(b'"');
            at += 1;
        }
    }
    at
}

#[cfg(test)]
mod tests {
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
        let chunk = Chunk { bytes: b"1,2\n3,\xff\n".to_vec(), records: 2 };
        let error = decode(&chunk, PLAIN, 2, 1).err().unwrap();
        assert_eq!((error.record, error.column), (1, 1));
    }
}
