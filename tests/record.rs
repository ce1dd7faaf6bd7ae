use std::fs;

use serde_json::json;

use crate::support::Place;

const SHORT: &str = "[train]\nepochs = 1\n";

#[test]
fn runs_and_models_are_listed_shown_and_aliased() {
    let place = Place::with_blobs(120, SHORT);
    assert!(place.run(&["runs", "list"]).out.contains("no runs yet"));
    let first = place.train(&[]);
    let second = place.train(&[]);
    let runs = place.json(&["runs", "list"]);
    assert_eq!(runs.as_array().unwrap().len(), 2);
    let shown = place.json(&["runs", "show", "latest"]);
    assert_eq!((&shown["run"]["id"], &shown["run"]["status"]), (&second["run"], &json!("finished")));
    assert_eq!(shown["run"]["dataset"]["rows"], 120);
    assert_eq!(shown["run"]["dataset"]["files"][0]["name"], "blobs.csv");

    place.json(&["models", "alias", "blobs", "champion", "1"]);
    let moved = place.run(&["models", "alias", "blobs", "champion", "2", "--expect", "2"]);
    assert!(
        moved.code == Some(2) && moved.err.contains("is at version 1, expected version 2"),
        "{}",
        moved.err
    );
    place.json(&["models", "alias", "blobs", "champion", "2", "--expect", "1"]);
    let models = place.json(&["models", "list"]);
    assert_eq!(models[0]["aliases"], json!(["champion", "latest"]));
    assert_eq!(models[1]["aliases"], json!([]));
    let shown = place.json(&["models", "show", "blobs:1"]);
    assert_eq!(shown["manifest"]["lineage"]["run"], first["run"]);
    assert_eq!(
        shown["manifest"]["lineage"]["dataset_version"],
        shown_dataset(&place, first["run"].as_str().unwrap())
    );
}

fn shown_dataset(place: &Place, run: &str) -> serde_json::Value {
    place.json(&["runs", "show", run])["run"]["dataset"]["sha256"].clone()
}

#[test]
fn processes_that_publish_at_once_lose_nothing() {
    let place = Place::with_blobs(120, SHORT);
    let args = ["train", "--config", "run.toml", "--device", "flex"];
    let children: Vec<_> = (0..6).map(|_| place.command(&args).output_in_background()).collect();
    for child in children {
        let output = child.join().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let models = place.json(&["models", "list"]);
    let versions: Vec<u64> =
        models.as_array().unwrap().iter().map(|m| m["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, [6, 5, 4, 3, 2, 1]);
    assert_eq!(models[0]["aliases"], json!(["latest"]));
    assert_eq!(place.json(&["runs", "list"]).as_array().unwrap().len(), 6);
    place.json(&["models", "verify"]);
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
fn the_index_is_rebuilt_from_a_folder_that_was_copied() {
    let place = Place::with_blobs(120, SHORT);
    place.train(&[]);
    let (runs, models) = (place.json(&["runs", "list"]), place.json(&["models", "list"]));
    fs::remove_file(place.path(".cupola/index.sqlite")).unwrap();
    assert_eq!(place.json(&["models", "list"]), models);
    place.write(".cupola/index.sqlite", "rubbish");
    assert_eq!(place.json(&["doctor", "--rebuild"])["packages"], 1);
    assert_eq!((place.json(&["runs", "list"]), place.json(&["models", "list"])), (runs, models));
}

#[test]
fn a_package_is_served_from_a_folder_anywhere() {
    let place = Place::with_blobs(120, SHORT);
    place.train(&[]);
    fs::rename(place.path(".cupola/models/blobs/1"), place.path("elsewhere")).unwrap();
    let said = place.run(&["predict", "--model", "./elsewhere", "--input", "blobs.csv", "--device", "flex"]);
    assert_eq!((said.code, said.out.lines().count()), (Some(0), 120), "{}", said.err);
}

#[test]
fn a_machine_without_a_gpu_says_why_it_takes_the_cpu() {
    let place = Place::with_blobs(120, SHORT);
    // No driver, and one that is not there.
    for driver in ["/nonexistent.json", "/dev/null"] {
        let mut command = place.command(&["train", "--config", "run.toml"]);
        let output = command.env("VK_DRIVER_FILES", driver).env("VK_ICD_FILENAMES", driver).output().unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(out.contains("device  flex (CPU) (no GPU: "), "{out}");
    }
}
