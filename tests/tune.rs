use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{TestHome, signal};

/// Few epochs of a small network.
const TRAIN: &str = "[split]\nvalid = 0.2\n[train]\nepochs = 3\nbatch_size = 16\n";

/// Space of two keys, one of them with values that are no scalars.
const SPACE: &str = "[tune]\nsampler = \"random\"\ntrials = 5\n[tune.space]\n\
                     train.optimizer.learning_rate = { low = 1e-3, high = 1e-1, log = true }\n\
                     model.hidden = { choices = [[8], [8, 8]] }\n";

fn home(more: &str) -> TestHome {
    home_with(&format!("{TRAIN}{more}"))
}

fn home_with(more: &str) -> TestHome {
    let home = TestHome::with_blobs(120, "");
    let text = home.read("run.toml");
    let (before, _) = text.split_once("[model]").unwrap();
    home.write("run.toml", format!("{before}[model]\nfamily = \"mlp\"\nhidden = [8]\n{more}"));
    home
}

const TUNE: [&str; 5] = ["tune", "--config", "run.toml", "--device", "flex"];

fn tune<'a>(more: &[&'a str]) -> Vec<&'a str> {
    TUNE.iter().copied().chain(more.iter().copied()).collect()
}

/// Operations of the journal, by their code.
fn operations(home: &TestHome, code: u64) -> Vec<Value> {
    let text = home.read(".cupola/studies/blobs/journal.log");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["op_code"] == code).collect()
}

#[test]
#[allow(clippy::cast_possible_truncation, reason = "the numbers are small")]
#[allow(clippy::float_cmp, reason = "the values are exact")]
fn the_best_of_all_trials_is_published() {
    let home = home(SPACE);
    let found = home.json(&tune(&[]));
    let trials = found["study"]["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 5);
    assert!(trials.iter().all(|trial| trial["state"] == "complete" || trial["state"] == "pruned"), "{found}");
    let best = found["study"]["best"].as_u64().unwrap();
    let value = |trial: &Value| trial["values"][0].as_f64().unwrap();
    let complete = trials.iter().filter(|trial| trial["state"] == "complete");
    let top = complete.map(value).fold(f64::MIN, f64::max);
    assert_eq!(value(&trials[best as usize]), top);
    // The score of the published model is that of its trial: it is the same run.
    assert_eq!(found["summary"]["valid"].as_f64(), Some(top));
    assert_eq!(found["run"], trials[best as usize]["run"]);
    assert_eq!(found["package"], "blobs:1");
    assert!(found["summary"]["test"].is_f64());
    // Five trials say nothing about the keys.
    assert!(found["study"].get("importances").is_none(), "{found}");
    // Only the best trial is among runs and models.
    assert_eq!(fs::read_dir(home.path(".cupola/runs")).unwrap().count(), 1);
    assert!(!home.path(".cupola/models/blobs/2").exists());
    assert!(!home.path(".cupola/studies/blobs/models").exists());
    // The config trains the same model.
    let config = found["config"].as_str().unwrap();
    let again = home.json(&["train", "--config", config, "--device", "flex"]);
    assert_eq!(again["summary"]["valid"].as_f64(), Some(top));
    assert!(!home.read(".cupola/studies/blobs/best.toml").contains("tune"));
    // The same command finds the study finished, more trials continue it.
    let same = home.json(&tune(&[]));
    assert_eq!(same["study"]["trials"].as_array().unwrap().len(), 5);
    assert_eq!(same["package"], "blobs:1");
    let more = home.json(&tune(&["--trials", "7"]));
    assert_eq!(more["study"]["trials"].as_array().unwrap().len(), 7);
}

#[test]
fn a_config_without_a_space_searches_the_default_one_and_trees_work() {
    let home = home("");
    let forest = ["--set", "model={ family = \"random_forest\" }", "--trials", "3"];
    let found = home.json(&tune(&forest));
    let trials = found["study"]["trials"].as_array().unwrap();
    assert!(trials.iter().all(|trial| trial["state"] == "complete"), "{found}");
    assert!(trials[0]["params"].as_object().unwrap().contains_key("model.leaf"), "{found}");
    assert_eq!(found["package"], "blobs:1");
}

#[test]
fn trials_begin_with_the_values_of_the_config() {
    let home = home(SPACE);
    let set = ["--set", "model.hidden=[8]", "--set", "train.optimizer.learning_rate=0.02", "--trials", "1"];
    let found = home.json(&tune(&set));
    let params = &found["study"]["trials"][0]["params"];
    assert_eq!(params["train.optimizer.learning_rate"], 0.02);
    assert_eq!(params["model.hidden"], serde_json::json!([8]));
}

/// Results of a study of 12 trials whose two workers are killed again and again.
fn killed_study(home: &TestHome, more: &[&str]) -> Value {
    let args = tune(&[&["--workers", "2", "--json"], more].concat());
    let (mut kills, mut last) = (0_u32, None);
    while last.is_none() {
        assert!(kills < 100, "the study does not end");
        let mut child = home.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut started = Instant::now();
        while child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
            // Another moment each time; at last the workers are left alone.
            if kills >= 8 || started.elapsed() < Duration::from_millis(400 + u64::from(kills * 397 % 1700)) {
                continue;
            }
            children(child.id()).into_iter().for_each(kill);
            (kills, started) = (kills + 1, Instant::now());
            // Every third time the process that started them goes too.
            if kills % 3 == 0 {
                kill(child.id());
            }
        }
        let output = child.wait_with_output().unwrap();
        let killed = output.status.signal().is_some();
        assert!(killed || output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        last = (!killed).then_some(output);
    }
    let found: Value = serde_json::from_slice(&last.expect("the study ends").stdout).unwrap();
    let trials = found["study"]["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 12);
    assert!(trials.iter().all(|trial| trial["state"] == "complete"), "{found}");
    assert!(kills > 0);
    found
}

/// Config of 12 trials that train to their ends.
fn twelve() -> TestHome {
    home(&SPACE.replace("trials = 5", "trials = 12\npruner = \"none\""))
}

#[test]
fn workers_of_a_database_that_are_killed_lose_and_double_no_trial() {
    let home = twelve();
    let found = killed_study(&home, &["--storage", "sqlite://studies.db"]);
    let trials = found["study"]["trials"].as_array().unwrap();
    let runs: BTreeSet<&str> = trials.iter().map(|trial| trial["run"].as_str().unwrap()).collect();
    assert_eq!(runs.len(), 12, "{found}");
    assert!(home.path("studies.db").exists() && !home.path(".cupola/studies/blobs/journal.log").exists());
    // Another study of the same file has no trials of this one.
    let other = ["--storage", "sqlite://studies.db", "--study", "other", "--trials", "1"];
    assert_eq!(home.json(&tune(&other))["study"]["trials"].as_array().unwrap().len(), 1);
}

#[test]
fn workers_that_are_killed_lose_and_double_no_trial() {
    let home = twelve();
    let found = killed_study(&home, &[]);
    let importances = found["study"]["importances"].as_array().unwrap();
    let shares: Vec<f64> = importances.iter().map(|one| one["share"].as_f64().unwrap()).collect();
    assert_eq!(shares.len(), 2, "{found}");
    assert!(shares[0] >= shares[1] && shares.iter().all(|share| (0.0..=1.0).contains(share)), "{shares:?}");
    assert!(home.read(".cupola/studies/blobs/study.html").contains("Importance of keys"));
    // Every trial was created once and completed once.
    assert_eq!(operations(&home, 4).len(), 12);
    let complete = operations(&home, 6).into_iter().filter(|line| line["state"] == 1);
    let mut ids: Vec<u64> = complete.map(|line| line["trial_id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..12).collect::<Vec<u64>>());
}

/// Kills a process that may have ended meanwhile.
fn kill(process: u32) {
    let _ = Command::new("kill").args(["-KILL", &process.to_string()]).stderr(Stdio::null()).status();
}

/// Processes that a process has started.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let of = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|pid| of(*pid) == Some(parent)).collect()
}

#[test]
fn a_study_that_is_stopped_continues() {
    let space = SPACE.replace("trials = 5", "trials = 4\npruner = \"none\"");
    let train = TRAIN.replace("epochs = 3", "epochs = 60");
    let home = home_with(&format!("{train}{space}"));
    let child = home.command(&tune(&[])).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    let journal = home.path(".cupola/studies/blobs/journal.log");
    let begun = || fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"op_code\":7"));
    while !begun() && started.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(5));
    }
    signal(child.id(), "INT");
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("continue with: cupola tune --config run.toml"), "{message}");
    let found = home.json(&tune(&[]));
    let trials = found["study"]["trials"].as_array().unwrap();
    assert_eq!(trials.iter().filter(|trial| trial["state"] == "complete").count(), 4, "{found}");
}

#[test]
fn several_metrics_have_a_front() {
    let space = SPACE.replace("trials = 5", "trials = 4\nmetric = [\"accuracy\", \"size\", \"latency\"]");
    let home = home(&space);
    for family in ["mlp", "gbdt"] {
        let model = format!("model={{ family = \"{family}\" }}");
        let space = "tune.space={ \"model.leaves\" = { choices = [4, 8] } }";
        let set = ["--set", &model, "--study", family];
        let trees = ["--set", space, "--set", "tune.sampler=grid"];
        let more = if family == "gbdt" { [&set[..], &trees].concat() } else { set.to_vec() };
        let found = home.json(&tune(&more));
        assert_eq!(found["study"]["metrics"], serde_json::json!(["accuracy", "size", "latency"]));
        assert!(!found["study"]["front"].as_array().unwrap().is_empty(), "{found}");
        for trial in found["study"]["trials"].as_array().unwrap() {
            // Microseconds of a pass of one row.
            let latency = trial["values"][2].as_f64().unwrap();
            assert!(latency > 0.0 && latency < 1e6, "{found}");
        }
    }
}

#[test]
fn wrong_studies_are_refused_with_a_remedy() {
    let home = home(SPACE);
    let refused = |args: &[&str], expected: &str| {
        let output = home.run(&tune(args));
        assert_eq!(output.code, Some(2), "{args:?}: {}", output.stderr);
        assert!(output.stderr.contains(expected), "{args:?}: {}", output.stderr);
    };
    refused(&["--trials", "0"], "--trials");
    refused(&["--time", "soon"], "such as 90s, 30m or 1h30m");
    refused(&["--study", "../x"], "invalid name");
    refused(&["--storage", "redis://db"], "`sqlite://` or `postgres://`");
    home.write("notes.db", "not a database, but text of more than a hundred bytes, so that its header is read and found to be wrong.");
    refused(&["--storage", "sqlite://notes.db"], "study in notes.db: file is not a database");
    refused(
        &["--set", "tune.space={ \"train.epoch\" = { low = 1, high = 2 } }"],
        "did you mean `train.epochs`?",
    );
    refused(&["--set", "tune.space={ \"train.epochs\" = { low = 2, high = 1 } }"], "swap them");
    refused(&["--set", "split.valid=0"], "`split.valid`");
    home.json(&tune(&["--trials", "1"]));
    refused(&["--set", "train.epochs=2"], "began with another config; give another name with --study");
    home.write(".cupola/studies/file", "");
    let output = home.run(&tune(&["--study", "file"]));
    assert_ne!(output.code, Some(0));
    assert!(output.stderr.contains("studies/file"), "{}", output.stderr);
}

#[test]
fn failed_trials_are_listed_and_a_study_of_failures_ends() {
    let home = home(SPACE);
    // A rate of 1e30 diverges.
    let space = "tune.space={ \"train.optimizer.learning_rate\" = { choices = [1e-2, 1e30] } }";
    let text =
        home.run(&tune(&["--set", space, "--set", "tune.sampler=grid", "--trials", "2", "--study", "half"]));
    assert_eq!(text.code, Some(0), "{}", text.stderr);
    let all = "tune.space={ \"train.optimizer.learning_rate\" = { choices = [1e29, 1e30, 1e31] } }";
    let output = home.run(&tune(&["--set", all, "--study", "none"]));
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("all 3 trials failed"), "{}", output.stderr);
}

#[test]
fn mistakes_of_a_space_are_named_with_their_key() {
    let space = |lines: &str| format!("[tune]\nsampler = \"grid\"\ntrials = 3\n[tune.space]\n{lines}\n");
    let home = home(&space("model.hidden = { choices = [[-1], [-2], [-3]] }"));
    let refused = home.run(&tune(&[]));
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("correct the values of `tune.space.model.hidden`"), "{}", refused.stderr);
    for (line, message) in [
        ("train.optimizer.learning_rate = { low = 1e-3, high = inf }", "must be finite, found inf"),
        ("train.epochs = { low = 1, high = 100000 }", "the grid has more than 10000 points"),
    ] {
        let home = home_with(&format!("{TRAIN}{}", space(line)));
        let refused = home.run(&tune(&[]));
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains(message), "{}", refused.stderr);
        assert!(!refused.stderr.contains("trial "), "{}", refused.stderr);
    }
    let home = home_with(&format!("{TRAIN}{}", space("train.epochs = { low = 1, high = 4 }")));
    let told = home.run(&tune(&[]));
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert!(told.stderr.contains("the grid has 4 points"), "{}", told.stderr);
}

#[test]
fn a_damaged_journal_is_refused_with_its_line() {
    let home = home(SPACE);
    home.json(&tune(&["--trials", "2"]));
    let journal = ".cupola/studies/blobs/journal.log";
    let text = home.read(journal);
    home.write(journal, text.split_once('\n').unwrap().1);
    let refused = home.run(&tune(&[]));
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("journal.log:1: study 0 does not exist here"), "{}", refused.stderr);
    fs::remove_file(home.path(journal)).unwrap();
    fs::create_dir(home.path(journal)).unwrap();
    let refused = home.run(&tune(&[]));
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("is a folder"), "{}", refused.stderr);
}

#[test]
fn a_warm_start_takes_scores_over_where_they_are_the_same() {
    let home = home(SPACE);
    let first = home.json(&tune(&["--trials", "4", "--study", "old", "--set", "tune.pruner=none"]));
    let best =
        first["study"]["trials"][usize::try_from(first["study"]["best"].as_u64().unwrap()).unwrap()].clone();
    // The same space with another seed of the sampler: all scores are taken over.
    let args = [
        "--trials",
        "2",
        "--study",
        "new",
        "--warm-start",
        "old",
        "--set",
        "tune.pruner=none",
        "--set",
        "tune.seed=9",
    ];
    let warm = home.json(&tune(&args));
    let trials = warm["study"]["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 4 + 2, "{warm}");
    assert_eq!((&trials[0]["params"], &trials[0]["values"]), (&best["params"], &best["values"]));
    // Another length of training makes other scores; the best configurations are tried first.
    let args = ["--trials", "3", "--study", "longer", "--warm-start", "old", "--set", "train.epochs=4"];
    let longer = home.json(&tune(&args));
    let trials = longer["study"]["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 3, "{longer}");
    assert!(trials[..2].iter().any(|trial| trial["params"] == best["params"]), "{longer}");
    // Published runs are as good.
    let runs = home.json(&tune(&["--trials", "1", "--study", "runs", "--warm-start", "runs"]));
    assert!(runs["study"]["trials"].as_array().unwrap().len() >= 2, "{runs}");
    let refused = home.run(&tune(&["--study", "x", "--warm-start", "nowhere"]));
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("unknown study `nowhere`"), "{}", refused.stderr);
}
