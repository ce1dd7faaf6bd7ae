use std::fs;

use serde_json::{Value, json};

use crate::support::TestHome;

fn home_with_shipped_configs() -> TestHome {
    let home = TestHome::new();
    for folder in ["data", "configs", "models"] {
        fs::create_dir(home.path(folder)).unwrap();
        for entry in fs::read_dir(cupola_testkit::root().join(folder)).unwrap().flatten() {
            if entry.path().is_file() {
                fs::copy(entry.path(), home.path(folder).join(entry.file_name())).unwrap();
            }
        }
    }
    home
}

#[test]
fn digits_from_the_raw_file_to_a_served_prediction() {
    let home = home_with_shipped_configs();
    let done = home.json(&["train", "--config", "configs/digits.toml", "--device", "flex"]);
    let accuracy = done["metrics"]["accuracy"].as_f64().unwrap();
    assert!(accuracy >= 0.97, "{done}");
    assert_eq!(done["package"], "digits:1");

    // The first rows of the raw file, through the command and through the server.
    let mut raw = String::new();
    let gz = fs::File::open(home.path("data/digits.csv.gz")).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(gz), &mut raw).unwrap();
    let lines: Vec<&str> = raw.lines().take(41).collect();
    home.write("rows.csv", lines.join("\n") + "\n");
    let header: Vec<&str> = lines[0].split(',').collect();
    let rows: Vec<Value> = lines[1..]
        .iter()
        .map(|line| {
            let pairs = header.iter().zip(line.split(',')).filter(|(name, _)| **name != "digit");
            pairs.map(|(name, v)| ((*name).to_owned(), json!(v.parse::<f64>().unwrap()))).collect()
        })
        .collect();

    let predicted = home.run(&[
        "predict", "--model", "digits", "--input", "rows.csv", "--engine", "burn", "--device", "flex",
    ]);
    assert_eq!(predicted.code, Some(0), "{}", predicted.stderr);
    let by_command: Vec<Value> = predicted.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(by_command.len(), 40);

    let server = home.serve(&["--model", "digits", "--engine", "burn"]);
    let response = server.post("/v1/models/digits/predict", json!({ "rows": rows }).to_string(), &[]);
    assert_eq!(response.status, 200, "{}", response.text);
    let body = response.json();
    assert_eq!((&body["model"], &body["version"]), (&json!("digits"), &json!(1)));
    assert_eq!(body["request_id"].as_str(), response.header("x-request-id"));
    assert_eq!(body["predictions"].as_array().unwrap(), &by_command, "skew between server and command");

    let right = lines[1..].iter().zip(&by_command).filter(|(line, predicted)| {
        let digit: f64 = line.rsplit(',').next().unwrap().parse().unwrap();
        predicted["digit"]["value"].as_f64() == Some(digit)
    });
    assert!(right.count() >= 38, "most digits are read right");
    let p = body["predictions"][0]["digit"]["probabilities"].as_object().unwrap();
    assert_eq!(
        p.keys().map(String::as_str).collect::<Vec<_>>(),
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
    );
}

#[test]
fn both_engines_predict_alike_from_one_package() {
    let home = home_with_shipped_configs();
    let set = ["--set", "train.epochs=2", "--device", "flex"];
    for name in ["digits", "diamonds", "census_nano"] {
        let config = format!("configs/{name}.toml");
        let mut args = vec!["train", "--config", &config];
        args.extend(set);
        home.json(&args);
        let input = format!("data/{name}.csv.gz");
        let by = |engine: &str| -> Vec<Value> {
            let output = home.run(&[
                "predict", "--model", name, "--input", &input, "--engine", engine, "--device", "flex",
            ]);
            assert_eq!(output.code, Some(0), "{}", output.stderr);
            output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let (burn, candle) = (by("burn"), by("candle"));
        assert!(burn.len() > 1000 && burn.len() == candle.len());
        for (a, b) in burn.iter().zip(&candle) {
            close(a, b);
        }
    }
}

/// Asserts that numbers agree to 1e-4 and everything else is equal. Predicted classes may differ between equally
/// likely ones. A price of a few dollars is a sum of thousands, so its 32-bit rounding is larger.
fn close(a: &Value, b: &Value) {
    if let (Value::Object(a), Value::Object(b)) = (a, b) {
        assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
        let has_probabilities = a.contains_key("probabilities");
        a.iter()
            .filter(|(key, _)| !(has_probabilities && *key == "value"))
            .for_each(|(key, a)| close(a, &b[key]));
    } else {
        let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
        let rounding = if a.abs() > 1.0 { 2e-3 } else { 0.0 };
        assert!((a - b).abs() <= 1e-4 * a.abs().max(1.0) + rounding, "{a} {b}");
    }
}

#[test]
fn a_regression_predicts_in_the_units_of_the_data() {
    let home = home_with_shipped_configs();
    let done = home.json(&[
        "train",
        "--config",
        "configs/diamonds.toml",
        "--device",
        "flex",
        "--set",
        "train.epochs=3",
    ]);
    assert!(done["metrics"]["rmse"].as_f64().unwrap() < 900.0, "{done}");
    assert!(done["metrics"]["r2"].as_f64().unwrap() > 0.94, "{done}");
    let server = home.serve(&["--model", "diamonds"]);
    let row = json!({"carat": 1.0, "cut": "Ideal", "color": "G", "clarity": "VS2", "depth": 61.5, "table": 56,
                     "x": 6.4, "y": 6.42, "z": 3.95});
    let body = json!({ "rows": [row] }).to_string();
    let price =
        server.post("/v1/models/diamonds/predict", body, &[]).json()["predictions"][0]["price"]["value"]
            .clone();
    assert!((3000.0..12000.0).contains(&price.as_f64().unwrap()), "{price}");
}

#[test]
fn missing_values_and_unseen_categories_get_predictions() {
    let home = home_with_shipped_configs();
    let done = home.json(&["train", "--config", "configs/census_nano.toml", "--device", "flex"]);
    assert!(done["metrics"]["roc_auc"].as_f64().unwrap() >= 0.90, "{done}");
    let show = home.json(&["models", "show", "census_nano"]);
    let inputs = show["manifest"]["signature"]["inputs"].as_array().unwrap();
    let row: serde_json::Map<String, Value> = inputs
        .iter()
        .map(|input| {
            let value = if input["type"] == "number" { Value::Null } else { json!("never heard of") };
            (input["name"].as_str().unwrap().to_owned(), value)
        })
        .collect();
    let server = home.serve(&["--model", "census_nano"]);
    let response = server.post("/v1/models/census_nano/predict", json!({ "rows": [row] }).to_string(), &[]);
    assert_eq!(response.status, 200, "{}", response.text);
}

#[test]
fn a_second_package_gets_the_next_version_and_the_same_weights() {
    let home = TestHome::with_blobs(200, "[train]\nepochs = 2\n");
    home.train(&[]);
    home.train(&[]);
    let digest = |version: &str| {
        let shown = home.json(&["models", "show", version]);
        shown["manifest"]["files"]["model.safetensors"].clone()
    };
    assert_eq!(digest("blobs:1"), digest("blobs:2"), "the same config, data and seed");
    home.train(&["--set", "seed=12"]);
    assert_ne!(digest("blobs:1"), digest("blobs:3"));
}

#[test]
fn rows_come_in_from_a_pipe_and_go_out_as_csv() {
    let home = TestHome::with_blobs(200, "[train]\nepochs = 20\n");
    home.train(&[]);
    home.write("in.jsonl", "{\"x\": -1.0, \"y\": 0.5}\n{\"x\": 1.0, \"y\": 0.5}\n");
    let run = |args: &[&str]| {
        let mut command = home.command(args);
        command.stdin(fs::File::open(home.path("in.jsonl")).unwrap());
        command.output().unwrap()
    };
    let out = run(&["predict", "--model", "blobs", "--device", "flex", "--output", "out.csv"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let csv = home.read("out.csv");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("side,side_p_left,side_p_right"));
    assert!(lines.next().unwrap().starts_with("left,0."), "{csv}");
    assert!(lines.next().unwrap().starts_with("right,"), "{csv}");
}

#[test]
fn evaluate_reproduces_the_metrics_of_the_run() {
    let home = TestHome::with_blobs(300, "[train]\nepochs = 5\n");
    // The same rows are the test rows, so that both report the same metrics.
    home.write(
        "run.toml",
        home.read("run.toml")
            .replace("source = \"blobs.csv\"", "source = \"blobs.csv\"\ntest_source = \"blobs.csv\""),
    );
    let done = home.train(&[]);
    let found = home.json(&[
        "evaluate",
        "--model",
        "blobs",
        "--data",
        "blobs.csv",
        "--device",
        "flex",
        "--engine",
        "burn",
        "--out",
        "report",
    ]);
    assert_eq!(found["rows"], 300);
    for name in ["accuracy", "roc_auc", "log_loss"] {
        let (a, b) = (done["metrics"][name].as_f64().unwrap(), found["metrics"][name].as_f64().unwrap());
        assert!((a - b).abs() < 1e-6, "{name}: {a} {b}");
    }
    assert!(home.path("report/metrics.json").is_file());
}
