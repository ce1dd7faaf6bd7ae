use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use crate::support::{CommandOutput, TestHome};

/// Folder with `rows.csv` and the project `mine` of it.
fn project() -> TestHome {
    let home = TestHome::new();
    home.write("rows.csv", cupola_testkit::blobs(400));
    let made = home.json(&["init", "--project", "mine", "--data", "rows.csv", "--target", "side"]);
    assert_eq!(made["next"][0], "cd mine && git init -b main && ./check", "{made}");
    home
}

/// Runs steps of the project as a person would.
fn check(home: &TestHome, steps: &[&str]) -> CommandOutput {
    let mut command = Command::new("bash");
    command.arg("check").args(steps).current_dir(home.path("mine"));
    command.env("CUPOLA", env!("CARGO_BIN_EXE_cupola")).env("CUPOLA_DEVICE", "flex");
    for inherited in ["CUPOLA_HOME", "GITHUB_STEP_SUMMARY", "CI_MERGE_REQUEST_IID", "BITBUCKET_PR_ID"] {
        command.env_remove(inherited);
    }
    command.output().unwrap().into()
}

/// Replaces text in a file of the project that has it once.
#[track_caller]
fn edit(home: &TestHome, file: &str, from: &str, to: &str) {
    let path = format!("mine/{file}");
    let text = home.read(&path);
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    home.write(&path, text.replace(from, to));
}

#[test]
fn a_drafted_project_passes_its_own_steps() {
    let home = project();
    let config: toml::Table = home.read("mine/run.toml").parse().unwrap();
    assert_eq!(config["data"]["source"].as_str(), Some("data/rows.csv"));
    assert_eq!(home.read("mine/data/rows.csv"), home.read("rows.csv"));
    let expectations = config["expect"].as_array().unwrap();
    let on = |column: &str| {
        expectations.iter().find(|one| one.get("column").and_then(toml::Value::as_str) == Some(column))
    };
    assert!(on("side").unwrap()["required"].as_bool().unwrap());
    assert!(expectations.iter().any(|one| one.get("range").is_some()), "{config}");
    assert!(config["gate"].as_table().unwrap().contains_key("versus production"));
    let known = home.read("mine/tests/known.jsonl");
    let row: Value = serde_json::from_str(known.lines().next().unwrap()).unwrap();
    assert!(row.get("side").is_some_and(|side| !side.is_null()), "{row}");
    let mode = fs::metadata(home.path("mine/check")).unwrap().permissions().mode();
    assert_eq!(mode & 0o100, 0o100);
    for file in [
        ".github/workflows/model.yml",
        ".gitlab-ci.yml",
        "bitbucket-pipelines.yml",
        ".pre-commit-config.yaml",
    ] {
        assert!(home.path(&format!("mine/{file}")).is_file(), "{file}");
    }

    let done = check(&home, &[]);
    assert_eq!(done.code, Some(0), "{}\n{}", done.stdout, done.stderr);
    for step in ["setup", "data", "train", "report", "gate", "test", "publish", "deploy"] {
        assert!(done.stdout.contains(&format!("== {step}\n")), "{step}: {}", done.stdout);
    }
    assert!(done.stdout.contains("rows@production is version 1"), "{}", done.stdout);
    assert!(home.read("mine/build/report.md").contains("## Gate of rows:1: passed"));
    assert!(home.read("mine/build/gate.xml").starts_with("<?xml"));
    assert!(home.path("mine/build/report.html").is_file() && home.path("mine/build/image.tar").exists());
    // Nothing of a short training is in the home folder of the project.
    assert!(!home.path("mine/.cupola").exists());
}

#[test]
fn a_project_that_exists_is_replaced_only_when_asked() {
    let home = project();
    let args = ["init", "--project", "mine", "--data", "mine/data/rows.csv", "--target", "side"];
    edit(&home, "README.md", "# rows\n", "# My model\n");
    let refused = home.run(&args);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("README.md") && refused.stderr.contains("--force"), "{}", refused.stderr);
    assert!(home.read("mine/README.md").starts_with("# My model"));
    let replaced = home.run(&[&args[..], &["--force"]].concat());
    assert_eq!(replaced.code, Some(0), "{}", replaced.stderr);
    assert!(home.read("mine/README.md").starts_with("# rows\n"));
    // The data is within the project now, so it is named and not copied.
    assert!(home.read("mine/run.toml").contains("source = \"data/rows.csv\""));
    let names = fs::read_dir(home.path("mine")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.map(|name| name.into_string().unwrap()).all(|name| !name.starts_with(".staged-")));
}

#[test]
fn a_target_that_is_missing_writes_nothing() {
    let home = TestHome::new();
    home.write("rows.csv", cupola_testkit::blobs(60));
    for (data, part) in
        [("rows.csv", "unknown target `sdie` (did you mean `side`?)"), ("none.csv", "none.csv")]
    {
        let refused = home.run(&["init", "--project", "mine", "--data", data, "--target", "sdie"]);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
        assert!(!home.path("mine").exists());
    }
}

#[test]
fn broken_data_a_broken_gate_and_a_wrong_answer_end_the_steps() {
    let home = project();
    let rows = home.read("mine/data/rows.csv");
    let names: Vec<&str> = rows.lines().next().unwrap().split(',').collect();
    let row: Vec<&str> = names.iter().map(|name| if *name == "side" { "neither" } else { "0.5" }).collect();
    home.write("mine/data/rows.csv", format!("{}\n{}\n", rows.trim_end(), row.join(",")));
    let broken = check(&home, &[]);
    assert_eq!(broken.code, Some(2), "{}", broken.stdout);
    assert!(
        broken.stderr.contains("side: one of 2 values: ") && broken.stderr.contains("the step data failed"),
        "{}",
        broken.stderr
    );
    assert!(!home.path("mine/build/model").exists());
    home.write("mine/data/rows.csv", rows);

    edit(&home, "run.toml", "\"test/roc_auc\" = \">= 0.6\"", "\"test/roc_auc\" = \"> 1\"");
    let broken = check(&home, &[]);
    assert_eq!(broken.code, Some(1), "{}", broken.stdout);
    assert!(
        broken.stderr.contains("`test/roc_auc`") && broken.stderr.contains("the step gate failed"),
        "{}",
        broken.stderr
    );
    // The report is there for those who have to look at it, and nothing was published.
    assert!(home.read("mine/build/report.md").contains("broken"));
    assert!(home.read("mine/build/gate.xml").contains("<failure"));
    assert!(!broken.stdout.contains("== publish"));
    edit(&home, "run.toml", "\"test/roc_auc\" = \"> 1\"", "\"test/roc_auc\" = \">= 0.6\"");

    let known = home.read("mine/tests/known.jsonl");
    let wrong = known.lines().map(|line| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        let other = known.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["side"].clone());
        row["side"] = other.into_iter().find(|side| *side != row["side"]).unwrap();
        row.to_string() + "\n"
    });
    let wrong: String = wrong.collect();
    home.write("mine/tests/known.jsonl", wrong);
    let broken = check(&home, &["train", "test"]);
    assert_eq!(broken.code, Some(1), "{}", broken.stdout);
    assert!(
        broken.stderr.contains("`test/accuracy`") && broken.stderr.contains("the step test failed"),
        "{}",
        broken.stderr
    );
}
