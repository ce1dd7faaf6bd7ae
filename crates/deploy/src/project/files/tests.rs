use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::*;

fn request() -> ProjectRequest {
    ProjectRequest {
        name: "churn".to_owned(),
        target: "churn`ed\n".to_owned(),
        config: "name = \"churn\"\n".to_owned(),
        data: Some("data/churn.csv".to_owned()),
        short: vec!["--set".to_owned(), "model.rounds=50".to_owned()],
        tests: Some(ProjectTests { rows: "{}\n".to_owned(), gate: "[gate]\n".to_owned() }),
    }
}

fn yaml(path: &str) -> Value {
    let files = project_files(&request()).unwrap();
    let file = files.iter().find(|file| file.path == path).unwrap();
    serde_saphyr::from_str(&file.text).unwrap_or_else(|error| panic!("{path}: {error}\n{}", file.text))
}

#[test]
fn the_token_that_may_write_runs_nothing_of_the_change() {
    let workflow = yaml(".github/workflows/model.yml");
    assert_eq!(workflow["permissions"], serde_json::json!({}));
    let jobs = &workflow["jobs"];
    assert_eq!(jobs["check"]["permissions"], serde_json::json!({ "contents": "read" }));
    assert_eq!(jobs["comment"]["permissions"], serde_json::json!({ "pull-requests": "write" }));
    let steps = jobs["comment"]["steps"].as_array().unwrap();
    assert!(
        steps.iter().all(|step| !step["uses"].as_str().unwrap_or_default().starts_with("actions/checkout"))
    );
    // Secrets are those of an environment, which only the branch reaches.
    assert!(!jobs["check"].to_string().contains("secrets."));
    assert_eq!(jobs["publish"]["environment"], "production");
}

#[test]
fn actions_are_pinned_to_commits_with_their_release() {
    let files = project_files(&request()).unwrap();
    let workflow = files.iter().find(|file| file.path == ".github/workflows/model.yml").unwrap();
    let uses: Vec<&str> = workflow.text.lines().filter(|line| line.contains("uses:")).collect();
    assert_eq!(uses.len(), 5, "{}", workflow.text);
    for line in uses {
        let (_, pin) = line.split_once('@').unwrap();
        let (commit, version) = pin.split_once(" # v").unwrap();
        assert!(commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()), "{line}");
        assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{line}");
    }
}

#[test]
fn every_service_takes_the_same_steps() {
    let github = yaml(".github/workflows/model.yml");
    let of_github = |job: &str| -> Vec<String> {
        let steps = github["jobs"][job]["steps"].as_array().unwrap();
        steps.iter().filter_map(|step| step["run"].as_str().map(str::to_owned)).collect()
    };
    let words = |steps: &Value| -> Vec<String> {
        steps.as_array().unwrap().iter().map(|step| step.as_str().unwrap().to_owned()).collect()
    };
    let gitlab = yaml(".gitlab-ci.yml");
    let bitbucket = yaml("bitbucket-pipelines.yml");
    let of_bitbucket = [
        words(&bitbucket["pipelines"]["pull-requests"]["**"][0]["step"]["script"]),
        words(&bitbucket["pipelines"]["branches"]["main"][0]["step"]["script"]),
    ];
    for (job, of_bitbucket) in ["check", "publish"].into_iter().zip(of_bitbucket) {
        let expected = of_github(job);
        let before = words(&gitlab["default"]["before_script"]);
        let of_gitlab: Vec<String> = before.into_iter().chain(words(&gitlab[job]["script"])).collect();
        assert_eq!(of_gitlab, expected);
        assert_eq!(of_bitbucket, expected);
    }
    assert_eq!(gitlab["check"]["artifacts"]["reports"]["junit"], "build/gate.xml");
}

#[test]
fn the_script_is_valid_and_names_are_quoted() {
    let odd = ProjectRequest { name: "it's $(rm -rf /)".to_owned(), ..request() };
    let home = cupola_testkit::temporary();
    let path = home.path().join("check");
    std::fs::write(&path, script(&odd)).unwrap();
    let bash = |args: &[&str]| Command::new("bash").args(args).current_dir(home.path()).output().unwrap();
    let checked = bash(&["-n", "check"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert!(script(&odd).contains(r"name='it'\''s $(rm -rf /)'"));
    assert!(script(&request()).contains("short=(--set model.rounds=50)"));
    let unknown = bash(&["check", "tarin"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("unknown step `tarin`"));
    let early = bash(&["check", "publish"]);
    assert_eq!(early.status.code(), Some(1));
    let error = String::from_utf8_lossy(&early.stderr).into_owned();
    assert!(
        error.contains("run ./check train first") && error.contains("the step publish failed"),
        "{error}"
    );
}

#[test]
fn no_placeholder_is_left() {
    for file in project_files(&request()).unwrap() {
        assert!(!file.text.contains("@NAME@") && !file.text.contains("@SHORT@"), "{}", file.path);
        assert!(
            !["@DATA@", "@TESTS@", "@TARGET@"].iter().any(|mark| file.text.contains(mark)),
            "{}",
            file.path
        );
        assert!(file.text.ends_with('\n'), "{}", file.path);
        if let Ok(folder) = std::env::var("CUPOLA_PROJECT_OUT") {
            let path = Path::new(&folder).join(file.path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file.text).unwrap();
        }
    }
}
