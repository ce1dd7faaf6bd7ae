use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{TestHome, signal};

const TRAIN: &str =
    "[split]\nvalid = 0.2\n[train]\nepochs = 60\nbatch_size = 8\n[train.early_stop]\npatience = 0\n";

/// Programs of Slurm that answer as the real ones do: `sbatch` keeps the script, `squeue` says that it runs.
const SLURM: [(&str, &str); 3] = [
    (
        "sbatch",
        "case \"$(cat \"$2\")\" in *--partition=none*) echo 'sbatch: error: invalid partition specified: none' >&2; exit 1;; esac\necho '4711;cluster'",
    ),
    ("squeue", "echo '4711|RUNNING|n1|0:42'"),
    ("scancel", "echo \"$1\" > cancelled"),
];

fn home() -> TestHome {
    let home = TestHome::with_blobs(120, TRAIN);
    for (name, text) in SLURM {
        home.write(name, format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(home.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    home
}

/// Runs a command with the programs of Slurm that lie in the home.
fn run(home: &TestHome, args: &[&str]) -> (Option<i32>, String, String) {
    let path = format!("{}:{}", home.path("").display(), std::env::var("PATH").unwrap());
    let output = home.command(args).env("PATH", path).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

const SUBMIT: [&str; 5] = ["submit", "--engine", "slurm", "--config", "run.toml"];

fn submit<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SUBMIT.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn a_run_is_found_again_by_its_id_and_published_once() {
    let home = TestHome::with_blobs(120, TRAIN);
    let args = ["train", "--config", "run.toml", "--run", "blobs-job", "--device", "flex"];
    let mut child = home.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let checkpoints = home.path(".cupola/runs/blobs-job/checkpoints");
    let started = Instant::now();
    while fs::read_dir(&checkpoints).map_or(0, Iterator::count) == 0 {
        assert!(started.elapsed() < Duration::from_mins(1) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(child.id(), "KILL");
    child.wait().unwrap();
    // A config that is edited meanwhile is that of the next run.
    let edited = home.read("run.toml").replace("epochs = 60", "epochs = 61");
    home.write("run.toml", edited);
    let output = home.run(&args);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stderr.contains("run blobs-job continues by"), "{}", output.stderr);
    let shown = home.json(&["runs", "show", "blobs-job"]);
    assert_eq!(shown["run"]["status"], "finished");
    assert_eq!(shown["run"]["package"], "blobs:1");
    let again = home.run(&args);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(again.stdout.contains("is finished and published as blobs:1"), "{}", again.stdout);
    assert!(!home.path(".cupola/models/blobs/2").exists());
    let logs = home.run(&["runs", "logs", "blobs-job", "-f"]).stdout;
    assert!(logs.contains("epoch 60  step ") && logs.ends_with("finished\n"), "{logs}");
    let invalid = home.run(&["train", "--config", "run.toml", "--run", "../x"]);
    assert_eq!(invalid.code, Some(2), "{}", invalid.stderr);
}

#[test]
fn a_job_is_submitted_listed_followed_and_cancelled() {
    let home = home();
    let (code, stdout, stderr) = run(&home, &submit(&["--time", "2h", "--gpus", "2", "--json"]));
    assert_eq!(code, Some(0), "{stderr}");
    let found: Value = serde_json::from_str(&stdout).unwrap();
    let id = found["job"]["id"].as_str().unwrap();
    assert_eq!(found["job"]["cluster_ids"][0], "4711");
    let script = home.read(&format!(".cupola/jobs/{id}/job.sh"));
    assert!(script.contains("#SBATCH --time=120\n") && script.contains("--gres=gpu:2\n"), "{script}");
    assert!(script.contains(&format!("--run {id} --device auto --devices 2 &")), "{script}");
    let (_, listed, _) = run(&home, &["submit", "list"]);
    assert!(listed.contains(id) && listed.contains("running"), "{listed}");
    home.write(&format!(".cupola/jobs/{id}/log-0.txt"), "start 0\nepoch 1\n");
    for args in [["submit", "logs", "latest"], ["submit", "logs", "4711"], ["runs", "logs", id]] {
        assert_eq!(run(&home, &args).1, "start 0\nepoch 1\n", "{args:?}");
    }
    assert_eq!(run(&home, &["submit", "resume", id]).0, Some(2));
    assert_eq!(run(&home, &["submit", "cancel", id]).0, Some(0));
    assert_eq!(home.read("cancelled"), "4711\n");
    let (code, _, stderr) = run(&home, &["submit", "status", "blob"]);
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn what_the_cluster_refuses_has_a_remedy_and_is_not_recorded() {
    let home = home();
    let refused = |args: &[&str], text: &str| {
        let (code, _, stderr) = run(&home, args);
        assert!(code == Some(2) && stderr.contains(text), "{args:?}: {code:?} {stderr}");
    };
    refused(&submit(&["--sbatch", "--partition=none"]), "`sinfo` lists");
    refused(&submit(&["--sbatch", "--array=0-9"]), "`--array` is set by Cupola");
    refused(&submit(&["--workers", "4"]), "add --tune");
    refused(&submit(&["--set", "train.epoch=3"]), "did you mean");
    refused(&submit(&["--memory", "16"]), "expected a size");
    refused(&["submit", "logs", "nothing"], "unknown job `nothing`");
    let output = home.command(&submit(&[])).env("PATH", "/nowhere").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && stderr.contains("login node"), "{stderr}");
    assert!(fs::read_dir(home.path(".cupola/jobs")).map_or(0, Iterator::count) == 0);
}

#[test]
fn a_manifest_is_printed_and_nothing_is_recorded() {
    let home = home();
    let args = ["submit", "--engine", "kubernetes", "--config", "run.toml"];
    let more = ["--image", "r/cupola:1", "--claim", "home", "--tune", "--workers", "3", "--set", "seed=2"];
    let (code, stdout, stderr) = run(&home, &[&args[..], &more].concat());
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("kind: Job") && stdout.contains("completions: 3"), "{stdout}");
    assert!(!home.path(".cupola/jobs").exists());
    let (code, _, stderr) = run(&home, &args);
    assert!(code == Some(2) && stderr.contains("--image"), "{stderr}");
}
