use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{TestHome, signal};

const TRAIN: &str = "[split]\nvalid = 0.2\n[train]\nepochs = 8\nbatch_size = 8\ncheckpoint_every = 3\n\
[train.schedule]\nkind = \"cosine\"\nwarmup_steps = 10\n[train.early_stop]\npatience = 50\n";

/// Outcome of a run: digest of the weights, metrics, and events without timings.
type Outcome = (Value, Value, Vec<Value>);

#[track_caller]
fn same(found: &Outcome, expected: &Outcome) {
    for (a, b) in found.2.iter().zip(&expected.2) {
        assert_eq!(a, b, "the first event that differs");
    }
    assert_eq!(found.2.len(), expected.2.len(), "events");
    assert_eq!(found.1, expected.1, "metrics");
    assert_eq!(found.0, expected.0, "digest of the weights");
}

fn outcome(home: &TestHome, run: &str) -> Outcome {
    let shown = home.json(&["models", "show", "blobs"]);
    let digest = shown["manifest"]["files"]["model.safetensors"].clone();
    let metrics = home.read(&format!(".cupola/runs/{run}/metrics.json"));
    let mut metrics: Value = serde_json::from_str(&metrics).unwrap();
    metrics["evaluation"]["model"]["latency"] = Value::Null;
    let events = home.read(&format!(".cupola/runs/{run}/events.jsonl"));
    let events = events
        .lines()
        .map(|line| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            for measured in ["seconds", "memory_mib"] {
                event.as_object_mut().unwrap().remove(measured);
            }
            event
        })
        // The number of checkpoints depends on when the run was stopped.
        .filter(|event| event["event"] != "checkpoint")
        .collect();
    (digest, metrics, events)
}

fn only_run(home: &TestHome) -> String {
    let runs: Vec<_> = fs::read_dir(home.path(".cupola/runs")).unwrap().flatten().collect();
    assert_eq!(runs.len(), 1);
    runs[0].file_name().to_string_lossy().into_owned()
}

fn steps_recorded(home: &TestHome) -> usize {
    let Ok(runs) = fs::read_dir(home.path(".cupola/runs")) else { return 0 };
    let events =
        runs.flatten().next().and_then(|run| fs::read_to_string(run.path().join("events.jsonl")).ok());
    events.map_or(0, |text| text.lines().filter(|l| l.contains("\"event\":\"step\"")).count())
}

#[allow(clippy::zombie_processes, reason = "the test fails where the child is not waited for")]
/// Runs a command and sends it a signal after about `steps` steps; `true` if that ended it.
fn killed(home: &TestHome, args: &[&str], steps: usize, how: &str) -> bool {
    let mut child = home.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while started.elapsed() < Duration::from_mins(1) {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if steps_recorded(home) >= steps {
            signal(child.id(), how);
            return !child.wait().unwrap().success();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = child.kill();
    panic!("no {steps} steps within a minute");
}

#[test]
fn a_run_killed_at_random_moments_ends_bit_for_bit_the_same() {
    for optimizer in ["kind = \"adamw\"", "kind = \"sgd\"\nnesterov = true"] {
        let config = format!("{TRAIN}[train.optimizer]\n{optimizer}\n");
        let whole = TestHome::with_blobs(240, &config);
        let run = whole.train(&[])["run"].as_str().unwrap().to_owned();
        let expected = outcome(&whole, &run);

        let broken = TestHome::with_blobs(240, &config);
        let mut noise = u64::from(
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos(),
        );
        let (mut kills, mut at) = (0, 1);
        let mut args = vec!["train", "--device", "flex", "--config", "run.toml"];
        while at < 160 && killed(&broken, &args, at, "KILL") {
            kills += 1;
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            at += 5 + usize::try_from(noise >> 33).unwrap() % 35;
            args = vec!["train", "--device", "flex", "--resume", "latest"];
        }
        assert!(kills >= 3, "killed {kills} times only");
        let run = only_run(&broken);
        if broken.run(&["models", "show", "blobs"]).code != Some(0) {
            broken.json(&args);
        }
        same(&outcome(&broken, &run), &expected);
        // Files of a killed run are never taken for a checkpoint or a package.
        broken.json(&["models", "verify"]);
    }
}

#[test]
fn a_signal_writes_a_checkpoint_and_prints_the_resume_command() {
    let config =
        TRAIN.replace("checkpoint_every = 3", "checkpoint_every = 0").replace("epochs = 8", "epochs = 60");
    let whole = TestHome::with_blobs(240, &config);
    let run = whole.train(&[])["run"].as_str().unwrap().to_owned();
    for name in ["INT", "TERM"] {
        let home = TestHome::with_blobs(240, &config);
        let args = ["train", "--config", "run.toml", "--device", "flex"];
        let mut child = home.command(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        while steps_recorded(&home) < 30 {
            assert!(child.try_wait().unwrap().is_none(), "ended before the signal");
            std::thread::sleep(Duration::from_millis(1));
        }
        signal(child.id(), name);
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        let id = only_run(&home);
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains(&format!("resume with: cupola train --resume {id}")), "{err}");
        assert_eq!(home.json(&["runs", "show", &id])["run"]["status"], "stopped");
        home.json(&["train", "--resume", &id, "--device", "flex"]);
        same(&outcome(&home, &id), &outcome(&whole, &run));
    }
}

#[test]
fn max_steps_ends_a_run_early() {
    let home = TestHome::with_blobs(240, TRAIN);
    let done = home.train(&["--max-steps", "7"]);
    assert_eq!(done["steps"], 7);
    let whole = home.train(&[]);
    assert_eq!(whole["steps"], 144);
}

#[test]
fn early_stopping_keeps_the_best_epoch() {
    let home = TestHome::with_blobs(
        240,
        &TRAIN.replace("patience = 50", "patience = 2").replace("epochs = 8", "epochs = 200"),
    );
    let done = home.train(&[]);
    let metrics: Value = serde_json::from_str(
        &home.read(&format!(".cupola/runs/{}/metrics.json", done["run"].as_str().unwrap())),
    )
    .unwrap();
    assert!(done["steps"].as_u64().unwrap() < 200 * 21, "{done}");
    let best = metrics["best"]["value"].as_f64().unwrap();
    assert!(
        (metrics["splits"]["valid"]["values"]["roc_auc"].as_f64().unwrap() - best).abs() < 1e-9,
        "{metrics}"
    );
}

#[test]
fn a_run_is_not_resumed_on_other_data_or_another_config() {
    let home = TestHome::with_blobs(240, TRAIN);
    assert!(killed(&home, &["train", "--config", "run.toml", "--device", "flex"], 10, "KILL"));
    let data = home.read("blobs.csv");
    home.write("blobs.csv", data.replacen("left", "right", 1));
    let output = home.run(&["train", "--resume", "latest", "--device", "flex"]);
    assert_eq!(output.code, Some(2));
    assert!(output.stderr.contains("the data has changed since run"), "{}", output.stderr);
    home.write("blobs.csv", data);
    home.write("run.toml", home.read("run.toml").replace("epochs = 8", "epochs = 9"));
    let output = home.run(&["train", "--resume", "latest", "--config", "run.toml", "--device", "flex"]);
    assert!(
        output.code == Some(2) && output.stderr.contains("is not the config that run"),
        "{}",
        output.stderr
    );
    home.json(&["train", "--resume", "latest", "--device", "flex"]);
    let output = home.run(&["train", "--resume", "latest", "--device", "flex"]);
    assert!(
        output.code == Some(2) && output.stderr.contains("is finished and published as blobs:1"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_damaged_checkpoint_is_reported_and_the_previous_one_resumes() {
    let home = TestHome::with_blobs(240, TRAIN);
    assert!(killed(&home, &["train", "--config", "run.toml", "--device", "flex"], 40, "KILL"));
    let id = only_run(&home);
    let steps = home.json(&["runs", "show", &id])["checkpoints"].clone();
    let last = steps.as_array().unwrap().last().unwrap().clone();
    let folder = format!(".cupola/runs/{id}/checkpoints/step-{last}");
    let mut bytes = fs::read(home.path(&format!("{folder}/optimizer.bpk"))).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    home.write(&format!("{folder}/optimizer.bpk"), bytes);
    let output = home.run(&["train", "--resume", &id, "--device", "flex"]);
    assert!(
        output.code == Some(1)
            && output.stderr.contains("the digest of optimizer.bpk differs from the one in state.json"),
        "{}",
        output.stderr
    );
    fs::remove_dir_all(home.path(&folder)).unwrap();
    home.json(&["train", "--resume", &id, "--device", "flex"]);
}

/// Home with a run of trees on 2,000 rows.
fn trees(model: &str) -> TestHome {
    let home = TestHome::new();
    home.write("blobs.csv", cupola_testkit::blobs(2_000));
    let head = "name = \"blobs\"\nseed = 3\n[data]\nsource = \"blobs.csv\"\n";
    home.write(
        "run.toml",
        format!("{head}[[targets]]\nname = \"side\"\nkind = \"category\"\n[model]\n{model}\n"),
    );
    home
}

#[test]
fn growing_trees_hear_a_signal_and_the_run_grows_them_anew() {
    let home = trees("family = \"random_forest\"\ntrees = 4000");
    let args = ["train", "--config", "run.toml"];
    let mut child = home.command(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = || fs::read_dir(home.path(".cupola/runs")).is_ok_and(|mut runs| runs.next().is_some());
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "ended before the signal");
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(child.id(), "TERM");
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    let id = only_run(&home);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains(&format!("grow them anew with: cupola train --resume {id}")), "{err}");
    assert_eq!(home.json(&["runs", "show", &id])["run"]["status"], "stopped");
    let done = home.json(&["train", "--resume", "latest"]);
    assert_eq!((&done["run"], &done["package"]), (&id.into(), &"blobs:1".into()));
    assert_eq!(done["trees"], 4000);
}

#[test]
fn a_run_of_trees_that_was_killed_after_it_had_published_keeps_its_package() {
    for model in ["family = \"random_forest\"\ntrees = 20", "family = \"gbdt\"\nrounds = 100"] {
        let home = trees(model);
        let first = home.train(&[]);
        let id = only_run(&home);
        // The record is the last file that a run writes.
        home.unfinish(&id);
        let again = home.json(&["train", "--resume", "latest"]);
        assert_eq!((&again["run"], &again["package"]), (&first["run"], &first["package"]));
        assert_eq!(only_run(&home), id);
        assert!(!home.path(".cupola/models/blobs/2").exists());
        let data = home.read("blobs.csv");
        home.unfinish(&id);
        home.write("blobs.csv", data.replacen("left", "right", 1));
        let output = home.run(&["train", "--resume", "latest"]);
        assert!(output.stderr.contains("the data has changed since run"), "{}", output.stderr);
    }
}

#[test]
fn a_signal_during_the_preparation_ends_the_run_before_it_begins() {
    let home = TestHome::with_blobs(240, TRAIN);
    // A source that accepts the request and never responds.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let source = format!("data.source=http://{}/rows.csv", silent.local_addr().unwrap());
    let args = ["train", "--config", "run.toml", "--device", "flex", "--set", &source];
    let mut child = home.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _request = silent.accept().unwrap();
    signal(child.id(), "INT");
    // The signal itself ended it, not an error of the source.
    assert_eq!(child.wait().unwrap().signal(), Some(2));
    assert!(fs::read_dir(home.path(".cupola/runs")).map_or(true, |mut runs| runs.next().is_none()));
}
