//! Types of workflows of GitHub Actions, of the keys that Cupola writes.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_saphyr::FlowSeq;

use super::actions::PinnedAction;
use super::yaml::{ordered, script, to_yaml};
use crate::project::error::ProjectError;

/// Workflow.
#[derive(Debug, Clone, Serialize)]
pub struct GithubWorkflow {
    /// Name.
    pub name: String,
    /// Events that start it.
    #[serde(rename = "on")]
    pub events: GithubEvents,
    /// Rights of its token.
    pub permissions: GithubPermissions,
    /// Runs that exclude each other.
    pub concurrency: GithubConcurrency,
    /// Environment variables of all jobs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Jobs by their ids.
    #[serde(serialize_with = "ordered")]
    pub jobs: Vec<(String, GithubJob)>,
}

impl GithubWorkflow {
    /// YAML with a comment before it.
    ///
    /// # Errors
    /// Values that YAML cannot express.
    pub fn to_yaml(&self, comment: &str) -> Result<String, ProjectError> {
        to_yaml("the workflow", comment, self)
    }
}

/// Events that start a workflow.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GithubEvents {
    /// A pull request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<GithubTrigger>,
    /// Commits on a branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<GithubTrigger>,
    /// Times.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<GithubSchedule>,
    /// A person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_dispatch: Option<GithubTrigger>,
}

/// Filter of an event.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GithubTrigger {
    /// Branches; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<String>,
}

/// Times that start a workflow.
#[derive(Debug, Clone, Serialize)]
pub struct GithubSchedule {
    /// Cron expression in UTC.
    pub cron: String,
}

/// Rights of the token of a workflow or job. What is `None` is denied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GithubPermissions {
    /// The repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contents: Option<GithubAccess>,
    /// Pull requests and their comments.
    #[serde(rename = "pull-requests", skip_serializing_if = "Option::is_none")]
    pub pull_requests: Option<GithubAccess>,
}

/// Access to a part of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GithubAccess {
    /// Read.
    Read,
    /// Read and write.
    Write,
}

/// Group of runs of which one runs at a time.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GithubConcurrency {
    /// Name of the group.
    pub group: String,
    /// `true`, `false` or an expression: a newer run cancels the one in progress.
    pub cancel_in_progress: GithubInput,
}

/// Job.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GithubJob {
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Jobs that have to end before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
    /// Expression without which the job is skipped.
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Machine.
    pub runs_on: GithubRunner,
    /// Longest time.
    pub timeout_minutes: u32,
    /// Environment whose rules and secrets apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Rights of its token; `None` for those of the workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<GithubPermissions>,
    /// Values that later jobs read.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
    /// Environment variables.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Steps in their order.
    pub steps: Vec<GithubStep>,
}

/// Labels of a machine.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum GithubRunner {
    /// Machine of GitHub.
    Hosted(String),
    /// Machine of one's own with all of these labels.
    Labels(FlowSeq<Vec<String>>),
}

/// Step of a job: an action or a script.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GithubStep {
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Id, by which expressions name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Expression without which the step is skipped.
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<PinnedAction>,
    /// Inputs of the action.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, GithubInput>,
    /// Environment variables.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Script.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "script")]
    pub run: Option<String>,
}

impl GithubStep {
    /// Step that runs a script.
    pub fn script(name: impl Into<String>, run: impl Into<String>) -> Self {
        Self { name: Some(name.into()), run: Some(run.into()), ..Self::default() }
    }

    /// Step of an action.
    pub fn action(uses: PinnedAction, with: impl IntoIterator<Item = (&'static str, GithubInput)>) -> Self {
        let with = with.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Self { uses: Some(uses), with, ..Self::default() }
    }
}

/// Input of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum GithubInput {
    /// A switch.
    Flag(bool),
    /// A number.
    Number(u32),
    /// A text, or an expression.
    Text(String),
    /// Lines.
    #[serde(serialize_with = "lines")]
    Lines(Vec<String>),
}

fn lines<S: serde::Serializer>(lines: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    script(&Some(lines.join("\n") + "\n"), serializer)
}
