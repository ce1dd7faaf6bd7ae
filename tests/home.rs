//! A home in an object store that several machines share. `scripts/check-home` does more, with an S3 server.

use serde_json::Value;

use crate::support::{CommandOutput, TestHome};

/// Runs a command on a machine with its own cache.
fn on(home: &TestHome, machine: &str, args: &[&str]) -> CommandOutput {
    let store = format!("file://{}", home.path("store").display());
    let mut command = home.command(args);
    command.env("CUPOLA_HOME", store).env("XDG_CACHE_HOME", home.path(machine));
    CommandOutput::from(command.output().unwrap())
}

fn json(home: &TestHome, machine: &str, args: &[&str]) -> Value {
    let output = on(home, machine, &[&["--json"], args].concat());
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    serde_json::from_str(&output.stdout).unwrap()
}

#[test]
fn machines_share_models_aliases_runs_and_datasets() {
    let home = TestHome::with_blobs(400, "[train]\nepochs = 1\n");
    let train = ["train", "--config", "run.toml", "--device", "flex"];
    let first = json(&home, "a", &train);
    json(&home, "b", &train);
    let listed = json(&home, "c", &["models", "list"]);
    let versions: Vec<u64> =
        listed.as_array().unwrap().iter().map(|row| row["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, [2, 1]);
    json(&home, "a", &["models", "alias", "blobs", "champion", "1"]);
    let shown = json(&home, "c", &["runs", "show", first["run"].as_str().unwrap()]);
    assert_eq!(shown["run"]["status"], "finished");
    home.write("rows.csv", "x,y\n0.1,0.2\n0.9,0.8\n");
    let predict = ["predict", "--model", "blobs@champion", "--input", "rows.csv"];
    let there = on(&home, "c", &predict);
    assert_eq!(there.code, Some(0), "{}", there.stderr);
    assert_eq!(there.stdout, on(&home, "a", &predict).stdout);
    json(&home, "a", &["data", "add", "rows", "rows.csv"]);
    assert_eq!(json(&home, "c", &["data", "show", "rows"])["dataset"]["rows"], 2);

    // Without the store, the cache answers and says so.
    std::fs::rename(home.path("store"), home.path("away")).unwrap();
    home.write("store", "not a folder");
    let cached = on(&home, "c", &predict);
    assert_eq!((cached.code, &cached.stdout), (Some(0), &there.stdout), "{}", cached.stderr);
    assert!(cached.stderr.contains("using the cache in "), "{}", cached.stderr);
    assert_ne!(on(&home, "d", &predict).code, Some(0), "another machine has no copy");
    let refused = on(&home, "c", &["submit", "--config", "run.toml", "--engine", "slurm"]);
    assert!(
        refused.code == Some(2) && refused.stderr.contains("use a home in a folder"),
        "{}",
        refused.stderr
    );
}
