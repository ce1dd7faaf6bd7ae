use std::io::Cursor;

use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema};
use proptest::prelude::*;

use super::*;

type Read = Result<Vec<RecordBatch>, String>;

/// Every other column is a number, so that values can be wrong.
fn schema(bytes: &[u8]) -> Option<SchemaRef> {
    let format = Format::default().with_header(true);
    let (schema, _) = format.infer_schema(Cursor::new(bytes), Some(0)).ok()?;
    let field = |index: usize| {
        let kind = if index % 2 == 1 { DataType::Int64 } else { DataType::Utf8 };
        Field::new(format!("c{index}"), kind, true)
    };
    let fields: Vec<Field> = (0..schema.fields().len()).map(field).collect();
    (!fields.is_empty()).then(|| Arc::new(Schema::new(fields)))
}

fn sequential(bytes: &[u8], schema: &SchemaRef, batch_rows: usize) -> Read {
    let builder = ReaderBuilder::new(Arc::clone(schema)).with_header(true).with_batch_size(batch_rows);
    let reader = builder.build_buffered(Cursor::new(bytes)).unwrap();
    reader.map(|batch| batch.map_err(|error| row_error("f", &error.to_string()).to_string())).collect()
}

fn parallel(bytes: &[u8], schema: &SchemaRef, batch_rows: usize, read_bytes: usize) -> Read {
    let parser = ChunkParser {
        read_as: Arc::clone(schema),
        delimiter: b',',
        finisher: ColumnFinisher { schema: Arc::clone(schema), nulls: Arc::from([]) },
        label: "f".to_owned(),
    };
    let mut rows = ParallelRows::new(Cursor::new(bytes), parser, batch_rows, read_bytes).unwrap();
    rows.threads = 3;
    rows.map(|batch| batch.map_err(|error| error.to_string())).collect()
}

fn assert_equal(bytes: &[u8], batch_rows: usize, read_bytes: usize) {
    let Some(schema) = schema(bytes) else { return };
    let expected = sequential(bytes, &schema, batch_rows);
    let found = parallel(bytes, &schema, batch_rows, read_bytes);
    // Among fields too many, the sequential reader counts all and a chunk's reader only one.
    let plain = |read: Read| read.map_err(|text| text.split(" got ").next().unwrap_or_default().to_owned());
    assert_eq!(plain(found), plain(expected), "{:?}", String::from_utf8_lossy(bytes));
}

/// A field as a writer would quote it, or with a quote where none belongs.
fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z0-9 ]{0,6}",
        2 => "[0-9]{1,3}",
        2 => "[a-z\",\r\n]{0,8}".prop_map(|text| format!("\"{}\"", text.replace('"', "\"\""))),
        1 => "[a-z]{1,3}\"[a-z\"]{0,3}",
        1 => "\"[a-z]{0,3}\"[a-z\"]{1,3}",
    ]
}

fn table() -> impl Strategy<Value = String> {
    let row = (field(), "[0-9]{0,3}", field()).prop_map(|(a, n, b)| format!("{a},{n},{b}"));
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
    fn any_bytes_are_read_as_by_one_reader(
        text in "[a1,\"\r\n]{0,60}",
        batch in 1_usize..5,
        read in 1_usize..20,
    ) {
        assert_equal(text.as_bytes(), batch, read);
    }
}

#[test]
fn rows_are_counted_over_chunks() {
    let bytes = b"x,y\na,1\nb,2\nc,3\nd,four\ne,5\n";
    let found = parallel(bytes, &schema(bytes).unwrap(), 2, 16).unwrap_err();
    assert!(found.starts_with("f: row 4: ") && found.contains("line 4"), "{found}");
    let bytes = b"x,y\na,1\nb,2\nc,3\nd,4,0\n";
    let found = parallel(bytes, &schema(bytes).unwrap(), 2, 5).unwrap_err();
    assert!(found.starts_with("f: row 4: ") && found.contains("line 5"), "{found}");
}

#[test]
fn a_record_may_be_larger_than_what_is_read_at_once() {
    let text = format!("x,y\n\"{}\n\",7\n", "word\n".repeat(10_000));
    assert_equal(text.as_bytes(), 3, 100);
}
