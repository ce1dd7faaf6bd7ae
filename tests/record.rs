use std::fs;

use serde_json::json;

use crate::support::TestHome;

const SHORT: &str = "[train]\nepochs = 1\n";

#[test]
fn runs_and_models_are_listed_shown_and_aliased() {
    let home = TestHome::with_blobs(120, SHORT);
    assert!(home.run(&["runs", "list"]).stdout.contains("no runs yet"));
    let first = home.train(&[]);
    let second = home.train(&[]);
    let runs = home.json(&["runs", "list"]);
    assert_eq!(runs.as_array().unwrap().len(), 2);
    let shown = home.json(&["runs", "show", "latest"]);
    assert_eq!((&shown["run"]["id"], &shown["run"]["status"]), (&second["run"], &json!("finished")));
    assert_eq!(shown["run"]["dataset"]["rows"], 120);
    assert_eq!(shown["run"]["dataset"]["files"][0]["name"], "blobs.csv");

    home.json(&["models", "alias", "blobs", "champion", "1"]);
    let moved = home.run(&["models", "alias", "blobs", "champion", "2", "--expect", "2"]);
    assert!(
        moved.code == Some(2) && moved.stderr.contains("is at version 1, expected version 2"),
        "{}",
        moved.stderr
    );
    home.json(&["models", "alias", "blobs", "champion", "2", "--expect", "1"]);
    let models = home.json(&["models", "list"]);
    assert_eq!(models[0]["aliases"], json!(["champion", "latest"]));
    assert_eq!(models[1]["aliases"], json!([]));
    let shown = home.json(&["models", "show", "blobs:1"]);
    assert_eq!(shown["manifest"]["lineage"]["run"], first["run"]);
    assert_eq!(
        shown["manifest"]["lineage"]["dataset_version"],
        shown_dataset(&home, first["run"].as_str().unwrap())
    );
}

fn shown_dataset(home: &TestHome, run: &str) -> serde_json::Value {
    home.json(&["runs", "show", run])["run"]["dataset"]["sha256"].clone()
}

#[test]
fn concurrent_processes_publish_without_loss() {
    let home = TestHome::with_blobs(120, SHORT);
    let args = ["train", "--config", "run.toml", "--device", "flex"];
    let children: Vec<_> = (0..6).map(|_| home.command(&args).output_in_background()).collect();
    for child in children {
        let output = child.join().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let models = home.json(&["models", "list"]);
    let versions: Vec<u64> =
        models.as_array().unwrap().iter().map(|m| m["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, [6, 5, 4, 3, 2, 1]);
    assert_eq!(models[0]["aliases"], json!(["latest"]));
    assert_eq!(home.json(&["runs", "list"]).as_array().unwrap().len(), 6);
    home.json(&["models", "verify"]);
}

trait InBackground {
    fn output_in_background(self) -> std::thread::JoinHandle<std::process::Output>;
}

impl InBackground for std::process::Command {
    fn output_in_background(mut self) -> std::thread::JoinHandle<std::process::Output> {
        std::thread::spawn(move || self.output().unwrap())
    }
}

#[test]
fn the_index_is_rebuilt_from_the_files() {
    let home = TestHome::with_blobs(120, SHORT);
    home.train(&[]);
    let (runs, models) = (home.json(&["runs", "list"]), home.json(&["models", "list"]));
    fs::remove_file(home.path(".cupola/index.sqlite")).unwrap();
    assert_eq!(home.json(&["models", "list"]), models);
    home.write(".cupola/index.sqlite", "rubbish");
    assert_eq!(home.json(&["doctor", "--rebuild"])["packages"], 1);
    assert_eq!((home.json(&["runs", "list"]), home.json(&["models", "list"])), (runs, models));
}

#[test]
fn a_package_is_loaded_from_any_folder() {
    let home = TestHome::with_blobs(120, SHORT);
    home.train(&[]);
    fs::rename(home.path(".cupola/models/blobs/1"), home.path("elsewhere")).unwrap();
    let output = home.run(&["predict", "--model", "./elsewhere", "--input", "blobs.csv", "--device", "flex"]);
    assert_eq!((output.code, output.stdout.lines().count()), (Some(0), 120), "{}", output.stderr);
}

#[test]
fn a_machine_without_a_gpu_reports_why_it_uses_the_cpu() {
    let home = TestHome::with_blobs(120, SHORT);
    // A driver file that does not exist, and one without a driver.
    for driver in ["/nonexistent.json", "/dev/null"] {
        let mut command = home.command(&["train", "--config", "run.toml"]);
        let output = command.env("VK_DRIVER_FILES", driver).env("VK_ICD_FILENAMES", driver).output().unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(out.contains("device  flex (CPU) (no GPU: "), "{out}");
    }
}

#[test]
fn next_steps_keep_the_home_and_the_overrides() {
    let home = TestHome::with_blobs(120, SHORT);
    let set = ["--set", "train.epochs=1", "--set", "model.layers=[{ type = \"linear\", out = 2 }]"];
    let config = ["--home", "my home", "--config", "run.toml"];
    let expected = "cupola --home 'my home' train --config run.toml --set train.epochs=1 \
                    --set 'model.layers=[{ type = \"linear\", out = 2 }]'";
    for command in ["check", "prepare"] {
        let args: Vec<&str> = [command].into_iter().chain(config).chain(set).collect();
        assert_eq!(home.json(&args)["next"], json!([expected]), "{command}");
    }
    // The printed command runs as it is.
    let words = expected.replacen("cupola", env!("CARGO_BIN_EXE_cupola"), 1);
    let script = format!("{words} --device flex --json");
    let mut shell = std::process::Command::new("sh");
    let output = shell.args(["-c", &script]).current_dir(home.path("")).output().unwrap();
    let trained: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(trained["next"], json!(["cupola --home 'my home' serve --model blobs"]));
    let mut command = home.command(&["--json", "check", "--config", "run.toml"]);
    let output = command.env("CUPOLA_HOME", "elsewhere").output().unwrap();
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["next"], json!(["cupola train --config run.toml"]), "the variable stays set");
}
