//! Trees of `XGBoost` and `LightGBM` are imported, served and explained.

use serde_json::{Map, Value, json};

use crate::support::TestHome;

/// A golden model: its file, and its rows with the library's predictions.
fn golden(home: &TestHome, file: &str) -> (Vec<Map<String, Value>>, Vec<f64>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/import/src/golden/trees");
    home.write(file, std::fs::read(format!("{folder}/{file}")).unwrap());
    let name = file.split('.').next().unwrap();
    let case = std::fs::read(format!("{folder}/{name}.golden.json")).unwrap();
    let case: Value = serde_json::from_slice(&case).unwrap();
    let columns = case["columns"].as_array().unwrap();
    let row = |values: &Value| {
        let values = columns.iter().zip(values.as_array().unwrap());
        values.map(|(name, value)| (name.as_str().unwrap().to_owned(), value.clone())).collect()
    };
    let rows = case["rows"].as_array().unwrap().iter().map(row).collect();
    let first = |numbers: &Value| numbers[0].as_f64().unwrap();
    (rows, case["predictions"].as_array().unwrap().iter().map(first).collect())
}

#[test]
fn trees_of_lightgbm_are_served_with_their_categories_and_explained() {
    let home = TestHome::new();
    let (rows, expected) = golden(&home, "lightgbm_categories.txt");
    let import = ["models", "import", "--from", "lightgbm", "lightgbm_categories.txt", "--name", "metal"];
    let done = home.json(&[&import[..], &["--target", "price"]].concat());
    assert_eq!(done["package"], "metal:1");
    let server = home.serve(&["--model", "metal"]);
    let body = json!({ "rows": rows }).to_string();
    let found = server.post("/v1/models/metal/predict", body, &[]).json();
    for (at, expected) in expected.iter().enumerate() {
        let found = found["predictions"][at]["price"]["value"].as_f64().unwrap();
        assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1.0), "row {at}: {found}, {expected}");
    }
    let body = json!({ "rows": rows[..3], "explain": true }).to_string();
    let found = server.post("/v1/models/metal/predict", body, &[]).json();
    let explanation = &found["predictions"][0]["price"]["explanation"];
    assert_eq!(explanation["method"], "tree_shap", "{found}");
    let shares: f64 = explanation["values"].as_object().unwrap().values().map(|x| x.as_f64().unwrap()).sum();
    let output = explanation["base"].as_f64().unwrap() + shares;
    assert!((output - explanation["output"].as_f64().unwrap()).abs() < 1e-6);
}

#[test]
fn trees_of_xgboost_predict_rows_of_a_file_with_named_classes() {
    let home = TestHome::new();
    let (rows, expected) = golden(&home, "xgboost_binary.json");
    let import = ["models", "import", "--from", "xgboost", "xgboost_binary.json", "--name", "churn"];
    home.json(&[&import[..], &["--target", "left", "--classes", "no,yes"]].concat());
    let lines: Vec<String> = rows.iter().map(|row| Value::Object(row.clone()).to_string()).collect();
    home.write("rows.jsonl", lines.join("\n"));
    let output = home.run(&["predict", "--model", "churn", "--input", "rows.jsonl"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    for (line, expected) in output.stdout.lines().zip(&expected) {
        let found: Value = serde_json::from_str(line).unwrap();
        let p = found["left"]["probabilities"]["yes"].as_f64().unwrap();
        assert!((p - expected).abs() < 1e-6, "{p} instead of {expected}");
    }
    assert_eq!(output.stdout.lines().count(), rows.len());
}

#[test]
fn a_model_of_another_kind_is_refused_with_the_option_that_reads_it() {
    let home = TestHome::new();
    golden(&home, "lightgbm_dart.txt");
    let run = |more: &[&str]| {
        let import = ["models", "import", "--from", "xgboost", "lightgbm_dart.txt", "--name", "other"];
        let output = home.run(&[&import[..], more].concat());
        assert_eq!(output.code, Some(2), "{}", output.stderr);
        output.stderr
    };
    assert!(run(&[]).contains("neither JSON nor UBJSON"));
    assert!(run(&["--length", "3"]).contains("--length"));
}
