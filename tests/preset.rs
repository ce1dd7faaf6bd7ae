//! `cupola train --preset`: several families within a time, and their ensemble.

use std::fmt::Write as _;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{TestHome, signal};

fn member<'a>(found: &'a Value, name: &str) -> &'a Value {
    let members = found["members"].as_array().unwrap();
    members.iter().find(|member| member["member"] == name).unwrap()
}

#[test]
fn the_small_census_becomes_an_ensemble_that_a_command_makes_again() {
    let home = TestHome::new();
    let data = cupola_testkit::root().join("data/census_nano.csv.gz");
    let data = data.to_string_lossy();
    let args = [
        "train", "--data", &data, "--target", "income", "--preset", "fast", "--time", "10m", "--device",
        "flex",
    ];
    let found = home.json(&args);
    assert_eq!((&found["name"], &found["preset"]), (&json!("census_nano"), &json!("fast")));
    assert_eq!(found["package"], "census_nano:1");
    for name in ["gbdt", "random_forest", "linear"] {
        let member = member(&found, name);
        assert_eq!(member["state"], "trained", "{found}");
        assert_eq!(member["package"], format!("census_nano_preset_{name}:1"));
        assert!(member["valid"].is_number() && member["predict_us"].is_number(), "{member}");
    }
    let members = found["members"].as_array().unwrap();
    let weights: f64 = members.iter().map(|member| member["weight"].as_f64().unwrap()).sum();
    assert!((weights - 1.0).abs() < 1e-9, "{found}");
    assert!(found["metrics"]["roc_auc"].as_f64().unwrap() > 0.9, "{}", found["metrics"]);
    assert!(found["seconds"].as_f64().unwrap() < found["budget"].as_f64().unwrap());
    // The best one comes first.
    let scores: Vec<f64> = members.iter().map(|member| member["valid"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");

    let record = home.read(".cupola/presets/census_nano/preset.toml");
    assert!(record.contains("[[members]]") && record.contains("random_forest"), "{record}");
    let command = found["command"].as_str().unwrap();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let again = home.json(&words);
    assert_eq!(again["package"], "census_nano:2");
    let own: Vec<(&Value, &Value)> =
        again["members"].as_array().unwrap().iter().map(|row| (&row["package"], &row["weight"])).collect();
    let before: Vec<(&Value, &Value)> =
        members.iter().map(|member| (&member["package"], &member["weight"])).collect();
    assert_eq!(own, before, "the runs of the members are used again");

    // So does the same preset.
    let third = home.json(&args);
    assert_eq!(member(&third, "gbdt")["note"], "trained before", "{third}");
    home.json(&["models", "verify"]);
}

#[test]
fn a_text_beside_a_number_gets_perceptrons() {
    let home = TestHome::new();
    let mut text = "note,size,kind\n".to_owned();
    for row in 0..200 {
        let kind = if row % 2 == 0 { "a" } else { "b" };
        let _ = writeln!(text, "letter {kind} number {row},{},{kind}", row % 7);
    }
    home.write("letters.csv", text);
    home.write(
        "run.toml",
        "name = \"letters\"\n[data]\nsource = \"letters.csv\"\n[split]\nvalid = 0.3\n\
         [[inputs]]\nname = \"note\"\nkind = \"text\"\ntokens = { kind = \"word\", length = 8 }\n\
         [[inputs]]\nname = \"size\"\nkind = \"number\"\n[[targets]]\nname = \"kind\"\nkind = \"category\"\n\
         [model]\nfamily = \"mlp\"\nhidden = [8]\n[train]\nepochs = 2\nbatch_size = 32\n",
    );
    let found = home.json(&["train", "--config", "run.toml", "--preset", "fast", "--device", "flex"]);
    for name in ["own", "mlp_small"] {
        assert_eq!(member(&found, name)["state"], "trained", "{found}");
    }
    assert_eq!(found["package"], "letters:1");
}

#[test]
fn a_time_that_is_too_short_leaves_the_cheapest_member() {
    let home = TestHome::with_blobs(120, "[split]\nvalid = 0.2\n");
    let args = ["train", "--config", "run.toml", "--preset", "fast", "--time", "0.01s", "--device", "flex"];
    let found = home.json(&args);
    assert_eq!(found["package"], "blobs:1");
    let trained: Vec<&Value> =
        found["members"].as_array().unwrap().iter().filter(|member| member["state"] == "trained").collect();
    let [one] = trained[..] else { panic!("{found}") };
    assert!(one["note"].as_str().unwrap().contains("no member fits into the time"), "{found}");
    assert_eq!(one["weight"], 1.0);
}

#[test]
fn the_members_of_a_preset_leave_the_packages_of_other_configs_alone() {
    let home = TestHome::with_blobs(200, "[split]\nvalid = 0.2\n");
    let text = home.read("run.toml").replacen("name = \"blobs\"", "name = \"blobs_gbdt\"", 1);
    home.write("own.toml", text);
    assert_eq!(home.json(&["train", "--config", "own.toml", "--device", "flex"])["package"], "blobs_gbdt:1");
    home.json(&["train", "--config", "run.toml", "--preset", "fast", "--device", "flex"]);
    assert!(!home.path(".cupola/models/blobs_gbdt/2").exists());
    assert!(home.path(".cupola/models/blobs_preset_gbdt/1").exists());
}

#[test]
fn data_without_a_portfolio_is_refused() {
    let home = TestHome::with_blobs(120, "[split]\nvalid = 0.2\n");
    let text = home.read("run.toml");
    home.write("none.toml", text.replace("[split]\nvalid = 0.2", "[split]\nvalid = 0.0"));
    let none = home.run(&["train", "--config", "none.toml", "--preset", "fast"]);
    assert_eq!(none.code, Some(2), "{}", none.stderr);
    assert!(none.stderr.contains("raise `split.valid`"), "{}", none.stderr);
    let alone = home.run(&["train", "--config", "run.toml", "--time", "5m"]);
    assert_eq!(alone.code, Some(2), "{}", alone.stderr);
}

#[test]
fn a_stopped_preset_publishes_what_it_has() {
    let home = TestHome::with_blobs(400, "[split]\nvalid = 0.2\n");
    let args = ["--json", "train", "--config", "run.toml", "--preset", "best", "--device", "flex"];
    let child = home.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let first = home.path(".cupola/models/blobs_preset_gbdt/1");
    let began = Instant::now();
    while !first.exists() {
        assert!(began.elapsed() < Duration::from_mins(2), "no first member");
        sleep(Duration::from_millis(20));
    }
    signal(child.id(), "INT");
    let output = child.wait_with_output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found["package"], "blobs:1");
    assert_eq!(member(&found, "gbdt")["state"], "trained");
    let skipped = found["members"].as_array().unwrap().iter().filter(|member| member["state"] == "skipped");
    assert!(skipped.count() > 0, "{found}");
}
