//! `cupola cv`: folds, their scores, predictions of unseen rows, and the package that averages them.

use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{TestHome, signal};

const ROWS: usize = 240;
const QUICK: &str = "[train]\nepochs = 4\nbatch_size = 32\n[train.optimizer]\nlearning_rate = 2e-2\n";

fn cv(home: &TestHome, more: &[&str]) -> Value {
    let mut args = vec!["cv", "--config", "run.toml", "--device", "flex"];
    args.extend(more);
    home.json(&args)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Predictions of a package for `rows.jsonl`.
fn predicted(home: &TestHome, folder: &str, model: &str) -> Vec<Value> {
    let args = ["--home", folder, "predict", "--model", model, "--input", "rows.jsonl", "--device", "flex"];
    let output = home.run(&args);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    lines(&output.stdout)
}

#[test]
#[allow(clippy::format_collect, reason = "a few short texts")]
fn folds_are_scored_predicted_and_published_as_their_average() {
    let home = TestHome::with_blobs(ROWS, QUICK);
    let found = cv(&home, &["--folds", "3"]);
    assert_eq!(
        (&found["by"], &found["folds"], &found["repeats"]),
        (&json!("stratified"), &json!(3), &json!(1))
    );
    let scores = found["scores"].as_array().unwrap();
    let accuracies: Vec<f64> =
        scores.iter().map(|score| score["metrics"]["accuracy"].as_f64().unwrap()).collect();
    assert_eq!(accuracies.len(), 3);
    let mean = found["metrics"]["accuracy"]["mean"].as_f64().unwrap();
    assert!((mean - accuracies.iter().sum::<f64>() / 3.0).abs() < 1e-12, "{found}");
    assert!(found["metrics"]["accuracy"]["interval"].is_array(), "{found}");

    // Each row is predicted once, by the fold that has not seen it.
    let unseen = lines(&home.read(found["predictions"].as_str().unwrap()));
    let mut numbers: Vec<u64> = unseen.iter().map(|line| line["row"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=ROWS as u64).collect::<Vec<_>>());
    for line in &unseen {
        let row = line["row"].as_u64().unwrap();
        let side = if row % 2 == 1 { "left" } else { "right" };
        assert_eq!(line["targets"]["side"], side, "{line}");
    }
    for (fold, accuracy) in accuracies.iter().enumerate() {
        let own: Vec<&Value> = unseen.iter().filter(|line| line["fold"] == fold).collect();
        let right = own.iter().filter(|line| line["predictions"]["side"]["value"] == line["targets"]["side"]);
        let share = right.count() as f64 / own.len() as f64;
        assert!((share - accuracy).abs() < 1e-9, "fold {fold}: {share} {accuracy}");
    }

    // The served answer is the mean of those of the folds.
    let rows: Vec<Value> = (0..12).map(|at| json!({ "x": f64::from(at) * 0.3 - 1.8, "y": 0.1 })).collect();
    home.write("rows.jsonl", rows.iter().map(|row| format!("{row}\n")).collect::<String>());
    let folder = found["folder"].as_str().unwrap().to_owned();
    let folds: Vec<Vec<Value>> =
        (1..=3).map(|version| predicted(&home, &folder, &format!("blobs:{version}"))).collect();
    let server = home.serve(&["--model", "blobs"]);
    let response = server.post("/v1/models/blobs/predict", json!({ "rows": rows }).to_string(), &[]);
    assert_eq!(response.status, 200, "{}", response.text);
    let served = response.json()["predictions"].clone();
    assert_eq!(served, Value::from(predicted(&home, ".cupola", "blobs")));
    let probability = |row: &Value| row["side"]["probabilities"]["right"].as_f64().unwrap();
    for row in 0..rows.len() {
        let mean = folds.iter().map(|fold| probability(&fold[row])).sum::<f64>() / 3.0;
        let own = probability(&served[row]);
        assert!((own - mean).abs() < 1e-5, "row {row}: {own} {mean}");
    }

    let shown = home.json(&["models", "show", "blobs"]);
    let runs: Vec<&str> = scores.iter().map(|score| score["run"].as_str().unwrap()).collect();
    let members: Vec<&str> =
        shown["members"].as_array().unwrap().iter().map(|own| own["name"].as_str().unwrap()).collect();
    assert_eq!(members, runs);
    assert_eq!(shown["manifest"]["metrics"]["accuracy"], found["metrics"]["accuracy"]["mean"]);
    home.json(&["models", "verify"]);

    // The same command again has nothing to do; more repeats reuse the folds.
    assert_eq!(cv(&home, &["--folds", "3"])["package"], found["package"]);
    let repeated = cv(&home, &["--folds", "3", "--repeat", "2"]);
    assert_eq!(repeated["scores"].as_array().unwrap().len(), 6);
    assert_eq!(repeated["scores"][0]["run"], scores[0]["run"]);
    assert_eq!(repeated["package"], "blobs:2");
}

#[test]
fn a_killed_cross_validation_goes_on_where_it_was() {
    let train =
        "[train]\nepochs = 30\nbatch_size = 8\ncheckpoint_every = 5\n[train.early_stop]\npatience = 50\n";
    let (home, whole) = (TestHome::with_blobs(400, train), TestHome::with_blobs(400, train));
    let args = ["cv", "--config", "run.toml", "--folds", "3", "--device", "flex"];
    let mut child = home.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let runs = || {
        let folders = fs::read_dir(home.path(".cupola/cv")).into_iter().flatten().flatten();
        let runs = folders.flat_map(|folder| fs::read_dir(folder.path().join("runs")).into_iter().flatten());
        let mut found: Vec<_> = runs.flatten().map(|run| run.path()).filter(|run| run.is_dir()).collect();
        found.sort();
        found
    };
    let deadline = Instant::now() + Duration::from_mins(2);
    let has_checkpoint = |run: &std::path::PathBuf| {
        fs::read_dir(run.join("checkpoints"))
            .is_ok_and(|all| all.flatten().any(|one| one.file_name().to_string_lossy().starts_with("step-")))
    };
    while !(runs().len() == 2 && runs().iter().all(has_checkpoint)) {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "no second fold");
        sleep(Duration::from_millis(5));
    }
    signal(child.id(), "KILL");
    child.wait().unwrap();
    let before = runs();
    let found = home.json(&args);
    let after = runs();
    assert_eq!(after.len(), 3, "{after:?}");
    assert!(before.iter().all(|run| after.contains(run)), "{before:?} {after:?}");
    let metrics = |found: &Value| {
        let scores = found["scores"].as_array().unwrap().iter();
        scores.map(|score| score["metrics"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(metrics(&found), metrics(&whole.json(&args)));
}

#[test]
#[allow(clippy::format_push_string, reason = "a few short texts")]
fn numbers_groups_and_time_have_folds_of_their_own() {
    let home = TestHome::new();
    let mut text = "day,team,x,price\n".to_owned();
    for row in 0..200 {
        let x = f64::from(row * 37 % 101) / 101.0;
        text += &format!("{},t{},{x:.4},{:.4}\n", row + 1, row % 11, 3.0 * x + f64::from(row % 3));
    }
    home.write("prices.csv", text);
    let config = |split: &str| {
        format!(
            "name = \"prices\"\nseed = 1\n[data]\nsource = \"prices.csv\"\n[split]\nvalid = 0.2\n{split}\n\
             [[inputs]]\nname = \"x\"\nkind = \"number\"\n[[targets]]\nname = \"price\"\nkind = \"number\"\n\
             [model]\nfamily = \"random_forest\"\n"
        )
    };
    home.write("run.toml", config("by = \"group\"\ncolumn = \"team\""));
    let found = cv(&home, &["--folds", "4"]);
    assert_eq!(found["by"], "group");
    let unseen = lines(&home.read(found["predictions"].as_str().unwrap()));
    assert_eq!(unseen.len(), 200);
    for team in 0..11 {
        let own = unseen.iter().filter(|line| (line["row"].as_u64().unwrap() - 1) % 11 == team);
        let mut folds: Vec<u64> = own.map(|line| line["fold"].as_u64().unwrap()).collect();
        folds.dedup();
        assert_eq!(folds.len(), 1, "team {team}");
    }
    let first = &unseen[0];
    let row = first["row"].as_u64().unwrap() - 1;
    // The number of the source, not that of the standardised single precision.
    let prices = home.read("prices.csv");
    let line = prices.lines().nth(usize::try_from(row).unwrap() + 1).unwrap();
    let price: f64 = line.rsplit(',').next().unwrap().parse().unwrap();
    assert_eq!(first["targets"]["price"].as_f64(), Some(price), "{first}");

    home.write("run.toml", config("by = \"time\"\ncolumn = \"day\"\ngap = 5"));
    let found = cv(&home, &["--folds", "4"]);
    assert_eq!(found["by"], "time");
    let unseen = lines(&home.read(found["predictions"].as_str().unwrap()));
    // The first fifth is only trained on.
    let rows: Vec<u64> = unseen.iter().map(|line| line["row"].as_u64().unwrap()).collect();
    assert_eq!((rows.len(), rows.iter().min()), (160, Some(&41)));
    let refused = home.run(&["cv", "--config", "run.toml", "--repeat", "2"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("leave --repeat out"), "{}", refused.stderr);
}

#[test]
fn the_inferred_columns_are_shown_for_the_first_fold_only() {
    let home = TestHome::new();
    let row = |at: usize| format!("{},{}\n", at * 37 % 100, if at * 37 % 100 > 50 { "yes" } else { "no" });
    home.write("rows.csv", std::iter::once("x,y\n".to_owned()).chain((0..90).map(row)).collect::<String>());
    let config = "name = \"m\"\n[data]\nsource = \"rows.csv\"\n[[targets]]\nname = \"y\"\nkind = \"category\"\n\
                  [model]\nfamily = \"gbdt\"\nrounds = 3\n";
    home.write("run.toml", config);
    let output = home.run(&["cv", "--config", "run.toml", "--folds", "3", "--device", "flex"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(output.stdout.matches("inferred from the data").count(), 1, "{}", output.stdout);
    assert_eq!(output.stdout.matches("split   train").count(), 3, "{}", output.stdout);
}

#[test]
fn a_config_without_folds_is_refused_with_the_remedy() {
    let home = TestHome::with_blobs(60, "[split]\nby = \"predefined\"\ncolumn = \"y\"\n");
    let refused = home.run(&["cv", "--config", "run.toml"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("names the test rows") && refused.stderr.contains("write `stratified`"));
    let home = TestHome::with_blobs(60, QUICK);
    for (args, message) in
        [(&["--folds", "1"][..], "--folds"), (&["--folds", "200", "--repeat", "400"], "at most 1000 runs")]
    {
        let mut all = vec!["cv", "--config", "run.toml"];
        all.extend(args);
        let refused = home.run(&all);
        assert_eq!(refused.code, Some(2), "{args:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(message), "{}", refused.stderr);
    }
}

#[test]
fn hashed_folds_need_no_key_and_too_few_groups_are_found_before_a_fold() {
    let home = TestHome::with_blobs(120, &format!("[split]\nby = \"k_fold\"\n{QUICK}"));
    let found = cv(&home, &["--folds", "3"]);
    assert_eq!((&found["by"], &found["folds"]), (&json!("k_fold"), &json!(3)));
    let home = TestHome::with_blobs(120, &format!("[split]\nby = \"group\"\ncolumn = \"side\"\n{QUICK}"));
    let refused = home.run(&["cv", "--config", "run.toml", "--folds", "4"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("in 2 groups of `side`"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("begins"), "{}", refused.stderr);
}

#[test]
fn nested_folds_search_on_their_own_rows_and_go_on_where_they_were() {
    let tune = "[tune]\ntrials = 3\n[tune.space]\nmodel.leaf = { choices = [1, 4, 16] }\n";
    let home = TestHome::with_blobs(150, "[split]\nvalid = 0.3\n");
    let text = home.read("run.toml");
    let (before, after) = text.split_once("[model]").unwrap();
    let rest = after.split_once("\n[").map(|(_, rest)| format!("[{rest}")).unwrap_or_default();
    home.write(
        "run.toml",
        format!("{before}[model]\nfamily = \"random_forest\"\ntrees = 10\n{rest}\n{tune}"),
    );
    let found = cv(&home, &["--folds", "3", "--nested"]);
    assert_eq!(found["nested"], true);
    let scores = found["scores"].as_array().unwrap();
    assert_eq!(scores.len(), 3);
    for score in scores {
        let leaf = score["params"]["model.leaf"].as_u64().unwrap();
        assert!([1, 4, 16].contains(&leaf), "{score}");
    }
    // Each row is predicted by the search that has not seen it.
    let unseen = lines(&home.read(found["predictions"].as_str().unwrap()));
    assert_eq!(unseen.len(), 150);
    let folder = found["folder"].as_str().unwrap();
    assert_eq!(fs::read_dir(home.path(folder).join("studies")).unwrap().count(), 3);
    assert!(!home.path(".cupola/studies").exists());
    // The folds of a plain cross-validation are others.
    let plain = cv(&home, &["--folds", "3"]);
    assert_ne!(plain["folder"], found["folder"]);
    assert!(plain["scores"][0].get("params").is_none(), "{plain}");
    // Finished searches are reused where the result was lost.
    fs::remove_file(home.path(folder).join("cv.json")).unwrap();
    let again = cv(&home, &["--folds", "3", "--nested"]);
    assert_eq!(again["scores"], found["scores"]);
}
