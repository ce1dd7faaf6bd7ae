//! `cupola ensemble`: models of several families as one package.

use serde_json::{Value, json};

use crate::support::TestHome;

const NETWORK: &str = "family = \"mlp\"\nhidden = [8]\n[train]\nepochs = 4\nbatch_size = 32\n";

fn config(name: &str, seed: u32, model: &str) -> String {
    format!(
        "name = \"{name}\"\nseed = {seed}\n[data]\nsource = \"blobs.csv\"\n[split]\nvalid = 0.3\n\
         [[targets]]\nname = \"side\"\nkind = \"category\"\n[model]\n{model}\n"
    )
}

/// Blobs that overlap, and three configs.
#[allow(clippy::format_push_string, reason = "a few short texts")]
fn home() -> TestHome {
    let home = TestHome::new();
    let mut text = "x,y,side\n".to_owned();
    for row in 0..400 {
        let a = f64::from(row * 61 % 397) / 397.0;
        let b = f64::from(row * 101 % 389) / 389.0;
        let noise = f64::from(row * 7 % 13) / 13.0;
        text += &format!("{a:.4},{b:.4},{}\n", if a + b + noise > 1.5 { "right" } else { "left" });
    }
    home.write("blobs.csv", text);
    home.write("net.toml", config("net", 5, NETWORK));
    home.write("gbdt.toml", config("gbdt", 5, "family = \"gbdt\""));
    home.write("forest.toml", config("forest", 5, "family = \"random_forest\""));
    home.write("other.toml", config("other", 6, "family = \"gbdt\""));
    home
}

fn predicted(home: &TestHome, model: &str) -> Vec<Value> {
    let output = home.run(&["predict", "--model", model, "--input", "rows.jsonl", "--device", "flex"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
#[allow(clippy::format_collect, reason = "a few short texts")]
fn networks_and_trees_answer_one_request_with_their_weighted_average() {
    let home = home();
    let args = ["net.toml", "gbdt.toml", "forest.toml", "--name", "all", "--device", "flex"];
    let mut all = vec!["ensemble"];
    all.extend(args);
    let found = home.json(&all);
    let members = found["members"].as_array().unwrap();
    assert_eq!(members.len(), 3);
    let weight = |row: &Value| row["weight"].as_f64().unwrap();
    assert!((members.iter().map(weight).sum::<f64>() - 1.0).abs() < 1e-9, "{found}");
    assert!(members.iter().all(|row| row["valid"].is_number() && row["test"].is_number()), "{found}");
    assert!(members.iter().all(|row| row["predict_us"].as_f64().unwrap() > 0.0), "{found}");

    // Averaging all of them has weights that no score decides.
    all.extend(["--method", "average"]);
    let found = home.json(&all);
    assert_eq!(found["package"], "all:2");
    let members: Vec<&str> =
        found["members"].as_array().unwrap().iter().map(|row| row["package"].as_str().unwrap()).collect();
    let mut sorted = members.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["forest:1", "gbdt:1", "net:1"], "configs that were trained are not trained again");

    let rows: Vec<Value> =
        (0..20).map(|at| json!({ "x": f64::from(at) / 20.0, "y": f64::from(at * 7 % 20) / 20.0 })).collect();
    home.write("rows.jsonl", rows.iter().map(|row| format!("{row}\n")).collect::<String>());
    let each: Vec<Vec<Value>> = members.iter().map(|member| predicted(&home, member)).collect();
    let server = home.serve(&["--model", "all"]);
    let response = server.post("/v1/models/all/predict", json!({ "rows": rows }).to_string(), &[]);
    assert_eq!(response.status, 200, "{}", response.text);
    let served = response.json()["predictions"].clone();
    assert_eq!(served, Value::from(predicted(&home, "all")));
    let probability = |row: &Value| row["side"]["probabilities"]["right"].as_f64().unwrap();
    for row in 0..rows.len() {
        let mean = each.iter().map(|own| probability(&own[row])).sum::<f64>() / 3.0;
        let own = probability(&served[row]);
        assert!((own - mean).abs() < 1e-5, "row {row}: {own} {mean}");
    }

    // A tensor for each column, once, although each member scales it by itself.
    let metadata = server.get("/v2/models/all").json();
    let names: Vec<&str> =
        metadata["inputs"].as_array().unwrap().iter().map(|input| input["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["x", "y"]);
    let body = json!({ "rows": [rows[0]], "explain": true }).to_string();
    let explained = server.post("/v1/models/all/predict", body, &[]);
    assert_eq!(explained.status, 200, "{}", explained.text);
    assert!(explained.text.contains("permutation_shapley"), "{}", explained.text);

    let shown = home.run(&["models", "show", "all"]);
    assert!(shown.stdout.contains("member   forest:1 (random_forest), weight 0.333"), "{}", shown.stdout);
    home.json(&["models", "verify"]);
    home.json(&["evaluate", "--model", "all", "--data", "blobs.csv", "--device", "flex"]);
    let export = home.run(&["models", "export", "all", "out", "--to", "hf"]);
    assert_ne!(export.code, Some(0), "{}", export.stdout);

    // An ensemble is a member like any other.
    let nested = home.json(&["ensemble", "all:2", "net:1", "--name", "more", "--method", "average"]);
    assert_eq!(nested["package"], "more:1");
    let shown = home.json(&["models", "show", "more"]);
    assert_eq!(shown["members"].as_array().unwrap().len(), 4);
}

#[test]
fn stacking_weighs_numbers_by_their_squared_error() {
    let home = home();
    for (name, model) in [("net", NETWORK), ("gbdt", "family = \"gbdt\"")] {
        let text = config(name, 5, model);
        let text = text.replace("name = \"side\"\nkind = \"category\"", "name = \"y\"\nkind = \"number\"");
        home.write(&format!("{name}.toml"), text);
    }
    let found = home.json(&[
        "ensemble",
        "net.toml",
        "gbdt.toml",
        "--name",
        "both",
        "--method",
        "stacking",
        "--device",
        "flex",
    ]);
    let members = found["members"].as_array().unwrap();
    assert!((members.iter().map(|row| row["weight"].as_f64().unwrap()).sum::<f64>() - 1.0).abs() < 1e-9);
    home.write("rows.jsonl", json!({ "x": 0.3, "side": "left" }).to_string());
    let value = |model: &str| predicted(&home, model)[0]["y"]["value"].as_f64().unwrap();
    let mean: f64 = members
        .iter()
        .map(|row| row["weight"].as_f64().unwrap() * value(row["package"].as_str().unwrap()))
        .sum();
    assert!((value("both") - mean).abs() < 1e-5, "{} {mean}", value("both"));
}

#[test]
fn members_of_other_rows_are_refused_with_the_difference() {
    let home = home();
    let refused = home.run(&["ensemble", "gbdt.toml", "other.toml", "--name", "both", "--device", "flex"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("differ in `seed`"), "{}", refused.stderr);
    let refused = home.run(&["ensemble", "gbdt:1", "--name", "one"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    let refused = home.run(&["ensemble", "gbdt:1", "nothing:1", "--name", "both"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    // The folds of a cross-validation have seen all rows: neither its package is a member, nor is it that of its config.
    home.json(&["cv", "--config", "forest.toml", "--folds", "3", "--device", "flex"]);
    let refused = home.run(&["ensemble", "gbdt:1", "forest:1", "--name", "both", "--device", "flex"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("average of a cross-validation"), "{}", refused.stderr);
    let joined = home.json(&["ensemble", "gbdt.toml", "forest.toml", "--name", "two", "--device", "flex"]);
    let packages: Vec<&str> =
        joined["members"].as_array().unwrap().iter().map(|row| row["package"].as_str().unwrap()).collect();
    assert!(packages.contains(&"forest:2"), "{joined}");
    // Other data under the same name.
    let blobs = home.read("blobs.csv");
    home.write("blobs.csv", blobs.replace("left", "west"));
    let refused = home.run(&["ensemble", "gbdt:1", "forest.toml", "--name", "both", "--device", "flex"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("differ in the data"), "{}", refused.stderr);
}

#[test]
fn a_model_is_a_member_once_and_dropped_ones_are_told() {
    let home = home();
    home.json(&["train", "--config", "gbdt.toml"]);
    for (members, named) in [
        (["gbdt:1", "gbdt:1"], "`gbdt:1` is a member twice"),
        (["gbdt:1", "gbdt.toml"], "as gbdt:1 and gbdt.toml"),
    ] {
        let refused = home.run(&["ensemble", members[0], members[1], "--name", "both"]);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains(named), "{}", refused.stderr);
    }
    // A network without a layer that learns is worse than trees in every mixture.
    home.write("net.toml", config("net", 5, &NETWORK.replace("epochs = 4", "epochs = 1")));
    let found =
        home.json(&["ensemble", "gbdt.toml", "net.toml", "forest.toml", "--name", "all", "--device", "flex"]);
    let dropped = found["members"].as_array().unwrap().iter().filter(|row| row["weight"] == 0.0);
    let dropped: Vec<&Value> = dropped.map(|row| &row["package"]).collect();
    assert_eq!(found["left_out"], json!(dropped), "{found}");
}
