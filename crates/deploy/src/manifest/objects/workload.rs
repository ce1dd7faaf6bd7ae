//! Workloads of Kubernetes: deployments, autoscalers, disruption budgets.

use serde::Serialize;

use super::{LabelSelector, PodTemplateSpec, Scalar};

/// `Deployment` of `apps/v1`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct DeploymentSpec {
    /// `None` where an autoscaler decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Scalar>,
    pub revision_history_limit: u32,
    pub progress_deadline_seconds: u32,
    pub strategy: UpdateStrategy,
    pub selector: LabelSelector,
    pub template: PodTemplateSpec,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct UpdateStrategy {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub rolling_update: RollingUpdate,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct RollingUpdate {
    pub max_surge: u32,
    pub max_unavailable: u32,
}

/// `HorizontalPodAutoscaler` of `autoscaling/v2`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct AutoscalerSpec {
    pub scale_target_ref: ScaleTarget,
    pub min_replicas: Scalar,
    pub max_replicas: Scalar,
    pub metrics: Vec<AutoscalerMetric>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct ScaleTarget {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub name: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type")]
pub(in crate::manifest) enum AutoscalerMetric {
    Pods { pods: PodsMetric },
    Resource { resource: ResourceMetric },
}

#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct PodsMetric {
    pub metric: MetricName,
    pub target: MetricTarget,
}

#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct MetricName {
    pub name: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct ResourceMetric {
    pub name: &'static str,
    pub target: MetricTarget,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub(in crate::manifest) enum MetricTarget {
    AverageValue { average_value: String },
    Utilization { average_utilization: u32 },
}

/// `PodDisruptionBudget` of `policy/v1`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct BudgetSpec {
    pub max_unavailable: u32,
    pub unhealthy_pod_eviction_policy: &'static str,
    pub selector: LabelSelector,
}
