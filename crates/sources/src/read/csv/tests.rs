use std::io::Cursor;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use cupola_spec::RaggedRows;
use proptest::prelude::*;

use super::super::chunks::RecordRules;
use super::dialect::{Dialect, has_blanks, recognise};
use super::header::header_fields;
use super::layout::CsvColumn;
use super::records::decode;
use super::*;

/// Rows as texts, or the row of the first error.
type Read = Result<Vec<Vec<Option<String>>>, ()>;

const DIALECT: Dialect = Dialect { delimiter: b',', comment: None, blanks: false };

/// Every other column is a number, so that values can be wrong.
fn kind(index: usize) -> FieldType {
    if index % 2 == 1 { FieldType::Integer } else { FieldType::Text }
}

fn texts(batch: &RecordBatch) -> Vec<Vec<Option<String>>> {
    let columns: Vec<ArrayRef> =
        batch.columns().iter().map(|column| cast(column, &DataType::Utf8).unwrap()).collect();
    let value = |column: &ArrayRef, row: usize| {
        let column = column.as_string::<i32>();
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| value(column, row)).collect()).collect()
}

/// Rows as arrow-csv reads them.
fn sequential(bytes: &[u8]) -> Option<Read> {
    let format = Format::default().with_header(true);
    let (schema, _) = format.infer_schema(Cursor::new(bytes), Some(0)).ok()?;
    if schema.fields().is_empty() {
        return None;
    }
    let fields = (0..schema.fields().len()).map(|index| {
        let kind = if index % 2 == 1 { DataType::Int64 } else { DataType::Utf8 };
        Field::new(format!("c{index}"), kind, true)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let reader = ReaderBuilder::new(schema).with_header(true).build_buffered(Cursor::new(bytes)).unwrap();
    let mut rows = Vec::new();
    for batch in reader {
        match batch {
            Ok(batch) => rows.extend(texts(&batch)),
            Err(_) => return Some(Err(())),
        }
    }
    Some(Ok(rows))
}

fn parallel(bytes: &[u8], batch_rows: usize, read_bytes: usize) -> Result<Vec<Vec<Option<String>>>, Error> {
    let rules = RecordRules::Delimited { delimiter: b',', comment: None, blanks: false };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut splitter = Splitter::new(Cursor::new(bytes), rules, read_bytes);
    let header = splitter.take(1).unwrap().map(|chunk| header_fields(&chunk.bytes, DIALECT));
    let fields = header.map_or(0, |header| header.len());
    let column = |position| CsvColumn { name: format!("c{position}"), position, kind: kind(position) };
    let columns: Vec<CsvColumn> = (0..fields).map(column).collect();
    let schema = columns.iter().map(|c| Field::new(&c.name, c.kind.data_type(), true)).collect::<Vec<_>>();
    let parser = RowParser {
        file: DataFile::new("f.csv".into()).unwrap(),
        types: columns.iter().map(|column| column.kind).collect(),
        selected: (0..fields).collect(),
        layout: Layout { encoding: encoding_rs::UTF_8, dialect: DIALECT, header: true, fields, columns },
        schema: Arc::new(Schema::new(schema)),
        nulls: Arc::default(),
        points: true,
        ragged: RaggedRows::Fail,
    };
    let batches = ParallelChunks::new(splitter, parser, batch_rows).with_threads(3);
    let mut rows = Vec::new();
    for batch in batches {
        rows.extend(texts(&batch?.rows));
    }
    Ok(rows)
}

fn assert_equal(bytes: &[u8], batch_rows: usize, read_bytes: usize) {
    let Some(expected) = sequential(bytes) else { return };
    let found = parallel(bytes, batch_rows, read_bytes);
    assert_eq!(found.map_err(|_| ()), expected, "{:?}", String::from_utf8_lossy(bytes));
}

/// A field as a writer would quote it, or with a quote where none belongs. Blanks alone are missing here and a text to
/// arrow-csv, so there are none.
fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "([a-z0-9][a-z0-9 ]{0,5})?",
        2 => "[1-9][0-9]{0,2}",
        2 => "[a-z\",\r\n]{0,8}".prop_map(|text| format!("\"{}\"", text.replace('"', "\"\""))),
        1 => "[a-z]{1,3}\"[a-z\"]{0,3}",
        1 => "\"[a-z]{0,3}\"[a-z\"]{1,3}",
    ]
}

fn table() -> impl Strategy<Value = String> {
    let row = (field(), "([1-9][0-9]{0,2})?", field()).prop_map(|(a, n, b)| format!("{a},{n},{b}"));
    let end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r"), Just("\n\n"), Just("\r\n\r\n")];
    let rows = proptest::collection::vec((row, end), 0..40);
    ("(\u{feff})?", rows, any::<bool>()).prop_map(|(mark, rows, open)| {
        let mut text = format!("{mark}\"x\",y,z\n");
        let last = rows.len();
        for (index, (row, end)) in rows.into_iter().enumerate() {
            text += &row;
            if index + 1 < last || !open {
                text += end;
            }
        }
        text
    })
}

proptest! {
    #[test]
    fn tables_are_read_as_by_one_reader(text in table(), batch in 1_usize..9, read in 1_usize..70) {
        assert_equal(text.as_bytes(), batch, read);
    }

    #[test]
    fn any_bytes_have_as_many_records_for_the_parser_as_for_the_splitter(
        bytes in prop::collection::vec(prop::sample::select(b"a1,;\t\"\n\r #\xff\xc3\xa9".to_vec()), 0..60),
        (blanks, has_comments) in any::<(bool, bool)>(),
        (columns, records, read) in (1_usize..4, 1_usize..4, 1_usize..9),
    ) {
        let comment = has_comments.then_some(b'#');
        let _ = (recognise(&bytes, b',', comment), has_blanks(&bytes, b',', comment));
        let rules = RecordRules::Delimited { delimiter: b',', comment, blanks };
        let dialect = Dialect { delimiter: b',', comment, blanks };
        header_fields(&bytes, dialect);
        let mut splitter = Splitter::new(Cursor::new(bytes), rules, read);
        while let Some(chunk) = splitter.take(records).unwrap() {
            // Anything else than UTF-8 is an error.
            if let Ok(decoded) = decode(&chunk, dialect, columns, 1) {
                prop_assert_eq!(decoded.records.rows() + decoded.ragged.len(), chunk.records);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_as_by_one_reader(
        // No digits: arrow-csv takes a line end within quotes for a blank around a number.
        text in "[ab,\"\r\n]{0,60}",
        batch in 1_usize..5,
        read in 1_usize..20,
    ) {
        assert_equal(text.as_bytes(), batch, read);
    }
}

#[test]
fn rows_are_counted_over_chunks() {
    let error = parallel(b"x,y\na,1\nb,2\nc,3\nd,four\ne,5\n", 2, 16).unwrap_err().to_string();
    assert!(error.starts_with("f.csv: row 4, column `c1`: expected an integer, found `four`"), "{error}");
    let error = parallel(b"x,y\na,1\nb,2\nc,3\nd,4,0\n", 2, 5).unwrap_err().to_string();
    assert!(error.starts_with("f.csv: row 4: expected 2 fields, found 3; "), "{error}");
}

#[test]
fn a_record_may_be_larger_than_what_is_read_at_once() {
    let text = format!("x,y\n\"{}\n\",7\n", "word\n".repeat(10_000));
    assert_equal(text.as_bytes(), 3, 100);
}
