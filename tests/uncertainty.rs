use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::TestHome;

/// Numbers between 0 and 1 that look random.
fn draw(index: usize, column: usize) -> f64 {
    ((index as f64 * 12.9898 + column as f64 * 78.233).sin() * 43_758.545).fract().abs()
}

/// Prices that grow with the size of a thing; those of shop `b` are five times as noisy.
fn prices(rows: usize) -> String {
    let mut text = String::from("size,shop,price\n");
    for row in 0..rows {
        let (size, noise) = (draw(row, 1), draw(row, 2) + draw(row, 3) - 1.0);
        let (shop, scale) = if row % 2 == 0 { ("a", 1.0) } else { ("b", 5.0) };
        let _ = writeln!(text, "{size:.4},{shop},{:.4}", 100.0 + 20.0 * size + scale * noise);
    }
    text
}

/// Answers of which about one in four is `yes`, likelier with a larger `x`.
fn answers(rows: usize) -> String {
    let mut text = String::from("x,z,said\n");
    for row in 0..rows {
        let (x, z) = (draw(row, 1), draw(row, 2));
        let said = if x * x + 0.6 * (draw(row, 3) - 0.5) > 0.55 { "yes" } else { "no" };
        let _ = writeln!(text, "{x:.4},{z:.4},{said}");
    }
    text
}

fn home(data: &str, target: &str, more: &str) -> TestHome {
    let home = TestHome::new();
    home.write("rows.csv", data);
    home.write(
        "run.toml",
        format!(
            "name = \"m\"\nseed = 5\n[data]\nsource = \"rows.csv\"\n[[targets]]\n{target}\n[model]\nfamily = \"gbdt\"\nrounds = 100\n{more}\n"
        ),
    );
    home
}

const PRICE: &str = "name = \"price\"\nkind = \"number\"";
const SAID: &str = "name = \"said\"\nkind = \"category\"\npositive = \"yes\"";
const PREDICT: &str = "/v1/models/m/predict";

fn metrics(home: &TestHome, trained: &Value) -> Value {
    let path = format!(".cupola/runs/{}/metrics.json", trained["run"].as_str().unwrap());
    serde_json::from_str(&home.read(&path)).unwrap()
}

fn plan(home: &TestHome) -> Value {
    serde_json::from_str(&home.read(".cupola/models/m/1/plan.json")).unwrap()
}

fn width(prediction: &Value) -> f64 {
    let interval = &prediction["price"]["interval"];
    interval["high"].as_f64().unwrap() - interval["low"].as_f64().unwrap()
}

#[test]
fn numbers_have_intervals_of_any_coverage_on_every_channel() {
    let uncertainty = "[uncertainty]\nmethod = \"split\"\nshare = 0.2\nby = \"shop\"";
    let home = home(&prices(1500), PRICE, uncertainty);
    let trained = home.train(&[]);
    let metrics = metrics(&home, &trained);
    assert_eq!(metrics["uncertainty"]["coverage"], json!(0.9), "{metrics}");
    let coverage = metrics["splits"]["test"]["values"]["interval_coverage"].as_f64().unwrap();
    assert!((0.83..=0.97).contains(&coverage), "{coverage}");
    let server = home.serve(&["--model", "m"]);
    // The page asks for intervals where this is.
    assert_eq!(server.get("/v1/models/m").json()["interval"], json!(0.9));
    let rows = json!([{ "size": 0.5, "shop": "a" }, { "size": 0.5, "shop": "b" }]);
    let predict = |interval: Value| {
        let body = json!({ "rows": rows, "interval": interval });
        let response = server.post(PREDICT, body.to_string(), &[]);
        assert_eq!(response.status, 200, "{}", response.text);
        response.json()["predictions"].clone()
    };
    let sealed = predict(json!(true));
    assert_eq!(sealed, predict(json!(0.9)));
    let one = &sealed[0]["price"];
    let value = one["value"].as_f64().unwrap();
    assert!(
        one["interval"]["low"].as_f64().unwrap() < value && value < one["interval"]["high"].as_f64().unwrap()
    );
    // Mondrian: the noisy shop has the wider interval; a smaller coverage has narrower ones.
    assert!(width(&sealed[1]) > 2.0 * width(&sealed[0]), "{sealed}");
    let half = predict(json!(0.5));
    assert!(width(&half[0]) < width(&sealed[0]) && half[0]["price"]["interval"]["coverage"] == json!(0.5));
    assert!(predict(json!(false))[0]["price"].get("interval").is_none());
    // The command line and CSV say the same.
    home.write("new.csv", "size,shop\n0.5,a\n0.5,b\n");
    let output =
        home.run(&["predict", "--model", "m", "--input", "new.csv", "--interval", "0.9", "--device", "flex"]);
    let lines: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json!(lines), sealed, "{}", output.stderr);
    let csv = server.post(
        &format!("{PREDICT}?interval=0.9"),
        "size,shop\n0.5,a\n",
        &[("content-type", "text/csv")],
    );
    assert_eq!(csv.json(), sealed[0], "{}", csv.text);
    let table = home.run(&[
        "predict",
        "--model",
        "m",
        "--input",
        "new.csv",
        "--interval",
        "--output",
        "out.csv",
        "--device",
        "flex",
    ]);
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    assert!(home.read("out.csv").starts_with("price,price_low,price_high\n"), "{}", home.read("out.csv"));
    // Other coverages are refused, and the message names the largest one.
    for (interval, words) in [
        (json!(1.0), "above 0 and below 1"),
        (json!(0), "above 0 and below 1"),
        (json!(0.9999), "ask for at most 0.99"),
    ] {
        let body = json!({ "rows": rows, "interval": interval });
        let response = server.post(PREDICT, body.to_string(), &[]);
        assert_eq!(response.status, 422, "{}", response.text);
        assert!(response.text.contains(words), "{}", response.text);
        assert_eq!(response.json()["error"]["field"], "interval");
    }
    let described = server.get("/openapi.json").json();
    let schema = &described["paths"][PREDICT]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert!(schema["properties"]["interval"].is_object(), "{schema}");
    // Tensors: only where they are asked for.
    let infer = |more: Value| {
        let mut body = json!({ "inputs": [
            { "name": "size", "shape": [2, 1], "datatype": "FP64", "data": [0.5, 0.5] },
            { "name": "shop", "shape": [2, 1], "datatype": "BYTES", "data": ["a", "b"] },
        ] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let response = server.post("/v2/models/m/infer", body.to_string(), &[]);
        assert_eq!(response.status, 200, "{}", response.text);
        response.json()["outputs"].as_array().unwrap().clone()
    };
    assert_eq!(infer(json!({})).len(), 1);
    let named = infer(json!({ "outputs": [{ "name": "price_high" }] }));
    let high = named[0]["data"][1].as_f64().unwrap();
    assert!((high - sealed[1]["price"]["interval"]["high"].as_f64().unwrap()).abs() < 1e-3, "{named:?}");
    assert_eq!(infer(json!({ "parameters": { "interval": 0.5 } })).len(), 3);
    assert_eq!(infer(json!({ "parameters": { "explain": false } })).len(), 1);
    let tensor = json!({ "name": "size", "shape": [1, 1], "datatype": "FP64", "data": [0.5] });
    for (more, words) in [
        (json!({ "outputs": [{ "name": "price_hihg" }] }), "price, price_low, price_high"),
        (json!({ "parameters": { "explain": true } }), "POST /v1/models/m/predict"),
    ] {
        let mut body = json!({ "inputs": [tensor, { "name": "shop", "shape": [1, 1], "datatype": "BYTES", "data": ["a"] }] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let response = server.post("/v2/models/m/infer", body.to_string(), &[]);
        assert!(response.status == 400 && response.text.contains(words), "{}", response.text);
    }
}

#[test]
fn classes_have_sets_calibrated_probabilities_and_a_tuned_threshold() {
    let more = "[evaluate]\ncalibration = \"temperature\"\nthreshold = { recall = 0.9 }\n[uncertainty]\nmethod = \"raps\"\nshare = 0.2";
    let home = home(&answers(1500), SAID, more);
    let trained = home.train(&[]);
    let metrics = metrics(&home, &trained);
    let (before, after) = (&metrics["calibration"]["before"], &metrics["calibration"]["after"]);
    assert!(before["log_loss"].is_number() && after["log_loss"].is_number(), "{metrics}");
    assert!(metrics["threshold"]["said"]["valid"]["recall"].as_f64().unwrap() >= 0.9, "{metrics}");
    let plan = plan(&home);
    let threshold = plan["target"]["threshold"].as_f64().unwrap();
    assert_eq!(plan["target"]["calibration"]["method"], "temperature");
    assert_eq!(metrics["calibration"]["in_sample"], false);
    let server = home.serve(&["--model", "m"]);
    let rows: Vec<Value> = (0..60).map(|row| json!({ "x": f64::from(row) / 60.0, "z": 0.5 })).collect();
    let response = server.post(PREDICT, json!({ "rows": rows, "interval": 0.95 }).to_string(), &[]);
    assert_eq!(response.status, 200, "{}", response.text);
    let mut sizes = [0; 3];
    for prediction in response.json()["predictions"].as_array().unwrap() {
        let said = &prediction["said"];
        let positive = said["probabilities"]["yes"].as_f64().unwrap();
        assert_eq!(said["value"] == "yes", positive >= threshold, "{said}");
        sizes[said["set"].as_array().unwrap().len()] += 1;
    }
    assert!(sizes[0] == 0 && sizes[1] > 0, "{sizes:?}");
    // `evaluate` decodes with the sealed decisions too.
    let evaluated = home.json(&["evaluate", "--model", "m", "--data", "rows.csv", "--device", "flex"]);
    assert!(evaluated["metrics"]["recall"].as_f64().unwrap() > 0.8, "{evaluated}");
}

#[test]
fn what_the_data_does_not_allow_is_one_error_with_its_remedy() {
    let error = |data: &str, target: &str, more: &str| {
        let home = home(data, target, more);
        let output = home.run(&["train", "--config", "run.toml", "--device", "flex"]);
        assert_eq!(output.code, Some(2), "{}{}", output.stdout, output.stderr);
        output.stderr
    };
    let huge = error(&format!("{}0.5,a,1e300\n", prices(300)), PRICE, "");
    assert!(huge.contains("found 1e300, which is too large") && !huge.contains("not a finite"), "{huge}");
    let few = error(&prices(60), PRICE, "[uncertainty]\nmethod = \"split\"");
    assert!(few.contains("are left to calibrate") && few.contains("`uncertainty.share`"), "{few}");
    let absent = error(&prices(300), PRICE, "[uncertainty]\nmethod = \"split\"\nby = \"shap\"");
    assert!(absent.contains("did you mean `shop`?") && absent.contains("uncertainty.by"), "{absent}");
    let three = prices(300).replace(",b,", ",c,").replacen(",c,", ",b,", 40);
    let classes = error(&three, "name = \"shop\"\nkind = \"category\"", "[evaluate]\nthreshold = \"f1\"");
    assert!(classes.contains("`shop` has 3 classes"), "{classes}");
    // A model without intervals says how to get them.
    let plain = home(&prices(300), PRICE, "");
    plain.train(&[]);
    let server = plain.serve(&["--model", "m"]);
    let body = json!({ "rows": [{ "size": 0.5, "shop": "a" }], "interval": 0.9 });
    let response = server.post(PREDICT, body.to_string(), &[]);
    assert_eq!(response.status, 422, "{}", response.text);
    assert!(response.text.contains("train it with `[uncertainty]`"), "{}", response.text);
}

/// Prices whose noise grows with the size of a thing.
fn growing_noise(rows: usize) -> String {
    let mut text = String::from("size,price\n");
    for row in 0..rows {
        let (size, noise) = (draw(row, 1), draw(row, 2) + draw(row, 3) - 1.0);
        let _ = writeln!(text, "{size:.4},{:.4}", 100.0 + 20.0 * size + (0.5 + 8.0 * size) * noise);
    }
    text
}

#[test]
fn quantiles_of_trees_and_networks_give_wider_intervals_to_harder_rows() {
    let config = |more: &str| {
        let home = TestHome::new();
        home.write("rows.csv", growing_noise(2_000));
        home.write(
            "run.toml",
            format!(
                "name = \"m\"\nseed = 5\n[data]\nsource = \"rows.csv\"\n[[targets]]\n{PRICE}\n[uncertainty]\nmethod = \"cqr\"\nshare = 0.2\n[gate]\n\"interval_coverage\" = \">= 0.8\"\n{more}\n"
            ),
        );
        home
    };
    for more in [
        "[model]\nfamily = \"gbdt\"\nrounds = 100",
        "[model]\nfamily = \"mlp\"\nhidden = [32, 32]\n[train]\nepochs = 30",
    ] {
        let home = config(more);
        let trained = home.train(&[]);
        let metrics = metrics(&home, &trained);
        assert_eq!(metrics["uncertainty"]["method"], json!("cqr"), "{metrics}");
        let coverage = metrics["splits"]["test"]["values"]["interval_coverage"].as_f64().unwrap();
        assert!((0.83..=0.97).contains(&coverage), "{more}: {coverage}");
        let found = &plan(&home)["target"]["outputs"]["quantiles"];
        assert!((found[0].as_f64().unwrap() - 0.05).abs() < 1e-9, "{found}");
        let server = home.serve(&["--model", "m"]);
        let predict = |interval: Value| {
            let rows = json!([{ "size": 0.1 }, { "size": 0.9 }]);
            let body = json!({ "rows": rows, "interval": interval });
            let response = server.post(PREDICT, body.to_string(), &[]);
            assert_eq!(response.status, 200, "{}", response.text);
            response.json()["predictions"].clone()
        };
        let sealed = predict(json!(true));
        assert!(width(&sealed[1]) > 1.8 * width(&sealed[0]), "{more}: {sealed}");
        let (half, wide) = (predict(json!(0.5)), predict(json!(0.99)));
        assert!(width(&half[1]) < width(&sealed[1]) && width(&sealed[1]) < width(&wide[1]), "{half} {wide}");
        // The prediction and what explains it are those of the number.
        let value = sealed[1]["price"]["value"].as_f64().unwrap();
        assert!((value - 118.0).abs() < 4.0, "{more}: {value}");
        assert_eq!(sealed[1]["price"].as_object().unwrap().len(), 2, "{sealed}");
        let body = json!({ "rows": [{ "size": 0.9 }], "explain": true });
        let response = server.post(PREDICT, body.to_string(), &[]);
        assert_eq!(response.status, 200, "{}", response.text);
        home.write("new.csv", "size\n0.1\n0.9\n");
        let output =
            home.run(&["predict", "--model", "m", "--input", "new.csv", "--interval", "--device", "flex"]);
        let lines: Vec<Value> =
            output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(json!(lines), sealed, "{}", output.stderr);
        let evaluated = home.json(&["evaluate", "--model", "m", "--data", "rows.csv", "--device", "flex"]);
        assert!(evaluated["metrics"]["interval_coverage"].as_f64().unwrap() > 0.8, "{evaluated}");
        assert!(evaluated["metrics"]["r2"].as_f64().unwrap() > 0.5, "{evaluated}");
    }
}

#[test]
fn intervals_added_to_a_config_divide_the_rows_anew() {
    let home = home(&prices(600), PRICE, "");
    home.train(&[]);
    let trained = home.train(&["--set", "uncertainty.method=split", "--set", "uncertainty.share=0.2"]);
    let metrics = metrics(&home, &trained);
    assert!(metrics["uncertainty"]["rows"].as_u64().unwrap() > 60, "{metrics}");
}

#[test]
fn a_cross_validation_has_intervals_without_rows_set_aside() {
    let home = home(&growing_noise(800), PRICE, "[uncertainty]\nmethod = \"cv_plus\"");
    let refused = home.run(&["train", "--config", "run.toml", "--device", "flex"]);
    assert_eq!(refused.code, Some(2), "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("use `cupola cv`"), "{}", refused.stderr);
    home.json(&["cv", "--config", "run.toml", "--folds", "4", "--device", "flex"]);
    let plan = plan(&home);
    assert_eq!(plan["target"]["outputs"]["folds"], json!(4));
    let scores = &plan["uncertainty"]["targets"]["price"]["all"];
    assert_eq!((scores["rows"].as_u64(), scores["steps"].as_array().unwrap().len()), (Some(800), 4));
    // Rows of the same kind that no fold has seen.
    let text = growing_noise(1_400);
    let mut lines = text.lines();
    let head = lines.next().unwrap();
    let rows: Vec<&str> = lines.skip(800).collect();
    home.write("new.csv", format!("{head}\n{}\n", rows.join("\n")));
    let evaluated = home.json(&["evaluate", "--model", "m", "--data", "new.csv", "--device", "flex"]);
    let coverage = evaluated["metrics"]["interval_coverage"].as_f64().unwrap();
    assert!((0.85..=0.97).contains(&coverage), "{coverage}");
    let server = home.serve(&["--model", "m"]);
    let predict = |interval: Value| {
        let body = json!({ "rows": [{ "size": 0.5 }], "interval": interval });
        server.post(PREDICT, body.to_string(), &[])
    };
    let (sealed, half) = (predict(json!(true)).json(), predict(json!(0.5)).json());
    let (sealed, half) = (&sealed["predictions"][0], &half["predictions"][0]);
    assert!(width(half) < width(sealed), "{half} {sealed}");
    let value = sealed["price"]["value"].as_f64().unwrap();
    let bound = |name: &str| sealed["price"]["interval"][name].as_f64().unwrap();
    assert!(bound("low") < value && value < bound("high"), "{sealed}");
    let too_much = predict(json!(0.9999));
    assert_eq!(too_much.status, 422, "{}", too_much.text);
    assert!(too_much.text.contains("ask for at most 0.998"), "{}", too_much.text);
}
