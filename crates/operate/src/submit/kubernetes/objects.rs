//! Objects of a Kubernetes manifest, as far as a job uses them besides its pods. Field names are those of the API,
//! `batch/v1` of Kubernetes 1.31 and newer.

use std::collections::BTreeMap;

use cupola_deploy::pod::{Labels, PodTemplateSpec};
use serde::Serialize;

#[derive(Debug, Clone, Serialize)]
pub(super) struct Metadata {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub labels: Labels,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigMap {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub metadata: Metadata,
    pub immutable: bool,
    pub data: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Job {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub metadata: Metadata,
    pub spec: JobSpec,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobSpec {
    pub completions: u32,
    pub parallelism: u32,
    pub completion_mode: &'static str,
    pub backoff_limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<u64>,
    pub pod_failure_policy: PodFailurePolicy,
    pub template: PodTemplateSpec,
}

#[derive(Debug, Serialize)]
pub(super) struct PodFailurePolicy {
    pub rules: Vec<PodFailureRule>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodFailureRule {
    pub action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_exit_codes: Option<ExitCodes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_pod_conditions: Option<Vec<PodCondition>>,
}

#[derive(Debug, Serialize)]
pub(super) struct ExitCodes {
    pub operator: &'static str,
    pub values: Vec<u8>,
}

#[derive(Debug, Serialize)]
pub(super) struct PodCondition {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub status: &'static str,
}
