//! Files of CI services, as typed values.

mod actions;
mod bitbucket;
mod github;
mod gitlab;
mod model;
mod pre_commit;
mod yaml;

pub use self::actions::{CHECKOUT, DOWNLOAD_ARTIFACT, PinnedAction, UPLOAD_ARTIFACT};
pub(super) use self::bitbucket::bitbucket_pipelines;
pub use self::github::{
    GithubAccess, GithubConcurrency, GithubEvents, GithubInput, GithubJob, GithubPermissions, GithubRunner,
    GithubSchedule, GithubStep, GithubTrigger, GithubWorkflow,
};
pub(super) use self::gitlab::gitlab_pipeline;
pub(super) use self::model::{dependabot, model_workflow};
pub(super) use self::pre_commit::pre_commit_config;

/// Image of the jobs of GitLab and Bitbucket: Debian with curl and certificates.
const JOB_IMAGE: &str = "buildpack-deps:trixie-curl";

/// Files that each pipeline keeps: the report for people, the verdict of the gate for the CI.
const REPORTS: [&str; 3] = ["build/report.md", "build/report.html", "build/gate.xml"];

/// Image that the step `deploy` writes.
const IMAGE: &str = "build/image.tar";

/// Steps that judge a change, in their order.
const JUDGING: [&str; 5] = ["data", "train", "report", "gate", "test"];

/// Steps after a change was accepted, in their order.
const RELEASING: [&str; 2] = ["publish", "deploy"];

/// Variables of an S3 home, which the jobs that publish need.
const STORE_VARIABLES: [&str; 4] =
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"];
