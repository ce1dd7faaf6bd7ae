//! Pipeline of GitLab.

use std::collections::BTreeMap;

use serde::Serialize;

use super::yaml::{ordered, to_yaml};
use super::{IMAGE, JOB_IMAGE, JUDGING, RELEASING, REPORTS};
use crate::project::error::ProjectError;

const ABOUT: &str = "\
Judges each merge request with a short training, and publishes and deploys what is merged. Every step is `./check STEP`.

Variables of the project (Settings, CI/CD, Variables):
  CUPOLA_URL           address of a release of cupola for Linux on x86-64, a .tar.gz with the binary at its top
  CUPOLA_SHA256        SHA-256 digest of that archive; the job ends where it differs
  CUPOLA_HOME          registry of the published versions, such as s3://bucket/cupola, with AWS_ACCESS_KEY_ID,
                       AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL; protected and masked. Without it the versions
                       end with the job, and the image is all that is left
  CUPOLA_GITLAB_TOKEN  project access token with the scope `api`, for the comment with the report; without it there is none";

const MERGE_REQUEST: &str = "$CI_PIPELINE_SOURCE == \"merge_request_event\"";
const ON_MAIN: &str = "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH";

/// Pipeline with its jobs.
#[derive(Serialize)]
struct GitlabPipeline {
    workflow: GitlabWorkflow,
    stages: [&'static str; 2],
    default: GitlabDefault,
    #[serde(flatten, serialize_with = "ordered")]
    jobs: Vec<(String, GitlabJob)>,
}

#[derive(Serialize)]
struct GitlabWorkflow {
    rules: Vec<GitlabRule>,
}

#[derive(Serialize)]
struct GitlabRule {
    #[serde(rename = "if")]
    condition: &'static str,
}

#[derive(Serialize)]
struct GitlabDefault {
    image: &'static str,
    before_script: [&'static str; 1],
}

#[derive(Serialize)]
struct GitlabJob {
    stage: &'static str,
    rules: Vec<GitlabRule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_group: Option<&'static str>,
    interruptible: bool,
    script: Vec<String>,
    /// Runs after a failure too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    after_script: Vec<&'static str>,
    artifacts: GitlabArtifacts,
}

#[derive(Serialize)]
struct GitlabArtifacts {
    when: &'static str,
    paths: Vec<&'static str>,
    reports: BTreeMap<&'static str, &'static str>,
}

fn artifacts(paths: Vec<&'static str>) -> GitlabArtifacts {
    GitlabArtifacts { when: "always", paths, reports: BTreeMap::from([("junit", REPORTS[2])]) }
}

/// YAML of the pipeline.
pub(in crate::project) fn gitlab_pipeline() -> Result<String, ProjectError> {
    let rule = |condition| vec![GitlabRule { condition }];
    let steps =
        |flag: &str, steps: &[&str]| steps.iter().map(|step| format!("./check {flag}{step}")).collect();
    let check = GitlabJob {
        stage: "check",
        rules: rule(MERGE_REQUEST),
        environment: None,
        resource_group: None,
        interruptible: true,
        script: steps("", &JUDGING),
        after_script: vec!["./check comment"],
        artifacts: artifacts(REPORTS.to_vec()),
    };
    let publish = GitlabJob {
        stage: "publish",
        rules: rule(ON_MAIN),
        environment: Some("production"),
        resource_group: Some("production"),
        interruptible: false,
        script: steps("--full ", &[&JUDGING[..], &RELEASING[..]].concat()),
        after_script: Vec::new(),
        artifacts: artifacts([&REPORTS[..], &[IMAGE]].concat()),
    };
    let pipeline = GitlabPipeline {
        workflow: GitlabWorkflow {
            rules: vec![GitlabRule { condition: MERGE_REQUEST }, GitlabRule { condition: ON_MAIN }],
        },
        stages: ["check", "publish"],
        default: GitlabDefault { image: JOB_IMAGE, before_script: ["./check setup"] },
        jobs: vec![("check".to_owned(), check), ("publish".to_owned(), publish)],
    };
    to_yaml(".gitlab-ci.yml", ABOUT, &pipeline)
}
