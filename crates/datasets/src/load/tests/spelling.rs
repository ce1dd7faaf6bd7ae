//! Spellings of one table: delimiters, encodings, formats.

use std::fmt::Write as _;
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use cupola_sources::SourceNote;
use cupola_spec::{Decimal, RaggedRows, TextEncoding};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// Values of a column as texts.
fn cells(table: &Table, column: &str) -> Vec<Option<String>> {
    let index = table.schema.index_of(column).unwrap();
    let mut found = Vec::new();
    for batch in &table.batches {
        let texts = cast(batch.column(index), &DataType::Utf8).unwrap();
        let texts = texts.as_string::<i32>();
        found.extend((0..texts.len()).map(|row| texts.is_valid(row).then(|| texts.value(row).to_owned())));
    }
    found
}

fn kinds(table: &Table) -> Vec<String> {
    table.schema.fields().iter().map(|field| field.data_type().to_string()).collect()
}

fn names(table: &Table) -> Vec<&str> {
    table.schema.fields().iter().map(|field| field.name().as_str()).collect()
}

fn texts(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|text| (!text.is_empty()).then(|| (*text).to_owned())).collect()
}

fn write(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    fs::write(dir.join(name), bytes).unwrap();
}

/// Row of a generated table.
#[derive(Debug, Clone)]
struct Row {
    id: Option<i64>,
    x: Option<f64>,
    flag: Option<bool>,
    name: Option<String>,
}

impl Row {
    fn fields(&self) -> [Option<String>; 4] {
        [
            self.id.map(|id| id.to_string()),
            self.x.map(|x| json!(x).to_string()),
            self.flag.map(|flag| flag.to_string()),
            self.name.clone(),
        ]
    }
}

const COLUMNS: [&str; 4] = ["id", "x", "flag", "name"];

fn row() -> impl Strategy<Value = Row> {
    let x = (-1_000_000_i32..1_000_000).prop_map(|n| f64::from(n) / 64.0);
    // Letters of Latin-1, delimiters and quotes.
    let name = "q[a-zäöüéß,;|\"\t' ]{0,8}z";
    let parts = (
        prop::option::of(any::<i64>()),
        prop::option::of(x),
        prop::option::of(any::<bool>()),
        prop::option::of(name),
    );
    parts.prop_map(|(id, x, flag, name)| Row { id, x, flag, name })
}

fn delimited(rows: &[Row], delimiter: char) -> String {
    let mut text = COLUMNS.join(&delimiter.to_string()) + "\n";
    for row in rows {
        let fields = row.fields().map(|field| match field {
            Some(field) if field.starts_with('q') => format!("\"{}\"", field.replace('"', "\"\"")),
            other => other.unwrap_or_default(),
        });
        let _ = writeln!(text, "{}", fields.join(&delimiter.to_string()));
    }
    text
}

fn objects(rows: &[Row]) -> Vec<Value> {
    let object = |row: &Row| {
        let values = [json!(row.id), json!(row.x), json!(row.flag), json!(row.name)];
        let pairs = COLUMNS.iter().zip(values).map(|(name, value)| ((*name).to_owned(), value));
        Value::Object(pairs.collect::<Map<_, _>>())
    };
    rows.iter().map(object).collect()
}

fn assert_holds(dir: &Path, name: &str, rows: &[Row]) {
    let table = read(dir, name, None).unwrap();
    assert_eq!(table.rows(), rows.len(), "{name}");
    for (index, column) in COLUMNS.iter().enumerate() {
        let expected: Vec<Option<String>> = rows.iter().map(|row| row.fields()[index].clone()).collect();
        assert_eq!(cells(&table, column), expected, "{name}: {column}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_table_means_the_same_in_every_spelling(rows in prop::collection::vec(row(), 1..20)) {
        let dir = folder();
        let at = dir.path();
        for (delimiter, name) in [(',', "comma"), (';', "semicolon"), ('\t', "tab"), ('|', "bar")] {
            let text = delimited(&rows, delimiter);
            write(at, &format!("{name}.csv"), &text);
            write(at, &format!("{name}-mark.csv"), ["\u{feff}", &text].concat());
            let low = |unit: u16| unit.to_le_bytes();
            let utf16: Vec<u8> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(low).collect();
            write(at, &format!("{name}-16.csv"), utf16);
            let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
            write(at, &format!("{name}-latin.csv"), latin);
            for kind in ["", "-mark", "-16", "-latin"] {
                assert_holds(at, &format!("{name}{kind}.csv"), &rows);
            }
        }
        let lines: String = objects(&rows).iter().map(|object| object.to_string() + "\n").collect();
        write(at, "a.jsonl", &lines);
        write(at, "mark.jsonl", ["\u{feff}", &lines].concat());
        write(at, "list.json", serde_json::to_string_pretty(&objects(&rows)).unwrap());
        for name in ["a.jsonl", "mark.jsonl", "list.json"] {
            assert_holds(at, name, &rows);
        }
        let table = read(at, "a.jsonl", None).unwrap();
        let file = fs::File::create(at.join("a.parquet")).unwrap();
        let mut writer = ArrowWriter::try_new(file, table.schema.clone(), None).unwrap();
        table.batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.close().unwrap();
        assert_holds(at, "a.parquet", &rows);
    }
}

#[test]
fn null_markers_come_first_and_only_plain_values_are_typed() {
    let dir = folder();
    let header = "n,x,zip,big,flag,day,at,zoned,mixed,gap";
    let rows = "1,1.5,01001,9007199254740993,True,2024-02-29,2024-02-29 10:00:00,2024-02-29T10:00:00Z,1,\n\
        -999,-999,02000,12345678901234567890,FALSE,-999,2024-03-01 10:00:00.5,2024-02-29T10:00:00Z,x,\n\
        3,2e3,-999,1,-999,2024-03-01,-999,-999,2.50,-999\n";
    write(dir.path(), "a.csv", format!("{header}\n{rows}"));
    let data = Data { null: vec!["-999".into()], ..plain("a.csv") };
    let table = read_as(dir.path(), &data).unwrap();
    let text = DataType::Utf8;
    let expected = [
        DataType::Int64,
        DataType::Float64,
        text.clone(),
        text.clone(),
        DataType::Boolean,
        DataType::Date32,
        DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, None),
        text.clone(),
        text.clone(),
        text,
    ];
    assert_eq!(kinds(&table), expected.map(|kind| kind.to_string()));
    assert_eq!(cells(&table, "n"), texts(&["1", "", "3"]));
    assert_eq!(cells(&table, "zip"), texts(&["01001", "02000", ""]));
    assert_eq!(cells(&table, "big"), texts(&["9007199254740993", "12345678901234567890", "1"]));
    assert_eq!(cells(&table, "flag"), texts(&["true", "false", ""]));
    assert_eq!(cells(&table, "mixed"), texts(&["1", "x", "2.50"]));
    assert_eq!(cells(&table, "gap"), texts(&["", "", ""]));
}

#[test]
fn named_columns_are_the_exact_text() {
    let dir = folder();
    write(dir.path(), "a.csv", "code,x\n1.0,1\n2,2.50\n");
    let data = plain("a.csv");
    let (roots, home) = ([dir.path().to_owned()], dir.path().join(".home"));
    let named = ["code".to_owned()];
    let request = LoadRequest {
        source: &data.source,
        data: &data,
        expect: &[],
        texts: TextColumns::Matching { patterns: &named, except: &[] },
        roots: &roots,
        home: &home,
        progress: &NoProgress,
    };
    let table = load(&request).unwrap();
    assert_eq!(
        (kinds(&table), cells(&table, "code")),
        (vec!["Utf8".into(), "Float64".into()], texts(&["1.0", "2"]))
    );
    let table = load(&LoadRequest { texts: TextColumns::All, ..request }).unwrap();
    assert_eq!(cells(&table, "x"), texts(&["1", "2.50"]));
    // With a decimal comma, `2.50` may be two hundred and fifty.
    let data = Data { decimal: Some(Decimal::Comma), ..plain("a.csv") };
    assert_eq!(kinds(&read_as(dir.path(), &data).unwrap()), ["Utf8", "Utf8"]);
}

#[test]
fn a_file_without_a_header_with_blanks_and_comments_is_read() {
    let dir = folder();
    write(dir.path(), "a.test", "|1x3 validator\n39, State-gov, <=50K.\n50, ?, >50K.\n\n");
    let columns = ["age", "work", "income"].map(str::to_owned).to_vec();
    let data = Data { columns: Some(columns), comment: Some('|'), ..plain("a.test") };
    let table = read_as(dir.path(), &data).unwrap();
    assert_eq!(kinds(&table), ["Int64", "Utf8", "Utf8"]);
    assert_eq!(cells(&table, "work"), texts(&["State-gov", ""]));
    assert_eq!(cells(&table, "income"), texts(&["<=50K.", ">50K."]));
    assert_eq!(table.notes, [SourceNote::Blanks { file: "a.test".into() }]);
    let error = read_as(dir.path(), &Data { columns: Some(vec!["a".into(), "b".into()]), ..data });
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("a.test: row 1 (line 2): expected 2 fields, found 3"), "{error}");
}

#[test]
fn the_index_that_pandas_writes_is_left_out_and_said() {
    let dir = folder();
    write(dir.path(), "a.csv", ",x,y\n0,1.5,a\n1,2.5,b\n");
    let table = read(dir.path(), "a.csv", None).unwrap();
    assert_eq!((names(&table), cells(&table, "y")), (vec!["x", "y"], texts(&["a", "b"])));
    assert_eq!(table.notes, [SourceNote::IndexColumn { file: "a.csv".into() }]);
    write(dir.path(), "b.csv", "model,,x\nFiat,a,1\n");
    assert_eq!(names(&read(dir.path(), "b.csv", None).unwrap()), ["model", "column 2", "x"]);
}

#[test]
fn unusable_headers_say_what_to_do() {
    let dir = folder();
    let say = |text: &str| {
        write(dir.path(), "a.csv", text);
        read(dir.path(), "a.csv", None).map(|table| table.notes).map_err(|error| error.to_string())
    };
    assert_eq!(say("x,y,x\n1,2,3\n").unwrap_err(), "a.csv: columns 1 and 3 are both named `x`; rename one");
    let error = say("a;b;c\n1\n2\n3\n").unwrap_err();
    assert!(error.contains("semicolons") && error.contains("set `data.delimiter`"), "{error}");
    let notes = say("5.1,3.5,1.4,Iris\n4.9,3.0,1.4,Iris\n").unwrap();
    assert!(matches!(&notes[..], [SourceNote::HeaderOfValues { first, .. }] if first == "5.1"), "{notes:?}");
    let notes = say("a;b\n1,5;2\n").unwrap();
    assert_eq!(notes, [SourceNote::Delimiter { file: "a.csv".into(), delimiter: ';' }]);
    write(dir.path(), "a.csv", "a;b\n1;2\n");
    let declared = Data { delimiter: Some(','), ..plain("a.csv") };
    assert_eq!(names(&read_as(dir.path(), &declared).unwrap()), ["a;b"]);
}

#[test]
fn ragged_rows_fail_or_are_quarantined_with_their_numbers() {
    let dir = folder();
    write(dir.path(), "a.csv", "x,y\n1,a\n2\n3,c,d\n4,\"e\nf\"\n");
    let error = read(dir.path(), "a.csv", None).unwrap_err().to_string();
    assert_eq!(
        error,
        "a.csv: row 2 (line 3): expected 2 fields, found 1; correct the row, or leave such rows out with `data.ragged = \"quarantine\"`"
    );
    let data = Data { ragged: RaggedRows::Quarantine, ..plain("a.csv") };
    let table = read_as(dir.path(), &data).unwrap();
    assert_eq!(cells(&table, "x"), texts(&["1", "4"]));
    assert_eq!(table.report.quarantined, 2);
    let lines = fs::read_to_string(table.report.file.as_ref().unwrap()).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["row"], &lines[1]["row"]), (&json!(2), &json!(3)));
    assert_eq!(
        (&lines[1]["values"], &lines[1]["reason"]),
        (&json!("3,c,d"), &json!("expected 2 fields, found 3"))
    );
    let place = table.origin.locate(1).unwrap();
    assert_eq!(place.to_string(), "a.csv: row 4 (line 5)");
}

#[test]
fn a_late_surprise_is_read_again_from_all_rows() {
    let dir = folder();
    let rows = |value: &str| value.repeat(MANY_ROWS);
    write(
        dir.path(),
        "a.csv",
        [b"n,t,gap\n".to_vec(), rows("7,a,\n").into_bytes(), b"8,caf\xe9,5\n".to_vec()].concat(),
    );
    let table = read(dir.path(), "a.csv", None).unwrap();
    assert_eq!(kinds(&table), ["Int64", "Utf8", "Int64"]);
    assert_eq!(cells(&table, "t").last().unwrap().as_deref(), Some("café"));
    write(dir.path(), "b.jsonl", [rows("{\"n\":7}\n"), "{\"n\":\"x\",\"new\":{\"k\":1}}\n".into()].concat());
    let table = read(dir.path(), "b.jsonl", None).unwrap();
    assert_eq!((names(&table), kinds(&table)), (vec!["n", "new.k"], vec!["Utf8".into(), "Int64".into()]));
    assert_eq!(cells(&table, "n")[0].as_deref(), Some("7"));
}

#[test]
fn json_values_of_several_kinds_are_texts() {
    let dir = folder();
    write(
        dir.path(),
        "a.jsonl",
        "{\"code\":12,\"id\":9007199254740993,\"o\":{\"a\":1,\"l\":[1, 2]}}\n{\"code\":\"A7\",\"id\":1,\"o\":null}\n\
         {\"code\":2.0,\"id\":12345678901234567890,\"late\":true}\n{\"code\":null}\n",
    );
    let table = read(dir.path(), "a.jsonl", None).unwrap();
    assert_eq!(names(&table), ["code", "id", "o.a", "o.l", "late"]);
    assert_eq!(cells(&table, "code"), texts(&["12", "A7", "2", ""]));
    assert_eq!(cells(&table, "id"), texts(&["9007199254740993", "1", "12345678901234567890", ""]));
    assert_eq!(cells(&table, "o.l"), texts(&["[1,2]", "", "", ""]));
    assert_eq!(cells(&table, "late"), texts(&["", "", "true", ""]));
    write(dir.path(), "b.jsonl", "{\"x\":1}\n\n{\"x\":1,\"x\":2}\n");
    let error = read(dir.path(), "b.jsonl", None).unwrap_err().to_string();
    assert!(error.starts_with("b.jsonl: row 2 (line 3): the key `x` occurs twice"), "{error}");
}

#[test]
fn a_declared_encoding_is_used() {
    let dir = folder();
    write(dir.path(), "a.csv", b"t\ncaf\xe9\n");
    let data = Data { encoding: Some(TextEncoding::Utf8), ..plain("a.csv") };
    let error = read_as(dir.path(), &data).unwrap_err().to_string();
    assert!(
        error.starts_with("a.csv: row 1") && error.contains("column `t`: the text is not UTF-8"),
        "{error}"
    );
    let data = Data { encoding: Some(TextEncoding::Latin1), ..plain("a.csv") };
    assert_eq!(cells(&read_as(dir.path(), &data).unwrap(), "t"), texts(&["café"]));
}

#[test]
fn the_rows_of_a_query_have_no_place_and_the_same_meaning() {
    if cfg!(not(feature = "sql")) {
        return;
    }
    let dir = folder();
    write(dir.path(), "a.csv", "zip;n;town\n01001;?;Z\u{fc}rich\n01002;5;Bern\n");
    let table = read(dir.path(), "a.csv", Some("SELECT town, zip, n FROM data WHERE n IS NULL")).unwrap();
    assert_eq!(cells(&table, "zip"), texts(&["01001"]));
    assert_eq!(cells(&table, "town"), texts(&["Zürich"]));
    assert_eq!((table.origin.locate(0), table.notes.len()), (None, 1));
    write(dir.path(), "a.jsonl", "{\"a\":{\"b\":1}}\n{\"a\":{\"b\":\"x\"}}\n");
    let table = read(dir.path(), "a.jsonl", Some("SELECT \"a.b\" AS v FROM data")).unwrap();
    assert_eq!(cells(&table, "v"), texts(&["1", "x"]));
}

#[test]
fn quarantined_rows_are_counted_in_their_own_file() {
    let dir = folder();
    write(dir.path(), "p1.csv", "x\n1\n9\n");
    write(dir.path(), "p2.csv", "x\n8\n2\n");
    let text = "data.source = 'p*.csv'\n[[expect]]\ncolumn = 'x'\nrange = [0, 5]\nseverity = 'quarantine'\n";
    let (data, expect) = cupola_spec::parse_data("test", text).unwrap();
    let (roots, home) = ([dir.path().to_owned()], dir.path().join(".home"));
    let request = LoadRequest {
        source: &data.source,
        data: &data,
        expect: &expect,
        texts: TextColumns::None,
        roots: &roots,
        home: &home,
        progress: &NoProgress,
    };
    let table = load(&request).unwrap();
    assert_eq!(cells(&table, "x"), texts(&["1", "2"]));
    assert_eq!(table.origin.locate(1).unwrap().to_string(), "p2.csv: row 2 (line 3)");
    assert!(
        table.report.outcomes[0].detail.starts_with("p1.csv: row 2 (line 3): "),
        "{:?}",
        table.report.outcomes
    );
    let lines = fs::read_to_string(table.report.file.as_ref().unwrap()).unwrap();
    let second: Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&second["file"], &second["row"]), (&json!("p2.csv"), &json!(1)));
}
