use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::predict::rows::{frame_of, general_path};

fn signature() -> Signature {
    let column =
        |name: &str, kind, nullable| InputColumn { name: name.into(), kind, nullable, categories: None };
    Signature {
        inputs: vec![
            column("a", ColumnType::Number, true),
            column("b", ColumnType::Category, false),
            column("c", ColumnType::Text, true),
        ],
        outputs: Vec::new(),
        window: None,
        query: None,
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => any::<f64>().prop_map(|x| json!(x)),
        2 => any::<i64>().prop_map(|x| json!(x)),
        1 => any::<u64>().prop_map(|x| json!(x)),
        4 => "[a-zé\\\"]{0,4}".prop_map(|x| json!(x)),
        1 => any::<bool>().prop_map(|x| json!(x)),
        1 => Just(Value::Null),
        1 => Just(json!([1])),
    ]
}

proptest! {
    #[test]
    fn fast_and_general_path_give_the_same_columns(
        rows in prop::collection::vec(prop::collection::hash_map("[abcd]", value(), 0..5), 0..4)
    ) {
        let rows: Vec<Map<String, Value>> = rows.into_iter().map(|row| row.into_iter().collect()).collect();
        let body = json!({ "rows": rows }).to_string();
        if let Some(fast) = parse(&signature(), body.as_bytes(), &Budget::unlimited()) {
            let general = frame_of(&signature(), &rows).unwrap();
            prop_assert_eq!(format!("{fast:?}"), format!("{general:?}"));
        }
    }
}

#[test]
fn no_body_breaks_the_readers() {
    let seeds: [&[u8]; 4] = [
        br#"{"rows": [{"a": 1.5, "b": "x", "c": null}, {"a": null, "b": 2, "c": "text"}]}"#,
        br#"{"a": 1.5, "b": "x", "c": null}"#,
        b"a,b,c\n1.5,x,\"te\"\"xt\"\n,y,\n",
        b"{\"rows\": [{}]}",
    ];
    let signature = signature();
    cupola_testkit::fuzz(&seeds, |body| {
        let fast = parse(&signature, body, &Budget::unlimited());
        let general = general_path(&signature, body);
        if let Some(fast) = fast {
            // The general path takes every body that the fast path takes, and gives the same columns.
            assert_eq!(format!("{fast:?}"), format!("{:?}", general.unwrap()));
        }
        let _ = crate::predict::bulk::csv(&signature, body, &Budget::unlimited());
        let _ = crate::predict::bulk::lines(&signature, body, &Budget::unlimited());
        let _ = crate::predict::bulk::arrow_stream(&signature, body, &Budget::unlimited());
    });
}

#[test]
fn valid_rows_take_the_fast_path() {
    let body = json!({ "rows": [
        {"a": 1, "b": "x", "c": null, "more": {"d": [1]}},
        {"c": "t", "a": null, "b": 2.0},
    ]});
    assert!(parse(&signature(), body.to_string().as_bytes(), &Budget::unlimited()).is_some());
    for unsupported in ["{\"rows\": []}", "{\"rows\": [{\"a\":1,\"a\":2,\"b\":1,\"c\":1}]}", "{}", "[]", ""] {
        assert!(parse(&signature(), unsupported.as_bytes(), &Budget::unlimited()).is_none(), "{unsupported}");
    }
}
