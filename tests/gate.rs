use serde_json::{Value, json};

use crate::support::{CommandOutput, TestHome};

/// Blobs are separable: any trained model passes this.
const GATE: &str = r#"
[train]
epochs = 8
[train.optimizer]
learning_rate = 2e-2
[gate]
"test/accuracy" = ">= 0.5"
"test/accuracy/low" = ">= 0.3"
"latency_p99_ms" = "<= 10000"
"versus champion" = "no worse, 95 %"
"#;

fn train(home: &TestHome, set: &[&str]) -> CommandOutput {
    let mut args = vec!["--json", "train", "--config", "run.toml", "--device", "flex"];
    args.extend(set.iter().flat_map(|set| ["--set", set]));
    home.run(&args)
}

fn outcomes(gate: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let conditions = gate["conditions"].as_array().unwrap().iter();
    conditions.map(|one| (text(&one["key"]), text(&one["outcome"]))).collect()
}

#[test]
fn a_gate_that_passes_is_kept_and_moves_latest() {
    let home = TestHome::with_blobs(400, GATE);
    let run = home.train(&[]);
    assert_eq!(run["gate"]["passed"], true, "{run}");
    let kept: Value = serde_json::from_str(&home.read(".cupola/models/blobs/1/gate.json")).unwrap();
    assert_eq!(kept, run["gate"]);
    let id = run["run"].as_str().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&home.read(&format!(".cupola/runs/{id}/gate.json"))).unwrap(),
        kept
    );
    let versus = &kept["conditions"][3];
    assert_eq!(versus["reason"], "no `champion` yet to compare with");
    home.json(&["models", "verify"]);
    home.json(&["models", "alias", "blobs", "champion", "1"]);

    // The same model again is no worse than itself.
    let again = home.train(&[]);
    let versus = &again["gate"]["conditions"][3];
    assert_eq!((&versus["outcome"], &versus["found"]), (&json!("passed"), &json!(0.0)), "{versus}");
    assert!(versus.get("warning").is_none(), "{versus}");
    // Another seed divides the rows otherwise, so the champion may have been trained on those of the comparison.
    let other = home.train(&["--set", "seed=12"]);
    let warning = other["gate"]["conditions"][3]["warning"].as_str().unwrap_or_default();
    assert!(warning.contains("blobs:1 was trained with another seed"), "{other}");
    let junit = home.run(&["gate", "--model", "blobs:3", "--format", "junit"]);
    assert!(junit.stdout.contains("warning: blobs:1 was trained with another seed"), "{}", junit.stdout);
    let judged = home.json(&["gate", "--model", "blobs:2", "--data", "blobs.csv", "--device", "flex"]);
    assert_eq!(judged["passed"], true, "{judged}");
    assert_eq!(home.json(&["gate", "--model", "blobs:2"])["conditions"][3]["outcome"], "passed");
}

#[test]
fn a_broken_gate_keeps_the_package_and_latest_where_it_was() {
    let home = TestHome::with_blobs(400, GATE);
    let broken = train(&home, &["gate.test/accuracy=> 1"]);
    assert_eq!(broken.code, Some(1), "{}", broken.stderr);
    let run: Value = serde_json::from_str(&broken.stdout).unwrap();
    assert_eq!(run["gate"]["passed"], false);
    assert!(broken.stderr.contains("the gate of blobs:1 is broken: `test/accuracy`"), "{}", broken.stderr);
    assert!(broken.stderr.contains("gate_broken") && broken.stderr.contains("latest  stays where it was"));
    assert_eq!(home.json(&["models", "list"])[0]["aliases"], json!([]));
    let unnamed = home.run(&["models", "show", "blobs"]);
    assert_eq!(unnamed.code, Some(2));
    assert!(unnamed.stderr.contains("`blobs:1`"), "{}", unnamed.stderr);

    // Sealed numbers give the same verdict, in every form.
    let judged = home.run(&["gate", "--model", "blobs:1"]);
    assert_eq!(judged.code, Some(1));
    assert!(judged.stdout.contains("broken") && judged.stdout.contains("> 1"), "{}", judged.stdout);
    for (format, part) in
        [("junit", "<failure"), ("markdown", "| broken |"), ("yaml", "passed: false"), ("json", "{")]
    {
        let output = home.run(&["gate", "--model", "blobs:1", "--format", format]);
        assert!(output.code == Some(1) && output.stdout.contains(part), "{format}: {}", output.stdout);
    }
    home.run(&["gate", "--model", "blobs:1", "--format", "junit", "--out", "gate.xml"]);
    assert!(home.read("gate.xml").starts_with("<?xml"));

    let refused = home.run(&["models", "alias", "blobs", "champion", "1"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    home.json(&["models", "alias", "blobs", "champion", "1", "--force"]);

    let passed = home.train(&[]);
    assert_eq!(passed["gate"]["passed"], true, "{passed}");
    assert_eq!(home.json(&["models", "list"])[0]["aliases"], json!(["latest"]));
    let broken = train(&home, &["gate.test/accuracy=> 1"]);
    assert_eq!(broken.code, Some(1));
    assert_eq!(home.json(&["models", "show", "blobs"])["manifest"]["version"], 2);
}

#[test]
fn whatever_has_no_value_breaks_the_gate() {
    let home = TestHome::with_blobs(400, GATE);
    let output = train(&home, &["split.test=0.0"]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let run: Value = serde_json::from_str(&output.stdout).unwrap();
    let found = outcomes(&run["gate"]);
    for key in ["test/accuracy", "test/accuracy/low"] {
        assert!(found.contains(&(key.to_owned(), "undefined".to_owned())), "{found:?}");
    }
    // Without a gate of its own a package needs conditions.
    home.write("conditions.toml", "[gate]\n'valid/accuracy' = '>= 0.5'\n");
    assert_eq!(home.json(&["gate", "--model", "blobs:1", "--config", "conditions.toml"])["passed"], true);
    home.json(&[
        "train",
        "--config",
        "run.toml",
        "--device",
        "flex",
        "--set",
        "gate={}",
        "--set",
        "name=free",
    ]);
    let none = home.run(&["gate", "--model", "free"]);
    assert!(none.code == Some(2) && none.stderr.contains("give conditions with --config"), "{}", none.stderr);
}

#[test]
fn a_mistake_in_a_condition_is_found_before_training() {
    let home = TestHome::with_blobs(400, GATE);
    for (set, expected) in [
        ("gate.test/acuracy=>= 0.5", "did you mean `accuracy`?"),
        ("gate.interval_coverage=>= 0.9", "add `[uncertainty]`"),
        ("gate.test/rmse=<= 1", "unknown metric `rmse` of a category"),
        ("gate.test/accuracy=0.97", "expected string"),
        ("gate.test/f1=very good", "expected a comparison such as `>= 0.97`"),
        ("gate.subgroup_min/x/accuracy=>= 0.5", "add it to `evaluate.subgroups`"),
        ("gate.versus champion=a bit better", "expected `no worse, 95 %`"),
    ] {
        let output = home.run(&["check", "--config", "run.toml", "--set", set]);
        assert!(output.code == Some(2) && output.stderr.contains(expected), "{set}: {}", output.stderr);
    }
    let smoke = home.json(&[
        "train",
        "--config",
        "run.toml",
        "--device",
        "flex",
        "--smoke",
        "--set",
        "gate.test/accuracy=> 1",
    ]);
    assert!(smoke.get("gate").is_none(), "{smoke}");
}

#[test]
fn the_small_census_passes_its_gate_and_fails_a_stricter_one() {
    let home = TestHome::new();
    let root = cupola_testkit::root();
    let config = root.join("configs/census_nano_gate.toml");
    let config = config.to_string_lossy();
    let passed = home.json(&["train", "--config", &config, "--device", "flex"]);
    assert_eq!(passed["gate"]["passed"], true, "{}", passed["gate"]);
    let strict = "gate.subgroup_min/sex/recall=>= 0.9";
    let broken = home.run(&["train", "--config", &config, "--device", "flex", "--set", strict]);
    assert_eq!(broken.code, Some(1), "{}", broken.stderr);
    assert!(broken.stdout.contains("subgroup_min/sex/recall"), "{}", broken.stdout);
    assert_eq!(home.json(&["models", "show", "census_nano_gate"])["manifest"]["version"], 1);
}

#[test]
fn a_package_that_was_edited_does_not_pass_for_its_stored_verdict() {
    let home = TestHome::with_blobs(400, GATE);
    let broken = train(&home, &["gate.test/accuracy=> 1"]);
    assert_eq!(broken.code, Some(1), "{}", broken.stderr);
    let file = |name: &str| format!(".cupola/models/blobs/1/{name}");
    let gate = home.read(&file("gate.json"));
    let edited = gate.replace("false", "true").replace("\"broken\"", "\"passed\"");
    assert_ne!(gate, edited);
    home.write(&file("gate.json"), &edited);
    // The damage is told from a broken gate by the exit code.
    let damaged = home.run(&["gate", "--model", "blobs:1"]);
    assert_eq!(damaged.code, Some(2), "{}", damaged.stderr);
    assert!(damaged.stderr.contains("package blobs:1 is damaged"), "{}", damaged.stderr);
    assert!(damaged.stderr.contains("restore it from its source"), "{}", damaged.stderr);
    // With the digest in place the verdict is that of the sealed numbers.
    let manifest = home.read(&file("manifest.json"));
    let digest = |text: &str| cupola_registry::sha256_hex(text.as_bytes());
    home.write(&file("manifest.json"), manifest.replace(&digest(&gate), &digest(&edited)));
    home.json(&["models", "verify"]);
    let judged = home.run(&["gate", "--model", "blobs:1"]);
    assert_eq!(judged.code, Some(1), "{}", judged.stderr);
    assert!(judged.stderr.contains("is broken: `test/accuracy`"), "{}", judged.stderr);
    home.write(&file("gate.json"), "{");
    home.write(&file("manifest.json"), manifest.replace(&digest(&gate), &digest("{")));
    let damaged = home.run(&["gate", "--model", "blobs:1"]);
    assert_eq!(damaged.code, Some(2), "{}", damaged.stderr);
}
