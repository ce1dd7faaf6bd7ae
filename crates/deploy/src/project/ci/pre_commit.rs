//! Hooks of pre-commit.

use serde::Serialize;

use super::yaml::to_yaml;
use crate::project::error::ProjectError;

const ABOUT: &str = "\
Hooks of https://pre-commit.com; `pre-commit install` turns them on. They run `cupola` of this machine.";

#[derive(Serialize)]
struct PreCommitConfig {
    default_install_hook_types: [&'static str; 2],
    repos: [PreCommitRepo; 1],
}

#[derive(Serialize)]
struct PreCommitRepo {
    repo: &'static str,
    hooks: Vec<PreCommitHook>,
}

#[derive(Serialize)]
struct PreCommitHook {
    id: &'static str,
    name: &'static str,
    entry: &'static str,
    language: &'static str,
    pass_filenames: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    always_run: Option<bool>,
    stages: [&'static str; 1],
}

/// YAML of the hooks: the data contract before a commit, every step before a push.
pub(in crate::project) fn pre_commit_config() -> Result<String, ProjectError> {
    let data = PreCommitHook {
        id: "data",
        name: "config and data contract",
        entry: "./check data",
        language: "system",
        pass_filenames: false,
        files: Some("^(run\\.toml|data/.*)$"),
        always_run: None,
        stages: ["pre-commit"],
    };
    let steps = PreCommitHook {
        id: "steps",
        name: "every step with a short training",
        entry: "./check",
        files: None,
        always_run: Some(true),
        stages: ["pre-push"],
        ..data
    };
    let config = PreCommitConfig {
        default_install_hook_types: ["pre-commit", "pre-push"],
        repos: [PreCommitRepo { repo: "local", hooks: vec![data, steps] }],
    };
    to_yaml(".pre-commit-config.yaml", ABOUT, &config)
}
