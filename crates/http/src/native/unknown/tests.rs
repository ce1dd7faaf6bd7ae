use cupola_prep::{Column, ColumnType, Frame, InputColumn};

use super::*;

fn signature() -> Signature {
    let column = |name: &str| InputColumn {
        name: name.into(),
        kind: ColumnType::Text,
        nullable: true,
        categories: None,
    };
    Signature { inputs: vec![column("age"), column("city")], outputs: Vec::new(), window: None, query: None }
}

fn input(names: &[&str], rows: usize) -> PredictInput {
    let columns = names.iter().map(|name| ((*name).to_owned(), Column::texts(vec![Some("a"); rows])));
    PredictInput::Frame(Frame::new(columns.collect()))
}

/// Unknown columns of a JSON body of so many rows.
fn json(format: Option<BulkFormat>, body: &str, rows: usize) -> Result<UnknownColumns, String> {
    UnknownColumns::of_request(&signature(), format, body.as_bytes(), &input(&["age", "city"], rows))
        .map_err(|error| error.message)
}

#[test]
fn unknown_columns_are_named_once_with_a_suggestion() {
    let body = r#"{"rows": [
        {"age": "1", "city": "a:b", "agee": {"city": ":"}},
        {"zzzz": [1], "city": "", "age": "2", "agee": 1}
    ]}"#;
    let found = json(None, body, 2).unwrap();
    let expected = ["unknown column `agee`; did you mean `age`?", "unknown column `zzzz`"];
    assert_eq!(found.warnings(&signature()), expected);
    let error = found.refuse(&signature()).unwrap_err();
    assert_eq!((error.status.as_u16(), error.field.as_deref()), (422, Some("rows[0].agee")));
    assert!(
        error.message.starts_with("unknown columns `agee` (did you mean `age`?), `zzzz` in a strict request"),
        "{}",
        error.message
    );
    // Colons in values and escaped keys are not mistaken.
    for body in [r#"{"rows": [{"age": "1:2", "city": "::"}]}"#, r#"{"rows": [{"\u0061ge": 1, "city": ":"}]}"#]
    {
        let found = json(None, body, 1).unwrap();
        assert!(found.warnings(&signature()).is_empty() && found.refuse(&signature()).is_ok(), "{body}");
    }
    let lines = "{\"age\": 1, \"city\": 2}\n{\"age\": 1, \"city\": 2, \"town\": 3}\n\n";
    let found = json(Some(BulkFormat::Lines), lines, 2).unwrap();
    assert_eq!(found.warnings(&signature()), ["unknown column `town`"]);
    assert_eq!(found.refuse(&signature()).unwrap_err().field.as_deref(), Some("rows[1].town"));
    // Tables are told by their columns, whatever the body looks like.
    let table = input(&["city", "aeg", "age"], 1);
    let found = UnknownColumns::of_request(&signature(), Some(BulkFormat::Csv), b"", &table).unwrap();
    assert_eq!(found.warnings(&signature()), ["unknown column `aeg`; did you mean `age`?"]);
}

#[test]
fn a_repeated_key_is_refused_with_its_row() {
    for (body, rows, words) in [
        (r#"{"rows": [{"age": 1, "city": 2, "age": 3}]}"#, 1, "row 1 has the key `age` twice"),
        (
            r#"{"rows": [{"age": 1, "city": 2}, {"age": 1, "x": 0, "city": 2, "x": 0}]}"#,
            2,
            "row 2 has the key `x`",
        ),
    ] {
        let error = json(None, body, rows).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    let lines = "{\"age\": 1, \"city\": 2}\n{\"age\": 1, \"city\": 2, \"city\": 3}\n";
    let error = json(Some(BulkFormat::Lines), lines, 2).unwrap_err();
    assert!(error.contains("row 2 has the key `city` twice"), "{error}");
}

#[test]
fn no_more_names_are_kept_than_are_listed() {
    let long = "x".repeat(1000);
    let keys: Vec<String> = (0..1000).map(|n| format!("\"{n}{long}\": 0")).collect();
    let body = format!("{{\"rows\": [{{\"age\": 1, \"city\": 1, {}}}]}}", keys.join(", "));
    let found = json(None, &body, 1).unwrap();
    let warnings = found.warnings(&signature());
    assert_eq!(warnings.len(), LISTED + 1);
    assert_eq!(warnings[LISTED], "further unknown columns are not listed");
    assert!(warnings.iter().all(|warning| warning.len() < 100), "{warnings:?}");
}

#[test]
fn a_missing_column_is_looked_for_among_the_unknown_ones() {
    let near = |column, format, body: &str| {
        UnknownColumns::instead_of(column, &signature(), format, body.as_bytes())
    };
    assert_eq!(near("age", None, r#"{"rows": [{"city": 1, "aeg": 2}]}"#).as_deref(), Some("aeg"));
    assert_eq!(near("age", None, r#"{"rows": [{"city": 1, "zzz": 2}]}"#), None);
    assert_eq!(near("city", Some(BulkFormat::Lines), "{\"City\": 1}\n").as_deref(), Some("City"));
    assert_eq!(near("age", Some(BulkFormat::Csv), "\"agee\";city\r\n1;2\n").as_deref(), Some("agee"));
    assert_eq!(near("age", Some(BulkFormat::Arrow), "age"), None);
}

#[test]
fn no_body_breaks_the_scan() {
    let seeds: [&[u8]; 2] = [br#"{"rows": [{"age": 1, "b": {"c": ":"}}]}"#, b"{\"age\": 1}\n{\"age\": 2}"];
    cupola_testkit::fuzz(&seeds, |body| {
        for format in [None, Some(BulkFormat::Lines)] {
            let _ = UnknownColumns::of_request(&signature(), format, body, &input(&["age", "city"], 1));
        }
    });
}
