use std::fs;

use serde_json::{Value, json};

use crate::support::Place;

fn copy_of_the_project() -> Place {
    let place = Place::new();
    for folder in ["data", "configs", "models"] {
        fs::create_dir(place.path(folder)).unwrap();
        for entry in fs::read_dir(cupola_testkit::root().join(folder)).unwrap().flatten() {
            if entry.path().is_file() {
                fs::copy(entry.path(), place.path(folder).join(entry.file_name())).unwrap();
            }
        }
    }
    place
}

#[test]
fn digits_from_the_raw_file_to_a_served_prediction() {
    let place = copy_of_the_project();
    let done = place.json(&["train", "--config", "configs/digits.toml", "--device", "flex"]);
    let accuracy = done["metrics"]["accuracy"].as_f64().unwrap();
    assert!(accuracy >= 0.97, "{done}");
    assert_eq!(done["package"], "digits:1");

    // The first rows of the raw file, once through the command and once through the server.
    let mut raw = String::new();
    let gz = fs::File::open(place.path("data/digits.csv.gz")).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(gz), &mut raw).unwrap();
    let lines: Vec<&str> = raw.lines().take(41).collect();
    place.write("rows.csv", lines.join("\n") + "\n");
    let header: Vec<&str> = lines[0].split(',').collect();
    let rows: Vec<Value> = lines[1..]
        .iter()
        .map(|line| {
            let pairs = header.iter().zip(line.split(',')).filter(|(name, _)| **name != "digit");
            pairs.map(|(name, v)| ((*name).to_owned(), json!(v.parse::<f64>().unwrap()))).collect()
        })
        .collect();

    let predicted = place.run(&[
        "predict", "--model", "digits", "--input", "rows.csv", "--engine", "burn", "--device", "flex",
    ]);
    assert_eq!(predicted.code, Some(0), "{}", predicted.err);
    let by_command: Vec<Value> = predicted.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(by_command.len(), 40);

    let server = place.serve(&["--model", "digits", "--engine", "burn"]);
    let answer = server.post("/v1/models/digits/predict", json!({ "rows": rows }).to_string(), &[]);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    assert_eq!((&body["model"], &body["version"]), (&json!("digits"), &json!(1)));
    assert_eq!(body["request_id"].as_str(), answer.header("x-request-id"));
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
fn both_engines_answer_alike_from_one_package() {
    let place = copy_of_the_project();
    let set = ["--set", "train.epochs=2", "--device", "flex"];
    for name in ["digits", "diamonds", "census_nano"] {
        let config = format!("configs/{name}.toml");
        let mut args = vec!["train", "--config", &config];
        args.extend(set);
        place.json(&args);
        let input = format!("data/{name}.csv.gz");
        let by = |engine: &str| -> Vec<Value> {
            let said = place.run(&[
                "predict", "--model", name, "--input", &input, "--engine", engine, "--device", "flex",
            ]);
            assert_eq!(said.code, Some(0), "{}", said.err);
            said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let (burn, candle) = (by("burn"), by("candle"));
        assert!(burn.len() > 1000 && burn.len() == candle.len());
        for (a, b) in burn.iter().zip(&candle) {
            close(a, b);
        }
    }
}

/// Numbers alike to 1e-4, everything else equal; a class may differ where two are equally likely. A price of a few
/// dollars is a sum of thousands, of which a 32-bit number keeps seven digits.
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
fn a_regression_is_answered_in_the_units_of_the_data() {
    let place = copy_of_the_project();
    let done = place.json(&[
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
    let server = place.serve(&["--model", "diamonds"]);
    let row = json!({"carat": 1.0, "cut": "Ideal", "color": "G", "clarity": "VS2", "depth": 61.5, "table": 56,
                     "x": 6.4, "y": 6.42, "z": 3.95});
    let body = json!({ "rows": [row] }).to_string();
    let price =
        server.post("/v1/models/diamonds/predict", body, &[]).json()["predictions"][0]["price"]["value"]
            .clone();
    assert!((3000.0..12000.0).contains(&price.as_f64().unwrap()), "{price}");
}

#[test]
fn missing_values_and_unseen_categories_are_answered() {
    let place = copy_of_the_project();
    let done = place.json(&["train", "--config", "configs/census_nano.toml", "--device", "flex"]);
    assert!(done["metrics"]["roc_auc"].as_f64().unwrap() >= 0.90, "{done}");
    let show = place.json(&["models", "show", "census_nano"]);
    let inputs = show["manifest"]["signature"]["inputs"].as_array().unwrap();
    let row: serde_json::Map<String, Value> = inputs
        .iter()
        .map(|input| {
            let value = if input["type"] == "number" { Value::Null } else { json!("never heard of") };
            (input["name"].as_str().unwrap().to_owned(), value)
        })
        .collect();
    let server = place.serve(&["--model", "census_nano"]);
    let answer = server.post("/v1/models/census_nano/predict", json!({ "rows": [row] }).to_string(), &[]);
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[test]
fn a_second_package_gets_the_next_version_and_the_same_weights() {
    let place = Place::with_blobs(200, "[train]\nepochs = 2\n");
    place.train(&[]);
    place.train(&[]);
    let digest = |version: &str| {
        let shown = place.json(&["models", "show", version]);
        shown["manifest"]["files"]["model.safetensors"].clone()
    };
    assert_eq!(digest("blobs:1"), digest("blobs:2"), "the same config, data and seed");
    place.train(&["--set", "seed=12"]);
    assert_ne!(digest("blobs:1"), digest("blobs:3"));
}

#[test]
fn rows_come_in_from_a_pipe_and_go_out_as_csv() {
    let place = Place::with_blobs(200, "[train]\nepochs = 20\n");
    place.train(&[]);
    place.write("in.jsonl", "{\"x\": -1.0, \"y\": 0.5}\n{\"x\": 1.0, \"y\": 0.5}\n");
    let run = |args: &[&str]| {
        let mut command = place.command(args);
        command.stdin(fs::File::open(place.path("in.jsonl")).unwrap());
        command.output().unwrap()
    };
    let out = run(&["predict", "--model", "blobs", "--device", "flex", "--output", "out.csv"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let csv = place.read("out.csv");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("side,side_p_left,side_p_right"));
    assert!(lines.next().unwrap().starts_with("left,0."), "{csv}");
    assert!(lines.next().unwrap().starts_with("right,"), "{csv}");
}

#[test]
fn evaluate_gives_the_numbers_of_the_run() {
    let place = Place::with_blobs(300, "[train]\nepochs = 5\n");
    // All rows are test rows too, so that the two can be compared.
    place.write(
        "run.toml",
        place
            .read("run.toml")
            .replace("source = \"blobs.csv\"", "source = \"blobs.csv\"\ntest_source = \"blobs.csv\""),
    );
    let done = place.train(&[]);
    let found = place.json(&[
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
        let (a, b) = (done["metrics"][name].as_f64().unwrap(), found["values"][name].as_f64().unwrap());
        assert!((a - b).abs() < 1e-6, "{name}: {a} {b}");
    }
    assert!(place.path("report/metrics.json").is_file());
}
