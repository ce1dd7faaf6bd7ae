//! Pipelines of Bitbucket.

use std::collections::BTreeMap;

use serde::Serialize;

use super::yaml::to_yaml;
use super::{IMAGE, JOB_IMAGE, JUDGING, RELEASING, REPORTS};
use crate::project::error::ProjectError;

const ABOUT: &str = "\
Judges each pull request with a short training, and publishes and deploys what is merged. Every step is `./check STEP`.

Variables of the repository (Repository settings, Repository variables):
  CUPOLA_URL              address of a release of cupola for Linux on x86-64, a .tar.gz with the binary at its top
  CUPOLA_SHA256           SHA-256 digest of that archive; the step ends where it differs
  CUPOLA_BITBUCKET_TOKEN  repository access token that may write pull requests, for the comment with the report; without it
                          there is none
Variables of the deployment `production`: CUPOLA_HOME, the registry of the published versions, such as s3://bucket/cupola, with
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL. Without it the versions end with the step, and the
image is all that is left.";

#[derive(Serialize)]
struct BitbucketPipelines {
    image: &'static str,
    pipelines: BitbucketTriggers,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct BitbucketTriggers {
    pull_requests: BTreeMap<&'static str, Vec<BitbucketItem>>,
    branches: BTreeMap<&'static str, Vec<BitbucketItem>>,
}

#[derive(Serialize)]
struct BitbucketItem {
    step: BitbucketStep,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct BitbucketStep {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<&'static str>,
    max_time: u32,
    script: Vec<String>,
    /// Runs after a failure too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    after_script: Vec<&'static str>,
    artifacts: Vec<&'static str>,
}

/// YAML of the pipelines.
pub(in crate::project) fn bitbucket_pipelines() -> Result<String, ProjectError> {
    let script = |flag: &str, steps: &[&str]| {
        let steps = steps.iter().map(|step| format!("./check {flag}{step}"));
        std::iter::once("./check setup".to_owned()).chain(steps).collect()
    };
    let check = BitbucketStep {
        name: "check",
        deployment: None,
        max_time: 60,
        script: script("", &JUDGING),
        after_script: vec!["./check comment"],
        artifacts: REPORTS.to_vec(),
    };
    let publish = BitbucketStep {
        name: "publish",
        deployment: Some("production"),
        max_time: 120,
        script: script("--full ", &[&JUDGING[..], &RELEASING[..]].concat()),
        after_script: Vec::new(),
        artifacts: [&REPORTS[..], &[IMAGE]].concat(),
    };
    let pipelines = BitbucketPipelines {
        image: JOB_IMAGE,
        pipelines: BitbucketTriggers {
            pull_requests: BTreeMap::from([("**", vec![BitbucketItem { step: check }])]),
            branches: BTreeMap::from([("main", vec![BitbucketItem { step: publish }])]),
        },
    };
    to_yaml("bitbucket-pipelines.yml", ABOUT, &pipelines)
}
