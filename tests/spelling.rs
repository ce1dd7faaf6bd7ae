//! Files as other programs write them, read without a query.

use std::fs;

use serde_json::{Value, json};

use crate::support::TestHome;

/// Config of the blobs with another source.
fn config(data: &str) -> String {
    format!(
        "name = \"blobs\"\nseed = 11\n[data]\n{data}\n[[targets]]\nname = \"side\"\nkind = \"category\"\n\
         [model]\nfamily = \"mlp\"\nhidden = [4]\n[train]\nepochs = 2\n"
    )
}

/// Notes and rows of `cupola check`.
#[track_caller]
fn check(home: &TestHome, data: &str) -> (Vec<String>, u64) {
    home.write("run.toml", config(data));
    let found = home.json(&["check", "--config", "run.toml"]);
    let notes = found["notes"].as_array().unwrap().iter();
    let notes = notes.map(|note| note.as_str().unwrap().to_owned()).collect();
    let rows = found["rows"].as_object().unwrap().values().map(|rows| rows.as_u64().unwrap()).sum();
    (notes, rows)
}

/// Message of a `check` that must fail.
#[track_caller]
fn refused(home: &TestHome, data: &str) -> String {
    home.write("run.toml", config(data));
    let output = home.run(&["check", "--config", "run.toml"]);
    assert_eq!(output.code, Some(2), "{}{}", output.stdout, output.stderr);
    output.stderr
}

fn rows() -> Vec<Value> {
    let csv = cupola_testkit::blobs(120);
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |at: usize| fields[at].parse::<f64>().unwrap();
        json!({ "x": number(0), "y": number(1), "side": fields[2] })
    };
    csv.lines().skip(1).map(row).collect()
}

#[test]
fn delimiters_encodings_and_blanks_are_recognised_and_said_once() {
    let home = TestHome::new();
    let csv = cupola_testkit::blobs(120);
    home.write("a.csv", csv.replace(',', ";"));
    let (notes, rows) = check(&home, "source = \"a.csv\"");
    assert_eq!((notes, rows), (vec!["a.csv: columns are separated by semicolons (`;`)".to_owned()], 120));
    let output = home.run(&["check", "--config", "run.toml"]);
    assert_eq!(output.stdout.matches("separated by semicolons").count(), 1, "{}", output.stdout);
    let units = csv.replace("left", "lünks");
    let wide: Vec<u8> = units.encode_utf16().flat_map(u16::to_le_bytes).collect();
    home.write("a.csv", wide);
    assert_eq!(check(&home, "source = \"a.csv\"").0, ["a.csv: read as UTF-16LE"]);
    home.write("a.csv", csv.replace(',', ", "));
    let (notes, rows) = check(&home, "source = \"a.csv\"");
    assert_eq!((notes.len(), rows), (1, 120));
    assert!(notes[0].starts_with("a.csv: blanks around values"), "{notes:?}");
}

#[test]
fn a_file_without_a_header_trains_with_two_lines_of_config() {
    let home = TestHome::new();
    let csv = cupola_testkit::blobs(120).replace(',', ", ");
    let (_, body) = csv.split_once('\n').unwrap();
    home.write("blobs.data", body);
    home.write("blobs.test", format!("|validator\n{body}"));
    let source = "source = \"blobs.data\"\ntest_source = \"blobs.test\"";
    home.write("run.toml", config(&format!("{source}\ncolumns = [\"x\", \"y\", \"side\"]\ncomment = \"|\"")));
    let trained = home.train(&[]);
    assert!(trained.is_object(), "{trained}");
    // Without the names of the columns, the first row is suspected.
    let error = refused(&home, "source = \"blobs.data\"");
    assert!(error.contains("side"), "{error}");
}

#[test]
fn unusable_headers_and_rows_are_named() {
    let home = TestHome::new();
    home.write("a.csv", "x,side,x\n1,a,2\n");
    assert!(refused(&home, "source = \"a.csv\"").contains("columns 1 and 3 are both named `x`"));
    home.write("a.csv", cupola_testkit::blobs(120) + "1,2\n");
    let error = refused(&home, "source = \"a.csv\"");
    assert!(error.contains("a.csv: row 121 (line 122): expected 3 fields, found 2"), "{error}");
    let (_, rows) = check(&home, "source = \"a.csv\"\nragged = \"quarantine\"");
    assert_eq!(rows, 120);
    let output = home.run(&["check", "--config", "run.toml"]);
    assert!(output.stdout.contains("1 rows are left out: "), "{}", output.stdout);
}

#[test]
fn files_without_a_header_and_with_a_line_of_comment_need_names_and_punctuation_only() {
    let home = TestHome::new();
    let csv = cupola_testkit::blobs(120);
    let lines: Vec<String> = csv.lines().skip(1).map(|line| line.replace(',', ", ")).collect();
    home.write("a.data", lines[..80].join("\n") + "\n\n");
    home.write("a.test", format!("|1x3 Cross validator\n{}.\n\n", lines[80..].join(".\n")));
    let data = "source = \"a.data\"\ntest_source = \"a.test\"\ncolumns = [\"x\", \"y\", \"side\"]\n[clean]\ntext = [\"punctuation\"]";
    let (notes, rows) = check(&home, data);
    assert_eq!(rows, 120);
    assert!(
        notes.contains(&"a.test: lines that begin with `|` are comments and left out".to_owned()),
        "{notes:?}"
    );
    home.json(&["train", "--config", "run.toml", "--device", "flex"]);
    let metrics = home.json(&["evaluate", "--model", "blobs", "--device", "flex", "--data", "a.test"]);
    assert_eq!(metrics["rows"], 40, "{metrics}");
}

#[test]
fn an_index_that_pandas_named_is_left_out_and_said() {
    let home = TestHome::new();
    let csv = cupola_testkit::blobs(120);
    let numbered = csv.lines().enumerate().map(|(row, line)| match row {
        0 => format!("Unnamed: 0,{line}\n"),
        _ => format!("{},{line}\n", row - 1),
    });
    home.write("a.csv", numbered.collect::<String>());
    let (notes, rows) = check(&home, "source = \"a.csv\"");
    assert_eq!(
        (notes, rows),
        (vec!["a.csv: `Unnamed: 0` is an index that pandas wrote; it is left out".to_owned()], 120)
    );
}

#[test]
fn pointers_of_git_lfs_are_recognised_in_any_format() {
    let home = TestHome::new();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n";
    for name in ["a.csv", "a.jsonl", "a.parquet", "a.csv.gz", "a.xlsx"] {
        home.write(name, pointer);
        let error = refused(&home, &format!("source = \"{name}\""));
        let named = error.contains("this is a Git LFS pointer") && error.contains("run `git lfs pull`");
        assert!(named, "{name}: {error}");
    }
    fs::create_dir_all(home.path("photos/cat")).unwrap();
    home.write("photos/cat/1.png", pointer);
    assert!(refused(&home, "source = \"photos\"").contains("this is a Git LFS pointer"));
}

#[test]
fn records_of_airbyte_are_read_without_configuration() {
    let home = TestHome::new();
    let line = |row: &Value| {
        json!({ "_airbyte_ab_id": "u", "_airbyte_emitted_at": 1, "_airbyte_data": row }).to_string() + "\n"
    };
    home.write("a.jsonl", rows().iter().map(line).collect::<String>());
    let (notes, found) = check(&home, "source = \"a.jsonl\"");
    assert_eq!((notes.len(), found), (1, 120));
    assert!(notes[0].contains("records of Airbyte"), "{notes:?}");
    let field = |row: &Value| format!("u,1,\"{}\"\n", row.to_string().replace('"', "\"\""));
    let body: String = rows().iter().map(field).collect();
    home.write("a.csv", format!("_airbyte_ab_id,_airbyte_emitted_at,_airbyte_data\n{body}"));
    assert_eq!(check(&home, "source = \"a.csv\"").1, 120);
}

#[test]
fn a_folder_of_splits_reads_the_one_for_training() {
    let home = TestHome::new();
    fs::create_dir_all(home.path("hub/data")).unwrap();
    home.write("hub/README.md", "---\nlicense: mit\n---\n# Blobs\n");
    home.write("hub/data/train-00000-of-00001.csv", cupola_testkit::blobs(120));
    home.write("hub/data/test-00000-of-00001.csv", cupola_testkit::blobs(60));
    let (notes, rows) = check(&home, "source = \"hub\"");
    assert_eq!(rows, 120);
    assert!(notes[0].contains("the split `train` is read; others are there: test"), "{notes:?}");
}
