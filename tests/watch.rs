use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{TestHome, signal};

/// Rows whose class follows from `x`, or is the other one if `flipped`.
#[allow(clippy::format_collect, reason = "a few hundred short lines")]
pub fn rows(count: usize, from: usize, flipped: bool) -> String {
    let row = |at: usize| {
        let x = (at * 37 % 1000) as f64 / 1000.0;
        let z = (at * 53 % 100) as f64 / 100.0;
        let class = if (x > 0.5) == flipped { "no" } else { "yes" };
        format!("{x},{z},{class}\n")
    };
    format!("x,z,y\n{}", (from..from + count).map(row).collect::<String>())
}

pub const CONFIG: &str = "name = \"shop\"\nseed = 3\n[data]\nsource = \"rows.csv\"\n[split]\nvalid = 0.2\ntest = 0.2\n\
                      [[targets]]\nname = \"y\"\nkind = \"category\"\n[model]\nfamily = \"gbdt\"\nrounds = 20\n";

const WATCH: &str = "[watch]\nrecent = \"recent.csv\"\ncooldown = \"0s\"\nrollback.within = \"0s\"\nrollback.rows = 50\n\
                     [watch.on]\nnew_data = true\ndrift = { index = 0.2, share = 0.5 }\n\
                     accuracy = { \"test/accuracy\" = \">= 0.8\" }\n";

fn home(watch: &str) -> TestHome {
    let home = TestHome::new();
    home.write("run.toml", format!("{CONFIG}{watch}"));
    home.write("rows.csv", rows(300, 0, false));
    home.write("recent.csv", rows(120, 5000, false));
    home
}

/// The world turns round: old and new rows have the other class.
pub fn turn(home: &TestHome, from: usize, flipped: bool) {
    home.write("rows.csv", rows(320, from, flipped));
    home.write("recent.csv", rows(130, from + 5000, flipped));
}

pub const PASS: [&str; 6] = ["watch", "--config", "run.toml", "--once", "--device", "flex"];

#[track_caller]
fn pass(home: &TestHome, more: &[&str]) -> Value {
    home.json(&[&PASS, more].concat())
}

pub fn states(pass: &Value) -> Vec<String> {
    let records = pass["records"].as_array().unwrap();
    records.iter().map(|record| record["state"].as_str().unwrap().to_owned()).collect()
}

pub fn journal(home: &TestHome) -> Vec<Value> {
    let text = fs::read_to_string(home.path(".cupola/watch/shop/journal.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn alias(home: &TestHome) -> Value {
    let text = home.read(".cupola/models/shop/aliases.json");
    serde_json::from_str::<Value>(&text).unwrap()["production"].clone()
}

const FIRST: [&str; 9] =
    ["opened", "triggered", "collected", "validated", "prepared", "trained", "gated", "promoted", "kept"];

#[test]
fn accuracy_falls_and_a_challenger_brings_it_back() {
    let home = home(WATCH);
    let first = pass(&home, &[]);
    assert_eq!(states(&first), FIRST);
    assert_eq!(first["records"][1]["triggers"][0]["name"], "first");
    assert_eq!(alias(&home), 1);
    // Nothing has changed.
    let idle = pass(&home, &[]);
    assert_eq!((&idle["pass"], states(&idle).len()), (&json!("idle"), 0));
    assert_eq!(idle["look"]["evidence"]["triggers"], json!([]));
    turn(&home, 1000, true);
    let second = pass(&home, &[]);
    assert_eq!(states(&second), FIRST[1..]);
    let triggers: Vec<&str> = second["records"][0]["triggers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trigger| trigger["name"].as_str().unwrap())
        .collect();
    assert_eq!(triggers, ["new_data", "accuracy"]);
    let gated = &second["records"][5];
    assert_eq!((&gated["passed"], &gated["champion"]), (&json!(true), &json!(1)));
    // Both are measured on the same recent rows, and the difference is certain.
    let metrics = gated["recent"]["metrics"].as_array().unwrap();
    let accuracy = metrics.iter().find(|metric| metric["name"] == "accuracy").unwrap();
    assert!(
        accuracy["first"].as_f64().unwrap() < 0.2 && accuracy["second"].as_f64().unwrap() > 0.9,
        "{gated}"
    );
    assert_eq!(gated["recent"]["rows"], 130);
    assert_eq!(alias(&home), 2);
    assert_eq!(pass(&home, &[])["look"]["evidence"]["triggers"], json!([]));
    let list = home.json(&["watch", "list"]);
    assert_eq!((&list[0]["id"], &list[1]["id"]), (&json!("shop-2"), &json!("shop-1")));
    assert_eq!(home.json(&["watch", "show", "shop-2"])["records"].as_array().unwrap().len(), 8);
}

#[test]
fn drift_is_measured_from_the_profile_of_the_champion() {
    let home = home(&WATCH.replace("new_data = true\n", ""));
    pass(&home, &[]);
    let shifted = rows(120, 5000, false).replace("\n0.", "\n2.");
    home.write("rows.csv", rows(320, 1000, false));
    home.write("recent.csv", shifted);
    let second = pass(&home, &[]);
    let drift = &second["records"][0]["drift"];
    assert_eq!(drift["reference"], "profile of shop:1", "{second}");
    assert_eq!(drift["columns"][0][0], "x", "{second}");
    assert!(drift["columns"][0][1].as_f64().unwrap() > 1.0, "{second}");
    let triggers = second["records"][0]["triggers"].as_array().unwrap();
    assert!(triggers.iter().any(|trigger| trigger["name"] == "drift"), "{second}");
}

#[test]
fn a_promoted_version_that_is_worse_on_newer_rows_is_rolled_back() {
    let home = home(&WATCH.replace("rollback.within = \"0s\"", "rollback.within = \"24h\""));
    pass(&home, &[]);
    turn(&home, 1000, true);
    assert_eq!(pass(&home, &[])["pass"], "following");
    assert_eq!(alias(&home), 2);
    // Too few rows say nothing.
    home.write("recent.csv", rows(40, 9000, false));
    assert_eq!(states(&pass(&home, &[])).len(), 0);
    home.write("recent.csv", rows(140, 9000, false));
    let back = pass(&home, &[]);
    assert_eq!(states(&back), ["watched", "rolled_back"]);
    assert_eq!(back["records"][0]["worse"], true);
    assert_eq!(alias(&home), 1);
}

#[test]
fn a_person_releases_or_refuses_a_challenger() {
    let home = home(WATCH);
    let waiting = pass(&home, &["--approve"]);
    assert_eq!(states(&waiting).last().unwrap(), "pending");
    assert!(!home.read(".cupola/models/shop/aliases.json").contains("production"));
    assert_eq!(pass(&home, &[])["pass"], "waiting");
    let approved = home.command(&["watch", "approve", "shop-1"]).env_remove("USER").output().unwrap();
    assert_eq!(approved.status.code(), Some(0), "{}", String::from_utf8_lossy(&approved.stderr));
    assert!(journal(&home).last().unwrap()["by"].as_str().unwrap().contains("uid "));
    assert_eq!(states(&pass(&home, &[])), ["promoted", "kept"]);
    let again = home.run(&["watch", "approve", "shop-1"]);
    assert_eq!(again.code, Some(2), "{}", again.stderr);
    assert!(again.stderr.contains("waits for no decision"), "{}", again.stderr);
    turn(&home, 1000, true);
    pass(&home, &["--approve"]);
    home.json(&["watch", "reject", "shop", "--why", "not on a Friday"]);
    let end = pass(&home, &[]);
    assert_eq!(states(&end), ["rejected"]);
    assert!(end["records"][0]["why"].as_str().unwrap().contains("not on a Friday"));
    assert_eq!(alias(&home), 1);
    // The same rows and config would give the same challenger.
    assert_eq!(pass(&home, &[])["look"]["held"][0], "unchanged");
    assert_eq!(home.run(&["watch", "approve", "other-1"]).code, Some(2));
}

/// Starts a pass and kills it when the journal has `lines` lines.
fn kill_at(home: &TestHome, lines: usize) {
    let mut child = home.command(&PASS).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while journal_lines(home) < lines && started.elapsed() < Duration::from_mins(2) {
        if child.try_wait().unwrap().is_some() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    kill(&mut child);
}

fn kill(child: &mut Child) {
    let _ = child.kill();
    child.wait().unwrap();
}

fn journal_lines(home: &TestHome) -> usize {
    let path = home.path(".cupola/watch/shop/journal.jsonl");
    fs::read_to_string(path).map_or(0, |text| text.matches('\n').count())
}

/// Each state once, and one move of the alias for each promotion.
#[track_caller]
fn check_once(home: &TestHome, cycle: u64) {
    let records = journal(home);
    let own: Vec<&str> = records
        .iter()
        .filter(|record| record["cycle"] == cycle)
        .map(|record| record["state"].as_str().unwrap())
        .collect();
    assert_eq!(own, FIRST[1..], "cycle {cycle}");
    let moves: Vec<Value> = serde_json::from_str(&home.read(".cupola/models/shop/moves.json")).unwrap();
    let made = moves.iter().filter(|one| one["alias"] == "production" && one["to"] == cycle);
    assert_eq!(made.count(), 1, "{moves:?}");
    assert_eq!(fs::read_dir(home.path(".cupola/runs")).unwrap().count(), usize::try_from(cycle).unwrap());
}

#[test]
fn a_kill_at_every_transition_trains_and_promotes_once() {
    let digest = |home: &TestHome, version: u64| {
        let text = home.read(&format!(".cupola/models/shop/{version}/manifest.json"));
        serde_json::from_str::<Value>(&text).unwrap()["files"]["model.safetensors"].clone()
    };
    let calm = home(WATCH);
    pass(&calm, &[]);
    turn(&calm, 1000, true);
    pass(&calm, &[]);
    let expected = [digest(&calm, 1), digest(&calm, 2)];
    for lines in 1..FIRST.len() {
        let home = home(WATCH);
        kill_at(&home, lines);
        pass(&home, &[]);
        check_once(&home, 1);
        turn(&home, 1000, true);
        kill_at(&home, FIRST.len() + lines);
        pass(&home, &[]);
        check_once(&home, 2);
        assert_eq!([digest(&home, 1), digest(&home, 2)], expected, "killed at {lines}");
        assert_eq!(alias(&home), 2);
    }
}

#[test]
fn one_process_watches_a_model_at_a_time() {
    let home = home(WATCH);
    let mut first = home
        .command(&["watch", "--config", "run.toml", "--device", "flex", "--set", "watch.every=1s"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while journal_lines(&home) < FIRST.len() && started.elapsed() < Duration::from_mins(2) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = home.run(&PASS);
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    assert!(second.stderr.contains("shop is watched already"), "{}", second.stderr);
    // A source that is away for a while does not end it.
    fs::rename(home.path("rows.csv"), home.path("away.csv")).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    turn(&home, 1000, true);
    while alias(&home) != 2 && started.elapsed() < Duration::from_mins(2) {
        std::thread::sleep(Duration::from_millis(20));
    }
    signal(first.id(), "TERM");
    assert_eq!(first.wait().unwrap().code(), Some(0));
    assert_eq!(alias(&home), 2);
}

#[test]
fn odd_journals_clocks_and_windows_are_told() {
    let home = home(WATCH);
    // No rows, and nothing written by a dry run.
    home.write("recent.csv", "x,z,y\n");
    let dry = home.json(&["watch", "--config", "run.toml", "--dry-run", "--device", "flex"]);
    assert_eq!(dry["look"]["evidence"]["triggers"][0]["name"], "first");
    assert!(!dry["look"]["notes"].as_array().unwrap().is_empty(), "{dry}");
    assert_eq!(journal_lines(&home), 0);
    assert_eq!(home.json(&["data", "list"]), json!([]));
    pass(&home, &[]);
    turn(&home, 500, false);
    // With a champion, it is measured on rows of which no version stays.
    let before = home.json(&["data", "list"]);
    let dry = home.json(&["watch", "--config", "run.toml", "--dry-run", "--device", "flex"]);
    let evidence = &dry["look"]["evidence"];
    assert_eq!((&evidence["data"]["dataset"], &evidence["champion"]), (&json!("shop:2"), &json!("shop:1")));
    assert!(evidence["accuracy"]["conditions"][0]["found"].is_number(), "{evidence}");
    assert_eq!(home.json(&["data", "list"]), before);
    // A clock that was far ahead, and a line that a full disk cut off.
    let path = ".cupola/watch/shop/journal.jsonl";
    let ahead = home.read(path).replace("\"at\":\"20", "\"at\":\"29");
    home.write(path, format!("{ahead}{{\"cycle\": 7, \"at"));
    turn(&home, 1000, true);
    assert_eq!(pass(&home, &["--set", "watch.budget.runs=2"])["pass"], "ended");
    assert_eq!(alias(&home), 2);
    let damaged = home.read(path).replacen("\"state\"", "\"stat", 1);
    home.write(path, damaged);
    let output = home.run(&PASS);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("journal.jsonl:1"), "{}", output.stderr);
    // The mistakes of a config are found before anything is read.
    for (set, message) in [
        ("watch.on.schedule=\"61 * * * *\"", "write five fields"),
        ("watch.alias=latest", "invalid alias"),
        ("watch.zone=Berlin", "invalid offset"),
        ("watch.warm_start=true", "trees have no weights"),
        ("watch.cooldown=soon", "expected a time"),
    ] {
        let output = home.run(&[&PASS[..], &["--set", set]].concat());
        assert_eq!(output.code, Some(2), "{set}: {}", output.stderr);
        assert!(output.stderr.contains(message), "{set}: {}", output.stderr);
    }
    home.write("run.toml", CONFIG);
    assert!(home.run(&PASS).stderr.contains("no table `[watch]`"));
}

#[test]
fn a_warm_start_begins_with_the_champion_and_stages_can_be_run_one_by_one() {
    let home = home(&format!("{WATCH}[train]\nepochs = 4\n"));
    let text =
        home.read("run.toml").replace("family = \"gbdt\"\nrounds = 20", "family = \"mlp\"\nhidden = [8]");
    home.write("run.toml", text.replace("[watch]\n", "[watch]\nwarm_start = true\nchallenger = \"none\"\n"));
    assert_eq!(pass(&home, &["--until", "trained"])["pass"], "nothing");
    for state in &FIRST[1..7] {
        pass(&home, &["--until", state]);
        assert_eq!(journal(&home).last().unwrap()["state"], *state);
    }
    // A promoted version is followed.
    assert_eq!(states(&pass(&home, &["--until", "promoted"])), ["promoted", "kept"]);
    turn(&home, 1000, false);
    pass(&home, &[]);
    let manifest = home.read(".cupola/models/shop/2/manifest.json");
    assert_eq!(serde_json::from_str::<Value>(&manifest).unwrap()["lineage"]["parent"], "shop:1");
}

#[test]
fn a_watch_is_written_for_other_schedulers() {
    let home = home(WATCH);
    let export = |to| {
        let output = home.run(&["watch", "export", "--config", "run.toml", "--to", to]);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        output.stdout
    };
    let cron = export("cron");
    let config = home.path("run.toml");
    assert!(cron.contains("\n*/10 * * * * cupola --home /"), "{cron}");
    assert!(cron.contains(&format!(" watch --config {} --once\n", config.display())), "{cron}");
    let airflow = export("airflow");
    assert!(
        airflow.contains("look >> collect >> validate >> prepare >> train >> gate >> promote"),
        "{airflow}"
    );
    // Each path holds in the folder that the scheduler runs the command in.
    let (folder, own) = (config.parent().unwrap().display(), home.path(".cupola"));
    assert!(airflow.contains(&format!(
        "cupola --home {} watch --config {}",
        own.display(),
        config.display()
    )));
    assert_eq!(airflow.matches(&format!("cwd=\"{folder}\")\n")).count(), 7, "{airflow}");
    let kubeflow = export("kubeflow");
    assert!(kubeflow.contains("schemaVersion:") && kubeflow.contains("2.1.0"), "{kubeflow}");
    assert_eq!(kubeflow.matches(&format!("mountPath: {folder}\n")).count(), 7, "{kubeflow}");
    assert_eq!(kubeflow.matches(&format!("mountPath: {}\n", own.display())).count(), 7, "{kubeflow}");
    // Long lines of YAML are folded.
    let joined = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let github = joined(export("github"));
    assert!(github.contains("cron: ") && github.contains("clean: false"), "{github}");
    assert!(github.contains(&format!("--home {} watch --config {}", own.display(), config.display())));
    // A config in a repository is that of the checkout.
    fs::create_dir(home.path(".git")).unwrap();
    assert!(joined(export("github")).contains(" watch --config run.toml --once"));
    home.json(&["watch", "export", "--config", "run.toml", "--to", "github", "--out", "watch.yml"]);
    assert!(joined(home.read("watch.yml")).contains("--until trained"));
}
