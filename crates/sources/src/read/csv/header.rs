//! Fields of a header.

use csv_core::{ReadRecordResult, ReaderBuilder};

use super::dialect::Dialect;

/// Fields of the first record.
pub(super) fn header_fields(bytes: &[u8], dialect: Dialect) -> Vec<String> {
    let trimmed;
    let bytes = if dialect.blanks {
        trimmed = super::records::trim_blanks(bytes, dialect.delimiter, dialect.comment);
        &trimmed
    } else {
        bytes
    };
    let mut reader = ReaderBuilder::new().delimiter(dialect.delimiter).comment(dialect.comment).build();
    let (mut data, mut ends) = (vec![0; bytes.len() + 1], vec![0; bytes.len() + 2]);
    let (mut at, mut used, mut found) = (0, 0, 0);
    loop {
        let (result, read, written, fields) =
            reader.read_record(&bytes[at..], &mut data[used..], &mut ends[found..]);
        (at, used, found) = (at + read, used + written, found + fields);
        // Neither fields nor text are longer than the input, so that the buffers hold them.
        if result != ReadRecordResult::InputEmpty {
            break;
        }
    }
    let mut start = 0;
    let text = |end: &usize| {
        let field = String::from_utf8_lossy(&data[start..*end]).into_owned();
        start = *end;
        field
    };
    ends[..found].iter().map(text).collect()
}
