//! Platforms on Kubernetes: `KServe`, Knative, Argo Rollouts, Argo CD.

use serde::Serialize;

use super::{LabelSelector, PodMetadata, PodSpec, PodTemplateSpec};

/// `InferenceService` of `serving.kserve.io/v1beta1`
#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct InferenceServiceSpec {
    pub predictor: Predictor,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct Predictor {
    pub min_replicas: u32,
    pub max_replicas: u32,
    pub scale_metric: &'static str,
    pub scale_target: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_traffic_percent: Option<u32>,
    /// Seconds until a request ends with an error.
    pub timeout: u32,
    #[serde(flatten)]
    pub pod: PodSpec,
}

/// `Service` of `serving.knative.dev/v1`
#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct KnativeServiceSpec {
    pub template: KnativeTemplate,
    pub traffic: Vec<KnativeTraffic>,
}

#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct KnativeTemplate {
    pub metadata: KnativeMetadata,
    pub spec: KnativeRevision,
}

#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct KnativeMetadata {
    pub name: String,
    #[serde(flatten)]
    pub shared: PodMetadata,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct KnativeRevision {
    pub timeout_seconds: u32,
    #[serde(flatten)]
    pub pod: PodSpec,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct KnativeTraffic {
    pub revision_name: String,
    pub percent: u32,
}

/// `Rollout` of `argoproj.io/v1alpha1`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct RolloutSpec {
    pub revision_history_limit: u32,
    pub progress_deadline_seconds: u32,
    pub selector: LabelSelector,
    pub template: PodTemplateSpec,
    pub strategy: RolloutStrategy,
}

#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct RolloutStrategy {
    pub canary: CanaryStrategy,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct CanaryStrategy {
    pub max_surge: u32,
    pub max_unavailable: u32,
    pub steps: Vec<RolloutStep>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) enum RolloutStep {
    SetWeight(u32),
    Pause(RolloutPause),
}

/// Pause of a rollout; without a duration it lasts until somebody promotes the new version.
#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct RolloutPause {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<&'static str>,
}

/// `Application` of `argoproj.io/v1alpha1`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct ApplicationSpec {
    pub project: &'static str,
    pub source: ApplicationSource,
    pub destination: ApplicationDestination,
    pub sync_policy: SyncPolicy,
    pub ignore_differences: Vec<IgnoredDifference>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct ApplicationSource {
    #[serde(rename = "repoURL")]
    pub repository: String,
    pub target_revision: &'static str,
    pub path: String,
}

#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct ApplicationDestination {
    pub server: &'static str,
    pub namespace: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct SyncPolicy {
    pub automated: AutomatedSync,
    pub sync_options: Vec<&'static str>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct AutomatedSync {
    pub prune: bool,
    pub self_heal: bool,
}

/// Fields that another controller than Argo CD sets.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct IgnoredDifference {
    pub group: &'static str,
    pub kind: &'static str,
    pub json_pointers: Vec<&'static str>,
}
