//! The summary at the end of a training, and the history of runs.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{TestHome, signal};

const SHORT: &str = "[train]\nepochs = 2\n";

fn metrics_file(home: &TestHome, run: &Value) -> Value {
    let path = format!(".cupola/runs/{}/metrics.json", run["run"].as_str().unwrap());
    serde_json::from_str(&home.read(&path)).unwrap()
}

#[test]
fn a_training_ends_with_its_score_beside_a_trivial_one() {
    let home = TestHome::with_blobs(800, SHORT);
    let trained = home.train(&[]);
    let (summary, file) = (&trained["summary"], metrics_file(&home, &trained));
    assert_eq!(summary["metric"], "roc_auc");
    assert_eq!(summary["valid"], file["splits"]["valid"]["values"]["roc_auc"]);
    assert_eq!(summary["test"], trained["metrics"]["roc_auc"]);
    assert_eq!(summary["baseline"]["valid"], 0.5, "constant scores rank nothing");
    assert!(summary["baseline"]["model"].as_str().unwrap().starts_with("always `"), "{summary}");
    assert!(summary["seconds"].as_f64().unwrap() > 0.0 && summary["epochs"] == 2, "{summary}");
    // The trivial model is right as often as its class is the target.
    let confusion = &file["splits"]["test"]["confusion"];
    let rows = |class: usize| -> f64 {
        confusion[class].as_array().unwrap().iter().map(|count| count.as_f64().unwrap()).sum()
    };
    let classes = file["splits"]["test"]["classes"].as_array().unwrap();
    let named =
        |class: &Value| file["baseline"]["model"] == format!("always `{}`", class["class"].as_str().unwrap());
    let likeliest = classes.iter().position(named).unwrap();
    let share = rows(likeliest) / (rows(0) + rows(1));
    let accuracy = file["baseline"]["splits"]["test"]["values"]["accuracy"].as_f64().unwrap();
    assert!((accuracy - share).abs() < 1e-9, "{accuracy} {share}");
    let shares: f64 =
        file["importance"].as_array().unwrap().iter().map(|one| one["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{file}");

    let output = home.run(&["train", "--config", "run.toml", "--device", "flex"]);
    let lines = output.stdout.lines().rev();
    let last: Vec<&str> = lines.skip_while(|line| !line.starts_with("next")).take(8).collect();
    assert!(output.stdout.contains("\nask     curl "), "{}", output.stdout);
    let begins = [
        "next    cupola serve --model blobs",
        "report  .cupola/runs/blobs-",
        "model   blobs:2 in ",
        "run     blobs-",
        "columns ",
        "trained ",
    ];
    for (line, begin) in last.iter().zip(begins) {
        assert!(line.starts_with(begin), "{begin}: {}", output.stdout);
    }
    assert!(
        output.stdout.contains("\nvalid   roc_auc ") && output.stdout.contains("(always `"),
        "{}",
        output.stdout
    );
}

#[test]
fn trees_and_numbers_have_a_trivial_model_too() {
    let home = TestHome::new();
    let rows = (0..600).map(|row| format!("{},{}\n", row % 97, 3 * (row % 97) + row % 5));
    let rows = rows.collect::<Vec<_>>().concat();
    home.write("rows.csv", format!("x,y\n{rows}"));
    home.write(
        "run.toml",
        "name = \"line\"\nseed = 1\n[data]\nsource = \"rows.csv\"\n[split]\nby = \"random\"\n\
         [[targets]]\nname = \"y\"\nkind = \"number\"\n[model]\nfamily = \"gbdt\"\nrounds = 100\n",
    );
    let trained = home.train(&[]);
    let summary = &trained["summary"];
    assert_eq!((&summary["metric"], &summary["baseline"]["model"]), (&json!("rmse"), &json!("the mean")));
    let (own, trivial) = (summary["test"].as_f64().unwrap(), summary["baseline"]["test"].as_f64().unwrap());
    // The standard deviation of three times 0 to 96 is 84.
    assert!(own < trivial / 5.0 && (trivial - 84.0).abs() < 10.0, "{summary}");
    assert_eq!(summary["importance"][0]["column"], "x");
    assert_eq!(home.json(&["runs", "list"])[0]["valid"]["metric"], "rmse");
}

#[test]
fn runs_are_listed_by_what_they_changed_and_compared() {
    let home = TestHome::with_blobs(240, SHORT);
    let first = home.train(&[]);
    let second = home.train(&["--set", "train.optimizer.learning_rate=0.02", "--set", "train.epochs=6"]);
    let runs = home.json(&["runs", "list"]);
    assert_eq!(runs[0]["id"], second["run"]);
    let changed: Vec<&str> =
        runs[0]["changed"].as_array().unwrap().iter().map(|c| c["key"].as_str().unwrap()).collect();
    assert_eq!(changed, ["train.epochs", "train.optimizer.learning_rate"]);
    assert_eq!((&runs[0]["family"], &runs[0]["status"]), (&json!("layers"), &json!("finished")));
    assert_eq!(runs[0]["valid"]["value"], second["summary"]["valid"]);
    assert!(runs[0].get("metrics").is_none(), "test metrics are not for choosing");
    assert!(home.json(&["runs", "list", "--test"])[0]["metrics"]["roc_auc"].is_number());
    let table = home.run(&["runs", "list"]).stdout;
    assert!(table.contains("train.epochs=6") && !table.contains("accuracy"), "{table}");
    let only = home.json(&["runs", "list", "--filter", "train.epochs=2", "--sort", "valid", "--limit", "5"]);
    assert_eq!((only.as_array().unwrap().len(), &only[0]["id"]), (1, &first["run"]));
    let wrong = home.run(&["runs", "list", "--filter", "train.epoch=2"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("did you mean `train.epochs`?"), "{}", wrong.stderr);

    let id = first["run"].as_str().unwrap();
    let compared = home.json(&["runs", "compare", "latest", id]);
    assert_eq!((&compared["metric"], &compared["same_split"]), (&json!("roc_auc"), &json!(true)));
    let scores: Vec<f64> =
        compared["runs"].as_array().unwrap().iter().map(|run| run["score"].as_f64().unwrap()).collect();
    assert!(scores[0] >= scores[1] && compared["runs"][0]["best"] == true, "{compared}");
    assert_eq!(compared["settings"].as_array().unwrap().len(), 2);
    let text = home.run(&["runs", "compare", "latest", id]).stdout;
    assert!(text.contains("* the best roc_auc on the valid split"), "{text}");
    assert!(text.contains("train.optimizer.learning_rate"), "{text}");
}

#[test]
fn a_killed_run_is_interrupted_and_can_be_resumed() {
    let home = TestHome::with_blobs(240, "[train]\nepochs = 4000\ncheckpoint_every = 3\nbatch_size = 8\n");
    let args = ["train", "--config", "run.toml", "--device", "flex"];
    let mut child = home.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = || home.json(&["runs", "list"])[0]["status"].clone();
    let started = Instant::now();
    while status() != "running" {
        assert!(started.elapsed() < Duration::from_mins(1), "no run began");
        std::thread::sleep(Duration::from_millis(20));
    }
    signal(child.id(), "KILL");
    child.wait().unwrap();
    assert_eq!(status(), "interrupted");
    assert_eq!(home.json(&["runs", "show", "latest"])["run"]["status"], "interrupted");
    assert_eq!(home.json(&["runs", "list", "--filter", "state=interrupted"]).as_array().unwrap().len(), 1);
    home.json(&["train", "--resume", "latest", "--device", "flex", "--max-steps", "20"]);
    assert_eq!(status(), "finished");
}

#[test]
fn the_positive_class_is_named_and_can_be_chosen() {
    let home = TestHome::with_blobs(240, SHORT);
    let measured = |set: &[&str], expected: &str| {
        let trained = home.train(set);
        assert_eq!(trained["summary"]["positive"], expected);
        let shown = home.json(&["models", "show", "blobs"]);
        assert_eq!(shown["manifest"]["signature"]["outputs"][0]["positive"], expected);
        let found = home.json(&["evaluate", "--model", "blobs", "--data", "blobs.csv", "--device", "flex"]);
        assert_eq!(found["positive"], expected);
        let classes = found["classes"].as_array().unwrap();
        let own = classes.iter().find(|class| class["class"] == expected).unwrap();
        assert_eq!(found["metrics"]["recall"], own["recall"]);
    };
    measured(&[], "right");
    measured(&["--set", "targets.0.positive=left"], "left");
    let wrong = home.run(&["train", "--config", "run.toml", "--set", "targets.0.positive=up"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("write one of `left` and `right`"), "{}", wrong.stderr);
}
