use std::fs;
use std::io::Write;
use std::path::Path;

use arrow::array::Array;
use arrow::datatypes::DataType;
use arrow::ipc::writer::FileWriter;
use cupola_sources::{NoProgress, TextColumns};
use cupola_spec::{Data, Source};
use flate2::{Compression, write::GzEncoder};
use parquet::arrow::ArrowWriter;

use super::*;

/// More rows than the types are inferred from at first.
const MANY_ROWS: usize = 10_005;

fn read_as(dir: &Path, data: &Data) -> Result<Table, Error> {
    let roots = [dir.to_owned()];
    let home = dir.join(".home");
    load(&LoadRequest {
        source: &data.source,
        data,
        expect: &[],
        texts: TextColumns::None,
        roots: &roots,
        home: &home,
        progress: &NoProgress,
    })
}

fn plain(name: &str) -> Data {
    Data::plain(Source::One(name.to_owned()), &[String::new(), "NA".into(), "?".into()])
}

fn read(dir: &Path, name: &str, query: Option<&str>) -> Result<Table, Error> {
    read_as(dir, &Data { query: query.map(str::to_owned), ..plain(name) })
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
    let json = read(dir.path(), "a.jsonl", None).unwrap();
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
    let file = fs::File::create(dir.path().join("a.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, csv.schema.clone(), None).unwrap();
    csv.batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.close().unwrap();
    let parquet = read(dir.path(), "a.parquet", None).unwrap();
    assert_eq!(parquet.rows(), 3);
    let column = |table: &Table, name: &str| table.batches[0].column_by_name(name).unwrap().clone();
    assert_eq!((column(&parquet, "x").null_count(), column(&parquet, "Name").null_count()), (1, 1));
    assert!(column(&parquet, "n").data_type().is_integer());
    // Part of a version's digest.
    let kinds: Vec<&str> = parquet.version.schema.iter().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(kinds, ["Float64", "Utf8View", "Int64"]);
    #[cfg(feature = "sql")]
    {
        let query = "SELECT n, Name, x FROM data WHERE n < 3";
        let parquet = read(dir.path(), "a.parquet", Some(query)).unwrap();
        assert_eq!(parquet.rows(), 2);
        assert_eq!((column(&parquet, "x").null_count(), column(&parquet, "Name").null_count()), (1, 0));
        assert!(column(&parquet, "n").data_type().is_integer());
    }
}

#[test]
fn gzip_and_globs_work_together() {
    let dir = folder();
    for (name, text) in [("p1.csv.gz", "x,y\n1,2\n"), ("p2.csv.gz", "x,y\n3,4\n")] {
        let mut gz = GzEncoder::new(fs::File::create(dir.path().join(name)).unwrap(), Compression::fast());
        gz.write_all(text.as_bytes()).unwrap();
        gz.finish().unwrap();
    }
    let table = read(dir.path(), "p*.csv.gz", None).unwrap();
    assert_eq!((table.rows(), table.version.files.len()), (2, 2));
    #[cfg(feature = "sql")]
    {
        let query = "SELECT x + y AS z FROM data WHERE x > 1";
        let table = read(dir.path(), "p*.csv.gz", Some(query)).unwrap();
        assert_eq!((table.rows(), table.schema.field(0).name().as_str()), (1, "z"));
        assert_eq!(table.version.files.len(), 2);
    }
}

#[test]
fn a_type_that_changes_late_is_read_again_from_all_rows() {
    let dir = folder();
    let rows = "7\n".repeat(MANY_ROWS);
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
    assert!(say("ragged.csv").starts_with("ragged.csv: row 3 (line 4): "), "{}", say("ragged.csv"));
    assert!(say("broken.csv.gz").contains("not a readable gzip file"), "{}", say("broken.csv.gz"));
    assert_eq!(say("header.csv"), "header.csv: there are no rows; check the source");
    assert!(say("empty.csv").contains("no rows"), "{}", say("empty.csv"));
    assert!(say("bad.jsonl").starts_with("bad.jsonl: "), "{}", say("bad.jsonl"));
    assert!(say("bad.parquet").starts_with("bad.parquet: "), "{}", say("bad.parquet"));
    assert!(say("x.png").contains("unknown format"));
    assert!(say("raged.csv").contains("(did you mean `ragged.csv`?)"), "{}", say("raged.csv"));
    write("turned.csv", b"y,x\n1,2\n");
    write("turned_too.csv", b"x,y\n1,2\n");
    let turned = say("turned*.csv");
    assert!(turned.starts_with("turned.csv has the columns y, x, turned_too.csv has x, y; "), "{turned}");
    assert!(say("q*.csv").contains("matches no file"));
    write("good.csv", b"x,y\n1,2\n");
    let query = read(dir.path(), "good.csv", Some("SELECT z FROM data")).unwrap_err().to_string();
    if cfg!(feature = "sql") {
        assert!(query.contains("columns are: x, y"), "{query}");
    } else {
        assert_eq!(
            query,
            "`data.query` requires the cargo feature `sql`; build with `cargo build --release --features sql` (or `full`)"
        );
    }
}

#[test]
fn arrow_zstd_json_lists_and_spreadsheets_hold_the_same_rows() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("a.csv"), "x,Name\n1,a\n?,b\n2.5,NA\n").unwrap();
    let csv = read(dir.path(), "a.csv", None).unwrap();
    let mut arrow = FileWriter::try_new(fs::File::create(at("a.arrow")).unwrap(), &csv.schema).unwrap();
    csv.batches.iter().for_each(|batch| arrow.write(batch).unwrap());
    arrow.finish().unwrap();
    fs::write(at("a.csv.zst"), zstd::encode_all(&fs::read(at("a.csv")).unwrap()[..], 3).unwrap()).unwrap();
    fs::write(at("a.json"), " [{\"x\":1.0,\"Name\":\"a\"},\n{\"Name\":\"b\"},{\"x\":2.5,\"Name\":null}]")
        .unwrap();
    for name in ["a.arrow", "a.csv.zst", "a.json"] {
        let table = read(dir.path(), name, None).unwrap();
        let column = |of: &Table, name: &str| of.batches[0].column_by_name(name).unwrap().to_data();
        assert_eq!(column(&table, "x"), column(&csv, "x"), "{name}");
        let texts = arrow::compute::cast(table.batches[0].column_by_name("Name").unwrap(), &DataType::Utf8);
        assert_eq!(texts.unwrap().to_data(), column(&csv, "Name"), "{name}");
    }
    fs::write(at("cut.json"), "[{\"x\":1},{\"x\"").unwrap();
    let error = read(dir.path(), "cut.json", None).unwrap_err().to_string();
    assert!(error.starts_with("cut.json: row 2: "), "{error}");
    fs::write(at("cut.csv.zst"), &fs::read(at("a.csv.zst")).unwrap()[..12]).unwrap();
    let error = read(dir.path(), "cut.csv.zst", None).unwrap_err().to_string();
    assert!(error.contains("not a readable zstd file"), "{error}");
}

#[test]
fn a_folder_is_packed_once_and_again_when_a_file_changes() {
    let dir = folder();
    for (name, text) in [("a/1.txt", "one"), ("a/2.txt", "two"), ("b/3.txt", "three")] {
        let path = dir.path().join("letters").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let first = read(dir.path(), "letters", None).unwrap();
    assert!(format!("{:?}", first.batches[0].column_by_name("class").unwrap()).matches('b').count() > 0);
    assert_eq!(first.rows(), 3);
    #[cfg(feature = "sql")]
    {
        let query = "SELECT class, text FROM data WHERE path <> 'a/1.txt'";
        assert_eq!(read(dir.path(), "letters", Some(query)).unwrap().rows(), 2);
    }
    assert_eq!(read(dir.path(), "letters", None).unwrap().version.files, first.version.files);
    fs::write(dir.path().join("letters/b/3.txt"), "four!").unwrap();
    assert_ne!(read(dir.path(), "letters", None).unwrap().version.files, first.version.files);
    fs::write(dir.path().join("letters/b/4.png"), "").unwrap();
    let error = read(dir.path(), "letters", None).unwrap_err().to_string();
    assert!(error.contains("texts (a/1.txt) and pictures (b/4.png)"), "{error}");
}

#[test]
fn contents_of_listed_files_take_the_place_of_their_paths() {
    let dir = folder();
    fs::create_dir(dir.path().join("own")).unwrap();
    fs::write(dir.path().join("own/labels.csv"), "file,label\nx.bin,1\ny.bin,0\n").unwrap();
    fs::write(dir.path().join("own/x.bin"), [0, 255]).unwrap();
    let data = Data { files: Some("file".into()), ..plain("own/labels.csv") };
    let error = read_as(dir.path(), &data).unwrap_err().to_string();
    assert!(error.contains("row 2") && error.contains("no file y.bin"), "{error}");
    fs::write(dir.path().join("own/y.bin"), [7]).unwrap();
    let table = read_as(dir.path(), &data).unwrap();
    let bytes = arrow::array::AsArray::as_binary::<i32>(table.batches[0].column(0).as_ref()).clone();
    assert_eq!((bytes.value(0), bytes.value(1)), (&[0_u8, 255][..], &[7_u8][..]));
    // Other contents are another version, though the list is the same.
    fs::write(dir.path().join("own/y.bin"), [8]).unwrap();
    assert_ne!(read_as(dir.path(), &data).unwrap().version.sha256, table.version.sha256);
}

#[test]
fn a_missing_feature_is_one_error_that_names_the_command_to_add_it() {
    let dir = folder();
    fs::write(dir.path().join("a.avro"), b"Obj\x01").unwrap();
    for (source, feature, built) in [
        ("a.avro", "avro", cfg!(feature = "avro")),
        ("kafka://localhost:1/topic", "kafka", cfg!(feature = "kafka")),
        ("delta:lake", "delta", cfg!(feature = "delta")),
    ] {
        let error = read(dir.path(), source, None).unwrap_err().to_string();
        let asked = format!(
            "`{source}` requires the cargo feature `{feature}`; build with `cargo build --release --features {feature}` (or `full`)"
        );
        assert_eq!(error == asked, !built, "{error}");
    }
    for (scheme, built) in [("postgres", cfg!(feature = "postgres")), ("mysql", cfg!(feature = "mysql"))] {
        let data = Data { sql: Some("SELECT 1".into()), ..plain(&format!("{scheme}://localhost:1/db")) };
        let error = read_as(dir.path(), &data).unwrap_err().to_string();
        assert_eq!(error.contains("requires the cargo feature"), !built, "{error}");
    }
    let data = Data { sql: Some("SELECT 1".into()), ..plain("adbc:no_such_driver?uri=x") };
    let error = read_as(dir.path(), &data).unwrap_err().to_string();
    let expected = if cfg!(feature = "adbc") {
        "pip install adbc-driver-no-such-driver"
    } else {
        "cargo feature `adbc`"
    };
    assert!(error.contains(expected), "{error}");
}

#[test]
fn null_markers_are_texts_and_not_patterns() {
    let dir = folder();
    let markers = ["<NA>", "?", "\\N", "(null)", "*"];
    let rows: Vec<String> = markers.iter().map(|marker| format!("{marker},{marker}\n")).collect();
    let rows = rows.concat();
    fs::write(dir.path().join("a.csv"), format!("n,t\n1,NA\n{rows}2.5,N\n,\n")).unwrap();
    for marker in markers {
        let data = Data { null: vec![marker.to_owned()], ..plain("a.csv") };
        let table = read_as(dir.path(), &data).unwrap();
        // The marker, and the empty text.
        assert_eq!(table.batches[0].column_by_name("t").unwrap().null_count(), 2, "{marker}");
    }
    let data = Data { null: markers.map(str::to_owned).to_vec(), ..plain("a.csv") };
    let table = read_as(dir.path(), &data).unwrap();
    let texts = table.batches[0].column_by_name("t").unwrap();
    assert_eq!(texts.null_count(), 6);
    assert!(texts.is_valid(0) && texts.is_valid(6), "NA and N are not markers");
}

#[test]
fn files_share_the_columns_of_all() {
    let dir = folder();
    fs::write(dir.path().join("a1.jsonl"), "{\"x\":1.5,\"y\":\"a\"}\n").unwrap();
    fs::write(dir.path().join("a2.jsonl"), "{\"z\":1,\"x\":2}\n").unwrap();
    let table = read(dir.path(), "a*.jsonl", None).unwrap();
    let names: Vec<&str> = table.schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!((table.rows(), names), (2, vec!["x", "y", "z"]));
    assert_eq!(table.batches[1].column_by_name("y").unwrap().null_count(), 1);
    for (name, columns) in [("b1.csv", "n,t\n1,a\n"), ("b2.csv", "t,n,extra\nb,2.5,0\n")] {
        fs::write(dir.path().join(name), columns).unwrap();
        let table = read(dir.path(), name, None).unwrap();
        let at = dir.path().join(name).with_extension("parquet");
        let mut writer =
            ArrowWriter::try_new(fs::File::create(at).unwrap(), table.schema.clone(), None).unwrap();
        table.batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.close().unwrap();
    }
    fs::write(dir.path().join("b3.parquet"), "").unwrap();
    // The types of a file without rows do not count.
    let empty = Arc::new(Schema::new(vec![arrow::datatypes::Field::new("n", DataType::Utf8, true)]));
    let file = fs::File::create(dir.path().join("b0.parquet")).unwrap();
    ArrowWriter::try_new(file, empty, None).unwrap().close().unwrap();
    let table = read(dir.path(), "b*.parquet", None).unwrap();
    let kinds: Vec<String> = table.schema.fields().iter().map(|f| f.data_type().to_string()).collect();
    assert_eq!((table.rows(), kinds), (2, vec!["Float64".into(), "Utf8View".into(), "Int64".into()]));
    let place = table.origin.locate(1).unwrap();
    assert_eq!((place.file.as_str(), place.row), ("b2.parquet", 1));
}

mod spelling;

#[test]
fn a_query_converts_the_columns_that_it_uses() {
    if !cfg!(feature = "sql") {
        return;
    }
    let dir = folder();
    // The last value of `unused` does not have the type of the first rows, nor does the one of `late`.
    let rows = (0..MANY_ROWS).map(|n| format!("{n},{n},t{},{n}\n", n % 7)).collect::<Vec<_>>().concat();
    fs::write(dir.path().join("a.csv"), format!("unused,n,t,late\n{rows}x,7,t9,1.5\n")).unwrap();
    let value = |query: &str| {
        let table = read(dir.path(), "a.csv", Some(query)).unwrap();
        let columns = table.batches.iter().find(|batch| batch.num_rows() > 0).unwrap().columns();
        let text =
            |column: &arrow::array::ArrayRef| arrow::util::display::array_value_to_string(column, 0).unwrap();
        columns.iter().map(text).collect::<Vec<_>>()
    };
    let sum: usize = (0..MANY_ROWS).sum::<usize>() + 7;
    let count = MANY_ROWS + 1;
    assert_eq!(value("SELECT sum(n) AS n, max(t) AS t FROM data"), [sum.to_string(), "t9".to_owned()]);
    assert_eq!(value("SELECT t, n FROM data WHERE n = 10000"), ["t4", "10000"]);
    assert_eq!(value("SELECT count(*) AS n FROM data"), [count.to_string()]);
    assert_eq!(value("SELECT late FROM data WHERE t = 't9'"), ["1.5"]);
    assert_eq!(value("SELECT a.t FROM data a JOIN data b ON a.n = b.late WHERE b.n = 6 LIMIT 1"), ["t6"]);
    assert_eq!(value("SELECT * FROM data ORDER BY n LIMIT 1"), ["0", "0", "t0", "0.0"]);
}

#[test]
fn later_passes_of_a_stream_have_the_rows_of_the_first() {
    let dir = folder();
    let rows = (0..MANY_ROWS).map(|n| format!("{n},\"t\n{n}\"\n")).collect::<Vec<_>>().concat();
    // A late text: the first pass starts again with types from all rows.
    fs::write(dir.path().join("a.csv"), format!("n,t\n{rows}late,\n")).unwrap();
    let (data, roots, home) = (plain("a.csv"), [dir.path().to_owned()], dir.path().join(".home"));
    let request = LoadRequest {
        source: &data.source,
        data: &data,
        expect: &[],
        texts: TextColumns::None,
        roots: &roots,
        home: &home,
        progress: &NoProgress,
    };
    let rows_of = |stream: &crate::Stream| {
        let mut found = Vec::new();
        let each = stream.each(&mut |batch| {
            found.push(batch.clone());
            Ok::<_, Error>(())
        });
        each.unwrap();
        found
    };
    let direct = rows_of(&crate::stream(&request).unwrap());
    let kept = crate::stream_collected(&request, collect(&request).unwrap()).unwrap();
    // Later passes do not need the file.
    fs::remove_file(dir.path().join("a.csv")).unwrap();
    assert_eq!(rows_of(&kept), direct);
    assert_eq!(rows_of(&kept), direct);
    assert_eq!(direct.iter().map(RecordBatch::num_rows).sum::<usize>(), MANY_ROWS + 1);
}
