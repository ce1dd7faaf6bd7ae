//! Explanations of predictions, served and by the command.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::support::{Server, TestHome};

/// CSV in which `x` decides the class and the number, `kind` shifts the number, and `noise` does nothing.
fn table(rows: usize) -> String {
    let mut text = "x,noise,kind,label,price\n".to_owned();
    for row in 0..rows {
        let (x, noise) = ((row as f64 * 0.618).fract(), (row as f64 * 0.414).fract());
        let kind = ["a", "b", "c"][row % 3];
        let price = 10.0 * x + if kind == "c" { 5.0 } else { 0.0 };
        let label = if x > 0.5 { "yes" } else { "no" };
        let _ = writeln!(text, "{x:.4},{noise:.4},{kind},{label},{price:.3}");
    }
    text
}

/// Model `shop` of this family on the table, with these targets.
fn shop(targets: &[(&str, &str)], model: &str) -> TestHome {
    let home = TestHome::new();
    home.write("rows.csv", table(400));
    let targets: Vec<String> = targets
        .iter()
        .map(|(name, kind)| format!("[[targets]]\nname = \"{name}\"\nkind = \"{kind}\"\n"))
        .collect();
    home.write(
        "run.toml",
        format!(
            "name = \"shop\"\nseed = 1\n[data]\nsource = \"rows.csv\"\n\
             [[inputs]]\nname = \"x\"\nkind = \"number\"\n[[inputs]]\nname = \"noise\"\nkind = \"number\"\n\
             [[inputs]]\nname = \"kind\"\nkind = \"category\"\n{}[model]\n{model}\n[train]\nepochs = 12\n\
             batch_size = 16\n[train.optimizer]\nlearning_rate = 1e-2\n",
            targets.concat()
        ),
    );
    home.train(&[]);
    home
}

const PATH: &str = "/v1/models/shop/predict";

fn row() -> Value {
    json!({ "x": 0.93, "noise": 0.4, "kind": "c" })
}

#[track_caller]
fn explained(server: &Server, explain: &Value) -> Value {
    let body = json!({ "rows": [row()], "explain": explain }).to_string();
    let response = server.post(PATH, body, &[]);
    assert_eq!(response.status, 200, "{}", response.text);
    response.json()["predictions"][0].clone()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

/// Checks that base and shares sum to the output; returns the share of a column.
#[track_caller]
fn share(explanation: &Value, column: &str, tolerance: f64) -> f64 {
    let values = explanation["values"].as_object().unwrap();
    assert_eq!(values.keys().collect::<Vec<_>>(), ["x", "noise", "kind"], "{explanation}");
    let sum: f64 = values.values().map(number).sum();
    let missing = number(&explanation["output"]) - number(&explanation["base"]) - sum;
    assert!(missing.abs() <= tolerance, "{explanation}");
    assert!((missing.abs() - number(&explanation["completeness_error"])).abs() < 1e-9, "{explanation}");
    number(&values[column])
}

#[test]
fn shares_of_boosted_trees_sum_to_the_served_score() {
    let home = shop(&[("label", "category")], "family = \"gbdt\"\nrounds = 100");
    let server = home.serve(&["--model", "shop"]);
    let found = explained(&server, &json!(true))["label"].clone();
    let explanation = &found["explanation"];
    assert_eq!(explanation["method"], "tree_shap");
    assert_eq!((&explanation["scale"], &explanation["class"]), (&json!("log_odds"), &found["value"]));
    assert!(share(explanation, "x", 1e-6) > 10.0 * share(explanation, "noise", 1e-6).abs());
    // The score is the log odds of the served probability.
    let p = number(&found["probabilities"]["yes"]);
    let log_odds = number(&explanation["output"]);
    assert!((1.0 / (1.0 + (-log_odds).exp()) - p).abs() < 1e-6, "{found}");
    // The other class has the opposite shares.
    let other = explained(&server, &json!({ "class": "no" }))["label"]["explanation"].clone();
    assert!((share(&other, "x", 1e-6) + share(explanation, "x", 1e-6)).abs() < 1e-9);
    // Permutations agree in sign and nearly in size.
    let estimated =
        explained(&server, &json!({ "method": "permutation_shapley" }))["label"]["explanation"].clone();
    assert!(share(&estimated, "x", 1e-4) > 0.0 && estimated["evaluations"] == 8, "{estimated}");
    // Without the option nothing is explained, and the predictions are the same.
    let plain = server.post(PATH, json!({ "rows": [row()] }).to_string(), &[]).json();
    assert!(plain["predictions"][0]["label"].get("explanation").is_none());
    assert_eq!(plain["predictions"][0]["label"]["value"], found["value"]);
    let metrics = server.get("/metrics").text;
    assert!(metrics.contains("cupola_explanations_total{model=\"shop\",version=\"1\"} 3"), "{metrics}");
    assert!(metrics.contains("cupola_explanation_seconds_total{model=\"shop\",version=\"1\"}"), "{metrics}");
}

#[test]
fn forests_explain_probabilities_and_numbers_have_their_units() {
    let home = shop(&[("label", "category"), ("price", "number")], "family = \"random_forest\"\ntrees = 20");
    let server = home.serve(&["--model", "shop"]);
    let found = explained(&server, &json!(true));
    let label = &found["label"]["explanation"];
    assert_eq!(label["scale"], "probability");
    share(label, "x", 1e-9);
    let class = found["label"]["value"].as_str().unwrap();
    assert!(
        (number(&label["output"]) - number(&found["label"]["probabilities"][class])).abs() < 1e-4,
        "{found}"
    );
    let price = &found["price"]["explanation"];
    assert!((number(&price["output"]) - number(&found["price"]["value"])).abs() < 1e-3, "{found}");
    assert!(share(price, "x", 1e-6) > 1.0 && share(price, "kind", 1e-6) > 0.5, "{price}");
    // The option names one target.
    let one = explained(&server, &json!({ "target": "price" }));
    assert!(one["label"].get("explanation").is_none() && one["price"].get("explanation").is_some(), "{one}");
}

#[test]
fn networks_are_explained_by_integrated_gradients() {
    for model in [
        "family = \"mlp\"\nhidden = [16]",
        "family = \"ft_transformer\"\nblocks = 1\nwidth = 8\nheads = 2",
        "family = \"resnet_tabular\"\nblocks = 1\nwidth = 16",
    ] {
        let home = shop(&[("price", "number")], model);
        for engine in ["burn", "candle"] {
            let server = home.serve(&["--model", "shop", "--engine", engine]);
            let found = explained(&server, &json!(true))["price"].clone();
            let explanation = &found["explanation"];
            assert_eq!(explanation["method"], "integrated_gradients");
            let tolerance =
                0.02 * (number(&explanation["output"]) - number(&explanation["base"])).abs() + 1e-3;
            assert!(share(explanation, "x", tolerance) > 1.0, "{model}: {explanation}");
            assert!(
                (number(&explanation["output"]) - number(&found["value"])).abs() < 1e-2,
                "{model}: {found}"
            );
        }
    }
}

#[test]
fn tokens_of_texts_have_their_bytes_and_pixels_a_heat_map() {
    let home = TestHome::new();
    // No two rows are alike.
    let text = |row: usize| {
        let (words, label) =
            if row.is_multiple_of(2) { ("win a prize", "spam") } else { ("see the minutes", "ham") };
        format!("{words} n{row},{label}\n")
    };
    let texts: String = (0..200).map(text).collect();
    home.write("mail.csv", format!("words,label\n{texts}"));
    home.write(
        "run.toml",
        "name = \"mail\"\nseed = 1\n[data]\nsource = \"mail.csv\"\n[[inputs]]\nname = \"words\"\nkind = \"text\"\n\
         tokens = { kind = \"word\", vocabulary = 50, length = 8 }\n[[targets]]\nname = \"label\"\n\
         kind = \"category\"\n[model]\nfamily = \"text_transformer\"\nblocks = 1\nwidth = 8\nheads = 2\n\
         [train]\nepochs = 4\nbatch_size = 16\n[train.optimizer]\nlearning_rate = 1e-2\n",
    );
    home.train(&[]);
    let server = home.serve(&["--model", "mail"]);
    let body = json!({ "rows": [{ "words": "win a prize" }], "explain": true }).to_string();
    let response = server.post("/v1/models/mail/predict", body, &[]);
    assert_eq!(response.status, 200, "{}", response.text);
    let explanation = response.json()["predictions"][0]["label"]["explanation"].clone();
    let tokens = explanation["tokens"]["words"].as_array().unwrap();
    let named: Vec<_> =
        tokens.iter().map(|token| (token["text"].as_str(), token["start"].as_u64())).collect();
    assert_eq!(
        named,
        [(Some("win"), Some(0)), (Some("a"), Some(4)), (Some("prize"), Some(6))],
        "{explanation}"
    );
    let sum: f64 = tokens.iter().map(|token| number(&token["value"])).sum();
    assert!((sum - number(&explanation["values"]["words"])).abs() < 1e-9);

    home.write("pixels.csv", pixels());
    home.write(
        "run.toml",
        "name = \"dots\"\nseed = 1\n[data]\nsource = \"pixels.csv\"\n[[inputs]]\nname = \"image\"\nkind = \"image\"\n\
         columns = \"p*\"\nshape = [1, 4, 4]\n[[targets]]\nname = \"side\"\nkind = \"category\"\n\
         [model]\nfamily = \"vit\"\npatch = 2\nblocks = 1\nwidth = 8\nheads = 2\n\
         [train]\nepochs = 4\nbatch_size = 16\n",
    );
    home.train(&[]);
    let server = home.serve(&["--model", "dots"]);
    let mut row: serde_json::Map<String, Value> = (0..16).map(|at| (format!("p{at:02}"), json!(0))).collect();
    row["p04"] = json!(9);
    let body = json!({ "rows": [row], "explain": true }).to_string();
    let response = server.post("/v1/models/dots/predict", body, &[]);
    assert_eq!(response.status, 200, "{}", response.text);
    let explanation = response.json()["predictions"][0]["side"]["explanation"].clone();
    let map = explanation["heat_maps"]["image"].as_array().unwrap();
    assert_eq!((map.len(), map[0].as_array().unwrap().len()), (4, 4));
    // Black pixels are the reference, so only the bright one has a share.
    for (at, share) in map.iter().flat_map(|row| row.as_array().unwrap()).enumerate() {
        assert_eq!(number(share).abs() > 1e-6, at == 4, "{explanation}");
    }
    // Permutations take the pixels apart too, here each by itself.
    let explain = json!({ "method": "permutation_shapley" });
    let body = json!({ "rows": [row], "explain": explain }).to_string();
    let response = server.post("/v1/models/dots/predict", body, &[]);
    assert_eq!(response.status, 200, "{}", response.text);
    let explanation = response.json()["predictions"][0]["side"]["explanation"].clone();
    assert_eq!(explanation["patches"]["image"], json!([4, 4]));
    let map = explanation["heat_maps"]["image"].as_array().unwrap();
    let shares: Vec<f64> = map.iter().flat_map(|row| row.as_array().unwrap()).map(number).collect();
    assert!(shares.iter().enumerate().all(|(at, share)| (share.abs() > 1e-6) == (at == 4)), "{explanation}");
    assert!((shares.iter().sum::<f64>() - number(&explanation["values"]["image"])).abs() < 1e-4);
}

#[test]
fn forecasts_are_explained_by_column_and_lag() {
    let home = TestHome::new();
    let mut text = "load,wind\n".to_owned();
    for row in 0..400 {
        // The next value repeats the last one, and the wind does nothing.
        let (load, wind) = ((f64::from(row) / 40.0).sin(), (f64::from(row) * 0.618).fract());
        let _ = writeln!(text, "{load:.4},{wind:.4}");
    }
    home.write("rows.csv", text);
    home.write(
        "run.toml",
        "name = \"load\"\nseed = 1\n[data]\nsource = \"rows.csv\"\n[[inputs]]\nname = \"past\"\nkind = \"series\"\n\
         columns = [\"load\", \"wind\"]\nwindow = 20\n[[targets]]\nname = \"load\"\nkind = \"forecast\"\nhorizon = 2\n\
         [model]\nfamily = \"dlinear\"\n[train]\nepochs = 6\nbatch_size = 16\n[train.optimizer]\nlearning_rate = 1e-2\n",
    );
    home.train(&[]);
    let server = home.serve(&["--model", "load"]);
    let rows: Vec<Value> =
        (0..20).map(|row| json!({ "load": (f64::from(row) / 40.0).sin(), "wind": 0.5 })).collect();
    for method in ["integrated_gradients", "permutation_shapley"] {
        let body = json!({ "rows": rows, "explain": { "method": method } }).to_string();
        let response = server.post("/v1/models/load/predict", body, &[]);
        assert_eq!(response.status, 200, "{}", response.text);
        let explanation = response.json()["predictions"][0]["load"]["explanation"].clone();
        for column in ["load", "wind"] {
            let lags = explanation["lags"][column].as_array().unwrap();
            assert_eq!((&lags[0]["from"], &lags[7]["to"]), (&json!(1), &json!(20)), "{explanation}");
            for pair in lags.windows(2) {
                assert_eq!(pair[0]["to"].as_u64().unwrap() + 1, pair[1]["from"].as_u64().unwrap());
            }
            let sum: f64 = lags.iter().map(|lag| number(&lag["value"])).sum();
            assert!((sum - number(&explanation["values"][column])).abs() < 1e-6, "{method}: {explanation}");
        }
    }
}

/// Images of 4 x 4 pixels with one bright pixel on the left or on the right.
fn pixels() -> String {
    let header: Vec<String> = (0..16).map(|at| format!("p{at:02}")).collect();
    let mut text = header.join(",") + ",side\n";
    for row in 0..200 {
        let (bright, right) = ((row * 7) % 16, (row * 7) % 4 > 1);
        let brightness = 4 + row / 16;
        let values: Vec<String> =
            (0..16).map(|at| if at == bright { brightness } else { 0 }.to_string()).collect();
        let _ = writeln!(text, "{},{}", values.join(","), if right { "right" } else { "left" });
    }
    text
}

#[test]
fn what_cannot_be_explained_is_refused_with_the_remedy() {
    let home = shop(&[("label", "category")], "family = \"gbdt\"\nrounds = 100");
    let server = home.serve(&["--model", "shop"]);
    for (explain, status, code, field, words) in [
        (json!({ "taget": "label" }), 400, "invalid_value", "explain", "did you mean `target`?"),
        (json!("yes"), 400, "invalid_value", "explain", "send true"),
        (json!({ "target": "labell" }), 422, "not_explained", "target", "did you mean `label`?"),
        (
            json!({ "class": "maybe", "target": "label" }),
            422,
            "not_explained",
            "class",
            "unknown class `maybe`",
        ),
        (json!({ "method": "integrated_gradients" }), 422, "not_explained", "method", "use `tree_shap`"),
    ] {
        let body = json!({ "rows": [row()], "explain": explain }).to_string();
        let response = server.post(PATH, body, &[]);
        assert_eq!(response.status, status, "{}", response.text);
        let error = response.json()["error"].clone();
        assert_eq!((&error["code"], &error["field"]), (&json!(code), &json!(field)), "{error}");
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
    }
    let body = json!({ "rows": vec![row(); 65], "explain": true }).to_string();
    let response = server.post(PATH, body, &[]);
    assert_eq!(response.status, 422, "{}", response.text);
    assert!(response.text.contains("at most 64"), "{}", response.text);

    home.write(
        "run.toml",
        "name = \"odd\"\nseed = 3\n[data]\nsource = \"rows.csv\"\n\
         [[inputs]]\nname = \"both\"\nkind = \"number\"\ncolumns = [\"x\", \"noise\"]\n\
         [[targets]]\nname = \"score\"\nkind = \"reconstruct\"\n\
         [model]\nfamily = \"autoencoder\"\nhidden = [4]\ncode = 1\n[train]\nepochs = 1\n",
    );
    home.train(&[]);
    let server = home.serve(&["--model", "odd"]);
    let body = json!({ "rows": [row()], "explain": true }).to_string();
    let response = server.post("/v1/models/odd/predict", body, &[]);
    assert_eq!(response.status, 422, "{}", response.text);
    assert!(response.text.contains("autoencoder"), "{}", response.text);
}

#[test]
fn the_command_explains_as_the_server_does() {
    let home = shop(&[("label", "category")], "family = \"gbdt\"\nrounds = 100");
    home.write("one.jsonl", row().to_string());
    let mut args =
        vec!["predict", "--model", "shop", "--input", "one.jsonl", "--device", "flex", "--explain"];
    let output = home.run(&args);
    let found: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", output.stderr));
    let server = home.serve(&["--model", "shop"]);
    assert_eq!(found, explained(&server, &json!(true)));
    // Time for explanations does not change them.
    assert_eq!(found, explained(&server, &json!({ "budget_ms": 20_000 })));
    args.extend(["--output", "one.csv"]);
    let refused = home.run(&args);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("explanations are JSON lines"), "{}", refused.stderr);
}

#[test]
fn an_explanation_that_cannot_end_in_its_time_is_refused_before_it_begins() {
    let home = shop(&[("price", "number")], "family = \"random_forest\"\ntrees = 2000\nleaf = 1");
    let server = home.serve(&["--model", "shop"]);
    // The first one makes the form of the trees that explanations need.
    explained(&server, &json!(true));
    let body = json!({ "rows": [row(), row()], "explain": { "budget_ms": 10 } }).to_string();
    let response = server.post(PATH, body, &[]);
    assert_eq!(response.status, 422, "{}", response.text);
    let error = response.json()["error"].clone();
    assert_eq!((&error["code"], &error["field"]), (&json!("not_explained"), &json!("method")), "{error}");
    for words in ["for 2 rows", "send fewer rows", "permutation_shapley", "x-timeout-ms"] {
        assert!(response.text.contains(words), "{words}: {error}");
    }
    let permutations = json!({ "budget_ms": 1000, "method": "permutation_shapley" });
    assert_eq!(explained(&server, &permutations)["price"]["explanation"]["method"], "permutation_shapley");
}
