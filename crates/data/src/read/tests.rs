use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};

use datafusion::dataframe::DataFrameWriteOptions;

use super::*;

fn one(path: &str) -> Source {
    Source::One(path.to_owned())
}

fn read(dir: &Path, name: &str, query: Option<&str>) -> Result<Table, Error> {
    load(&one(name), query, &[String::new(), "NA".into(), "?".into()], &[dir.to_owned()])
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_backslash_in_a_text_is_a_character_and_a_column_may_be_empty() {
    let dir = folder();
    fs::write(dir.path().join("a.csv"), "t,n,e\n\"C:\\\",1,\n\"a \\\"\"b\"\"\nc\",2,\n").unwrap();
    let table = read(dir.path(), "a.csv", None).unwrap();
    let texts = format!("{:?}", table.batches[0].column_by_name("t").unwrap());
    assert!(texts.contains(r#""C:\\""#) && texts.contains(r#""a \\\"b\"\nc""#), "{texts}");
    assert_eq!(table.batches[0].column_by_name("e").unwrap().null_count(), 2);
}

#[test]
fn csv_json_and_parquet_hold_the_same_rows() {
    let dir = folder();
    fs::write(dir.path().join("a.csv"), "x,Name\n1,a\n?,b\n2.5,NA\n").unwrap();
    fs::write(dir.path().join("a.jsonl"), "{\"x\":1.0,\"Name\":\"a\"}\n{\"Name\":\"b\"}\n{\"x\":2.5}\n")
        .unwrap();
    let csv = read(dir.path(), "a.csv", None).unwrap();
    let json = read(dir.path(), "a.jsonl", Some("SELECT x, Name FROM data")).unwrap();
    assert_eq!(csv.rows(), 3);
    for table in [&csv, &json] {
        let x = table.batches[0].column_by_name("x").unwrap();
        let name = table.batches[0].column_by_name("Name").unwrap();
        assert_eq!((x.null_count(), name.null_count()), (1, 1));
        assert_eq!(x.data_type().to_string(), "Float64");
    }
}

#[test]
fn parquet_keeps_types_and_missing_values() {
    let dir = folder();
    fs::write(dir.path().join("a.csv"), "x,Name,n\n1.5,a,1\n?,b,2\n2.5,,3\n").unwrap();
    let csv = read(dir.path(), "a.csv", None).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let frame = SessionContext::new().read_batches(csv.batches.clone()).unwrap();
        let path = dir.path().join("a.parquet").to_string_lossy().into_owned();
        frame
            .write_parquet(&path, DataFrameWriteOptions::new().with_single_file_output(true), None)
            .await
            .unwrap();
    });
    let parquet = read(dir.path(), "a.parquet", Some("SELECT n, Name, x FROM data WHERE n < 3")).unwrap();
    assert_eq!(parquet.rows(), 2);
    let column = |name: &str| parquet.batches[0].column_by_name(name).unwrap();
    assert_eq!((column("x").null_count(), column("Name").null_count()), (1, 0));
    assert!(column("n").data_type().is_integer());
}

#[test]
fn gzip_globs_and_queries_work_together() {
    let dir = folder();
    for (name, text) in [("p1.csv.gz", "x,y\n1,2\n"), ("p2.csv.gz", "x,y\n3,4\n")] {
        let mut gz = GzEncoder::new(fs::File::create(dir.path().join(name)).unwrap(), Compression::fast());
        gz.write_all(text.as_bytes()).unwrap();
        gz.finish().unwrap();
    }
    let table = read(dir.path(), "p*.csv.gz", Some("SELECT x + y AS z FROM data WHERE x > 1")).unwrap();
    assert_eq!((table.rows(), table.schema.field(0).name().as_str()), (1, "z"));
    assert_eq!(table.version.files.len(), 2);
}

#[test]
fn a_type_that_changes_late_is_read_again_from_all_rows() {
    let dir = folder();
    let rows = "7\n".repeat(GUESS_ROWS + 5);
    fs::write(dir.path().join("a.csv"), format!("x\n{rows}1.5\n")).unwrap();
    assert_eq!(read(dir.path(), "a.csv", None).unwrap().schema.field(0).data_type().to_string(), "Float64");
}

#[test]
fn the_version_follows_the_content_not_the_place() {
    let (a, b) = (folder(), folder());
    fs::write(a.path().join("a.csv"), "x\n1\n").unwrap();
    fs::write(b.path().join("a.csv"), "x\n1\n").unwrap();
    let first = read(a.path(), "a.csv", None).unwrap().version;
    assert_eq!(first, read(b.path(), "a.csv", None).unwrap().version);
    fs::write(b.path().join("a.csv"), "x\n2\n").unwrap();
    assert_ne!(first.sha256, read(b.path(), "a.csv", None).unwrap().version.sha256);
}

#[test]
fn bad_input_is_named_with_its_row_and_remedy() {
    let dir = folder();
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    write("ragged.csv", b"x,y\n1,2\n3,4\n5\n6,7\n");
    write("broken.csv.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03not gzip");
    write("header.csv", b"x,y\n");
    write("empty.csv", b"");
    write("bad.jsonl", b"{\"x\": 1}\n{\"x\": \n");
    write("bad.parquet", b"PAR1 no");
    write("x.png", b"");
    let say = |name: &str| read(dir.path(), name, None).unwrap_err().to_string();
    assert!(say("ragged.csv").starts_with("ragged.csv: row 3: "), "{}", say("ragged.csv"));
    assert!(say("broken.csv.gz").contains("not a readable gzip file"), "{}", say("broken.csv.gz"));
    assert_eq!(say("header.csv"), "header.csv: there are no rows; check the source");
    assert!(say("empty.csv").contains("no rows"), "{}", say("empty.csv"));
    assert!(say("bad.jsonl").starts_with("bad.jsonl: "), "{}", say("bad.jsonl"));
    assert!(say("bad.parquet").starts_with("bad.parquet: "), "{}", say("bad.parquet"));
    assert!(say("x.png").contains("unknown format"));
    assert!(say("raged.csv").contains("(near it: ragged.csv)"), "{}", say("raged.csv"));
    assert!(say("q*.csv").contains("matches no file"));
    write("good.csv", b"x,y\n1,2\n");
    let query = read(dir.path(), "good.csv", Some("SELECT z FROM data")).unwrap_err().to_string();
    assert!(query.contains("columns are: x, y"), "{query}");
}
