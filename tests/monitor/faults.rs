//! Logs and profiles that are not as they should be.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::TestHome;

/// Served requests of a model with a category, whose values the log has as pseudonyms.
fn logged() -> TestHome {
    let home = TestHome::new();
    let row = |at: usize| {
        let colour = ["red", "blue", "green", "white"][at * 7 % 4];
        format!(
            "{},{colour},{}",
            (at * 37 % 100) as f64 / 10.0,
            if at.is_multiple_of(2) { "yes" } else { "no" }
        )
    };
    let rows: Vec<String> = (0..400).map(row).collect();
    home.write("rows.csv", format!("x,colour,label\n{}\n", rows.join("\n")));
    home.write(
        "run.toml",
        "name = 'paint'\nseed = 1\n[data]\nsource = 'rows.csv'\n[[targets]]\nname = 'label'\nkind = 'category'\n\
         [model]\nfamily = 'gbdt'\nrounds = 5\n",
    );
    home.train(&[]);
    home.write("serve.toml", "[[model]]\nserve = 'paint:1'\n[log]\nshare = 1.0\nhash = ['colour']\n");
    let server = home.serve(&["--config", "serve.toml"]);
    for text in rows.iter().take(40) {
        let cells: Vec<&str> = text.split(',').collect();
        let row = json!({ "x": cells[0].parse::<f64>().unwrap(), "colour": cells[1] });
        let body = json!({ "rows": [row] }).to_string();
        assert_eq!(server.post("/v1/models/paint/predict", body, &[]).status, 200);
    }
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    home
}

fn day(home: &TestHome) -> PathBuf {
    fs::read_dir(home.path(".cupola/predictions/paint/1")).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn columns_of_pseudonyms_are_left_out_and_broken_files_are_named() {
    let home = logged();
    let args = ["monitor", "report", "--model", "paint", "--data", ".cupola/predictions/paint"];
    let found = home.json(&[&args[..], &["--no-predictions"]].concat());
    let names: Vec<&Value> = found["columns"].as_array().unwrap().iter().map(|own| &own["name"]).collect();
    assert!(names.contains(&&json!("x")) && !names.contains(&&json!("colour")), "{found}");
    assert!(found["notes"].to_string().contains("pseudonyms of `colour`"), "{found}");

    fs::write(day(&home).join("broken.parquet"), b"PAR1 no footer").unwrap();
    let broken = home.run(&args);
    assert!(broken.code == Some(2) && broken.stderr.contains("broken.parquet"), "{}", broken.stderr);
}

#[test]
fn a_profile_that_contradicts_itself_or_is_too_large_is_refused() {
    let home = TestHome::with_blobs(300, "[train]\nepochs = 2\n");
    home.train(&[]);
    let (profile, manifest) = (".cupola/models/blobs/1/monitor.json", ".cupola/models/blobs/1/manifest.json");
    let (text, entries) = (home.read(profile), home.read(manifest));
    let digest = serde_json::from_str::<Value>(&entries).unwrap()["files"]["monitor.json"].clone();
    let mut counts: Value = serde_json::from_str(&text).unwrap();
    counts["columns"][0]["rows"] = json!(7);
    for (changed, reason) in [
        (counts.to_string(), "more values than rows"),
        (text.clone() + &" ".repeat(600 << 10), "larger than"),
    ] {
        home.write(profile, &changed);
        let own = cupola_registry::sha256_hex(changed.as_bytes());
        home.write(manifest, entries.replace(digest.as_str().unwrap(), &own));
        let args = ["monitor", "report", "--model", "blobs", "--device", "flex", "--data", "blobs.csv"];
        let refused = home.run(&args);
        assert!(refused.code != Some(0) && refused.stderr.contains(reason), "{reason}: {}", refused.stderr);
    }
}
