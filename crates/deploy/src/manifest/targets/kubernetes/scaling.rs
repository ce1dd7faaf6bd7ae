//! Autoscaler and disruption budget.

use std::collections::BTreeMap;

use serde::Serialize;

use super::all_pods;
use crate::manifest::deployment::ModelDeployment;
use crate::manifest::error::ManifestError;
use crate::manifest::objects::{
    ApiObject, AutoscalerMetric, AutoscalerSpec, BudgetSpec, MetricName, MetricTarget, PodsMetric,
    ResourceMetric, ScaleTarget, yaml,
};
use crate::manifest::targets::container::metadata;

/// Share of the requests' time that they wait in the queue, as the server exports it.
const QUEUE_METRIC: &str = "cupola_queue_time_share";
/// Share of waiting at which replicas are added, a fifth, as Kubernetes writes it.
const QUEUE_TARGET: &str = "200m";
/// Use of the requested processor in percent at which replicas are added.
const CPU_TARGET: u32 = 80;

/// Kind of the object that has the pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::manifest::targets) enum WorkloadKind {
    /// A Deployment.
    Deployment,
    /// A Rollout of Argo.
    Rollout,
}

/// Object that an autoscaler scales.
#[derive(Debug, Clone)]
pub(in crate::manifest::targets) struct Workload {
    name: String,
    kind: WorkloadKind,
}

impl Workload {
    /// Workload of a name and kind.
    pub fn of(name: &str, kind: WorkloadKind) -> Self {
        Self { name: name.to_owned(), kind }
    }
}

/// Autoscaler by the share of waiting, and by the processor where that metric is missing: Kubernetes takes the larger number.
pub(super) fn autoscaler(deployment: &ModelDeployment, workload: Workload) -> Result<String, ManifestError> {
    let cpu =
        ResourceMetric { name: "cpu", target: MetricTarget::Utilization { average_utilization: CPU_TARGET } };
    let mut metrics = vec![AutoscalerMetric::Resource { resource: cpu }];
    if deployment.options.monitoring.is_some() {
        let target = MetricTarget::AverageValue { average_value: QUEUE_TARGET.to_owned() };
        let pods = PodsMetric { metric: MetricName { name: QUEUE_METRIC }, target };
        metrics.insert(0, AutoscalerMetric::Pods { pods });
    }
    let (api_version, kind) = match workload.kind {
        WorkloadKind::Deployment => ("apps/v1", "Deployment"),
        WorkloadKind::Rollout => ("argoproj.io/v1alpha1", "Rollout"),
    };
    let spec = AutoscalerSpec {
        scale_target_ref: ScaleTarget { api_version, kind, name: workload.name },
        min_replicas: deployment.min_replicas.clone(),
        max_replicas: deployment.max_replicas.clone(),
        metrics,
    };
    let metadata = metadata(deployment, &deployment.name);
    let object = ApiObject { api_version: "autoscaling/v2", kind: "HorizontalPodAutoscaler", metadata, spec };
    yaml("autoscaler.yaml", &object)
}

/// Budget by which a drained node takes one pod at a time.
pub(super) fn budget(deployment: &ModelDeployment) -> Result<String, ManifestError> {
    let spec = BudgetSpec {
        max_unavailable: 1,
        unhealthy_pod_eviction_policy: "AlwaysAllow",
        selector: all_pods(deployment),
    };
    let metadata = metadata(deployment, &deployment.name);
    let object = ApiObject { api_version: "policy/v1", kind: "PodDisruptionBudget", metadata, spec };
    yaml("disruption-budget.yaml", &object)
}

/// Values of the chart `prometheus-adapter`.
#[derive(Serialize)]
struct AdapterValues {
    rules: AdapterRules,
}

#[derive(Serialize)]
struct AdapterRules {
    custom: [AdapterRule; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AdapterRule {
    series_query: String,
    resources: AdapterResources,
    name: BTreeMap<&'static str, &'static str>,
    metrics_query: &'static str,
}

#[derive(Serialize)]
struct AdapterResources {
    overrides: BTreeMap<&'static str, BTreeMap<&'static str, &'static str>>,
}

/// Rule by which the Prometheus adapter offers the metric to autoscalers. A pod has the metric for each of its versions; the
/// one that waits longest counts.
pub(super) fn adapter_rule(file: &str) -> Result<String, ManifestError> {
    let resource = |name| BTreeMap::from([("resource", name)]);
    let overrides = BTreeMap::from([("namespace", resource("namespace")), ("pod", resource("pod"))]);
    let rule = AdapterRule {
        series_query: format!("{QUEUE_METRIC}{{namespace!=\"\",pod!=\"\"}}"),
        resources: AdapterResources { overrides },
        name: BTreeMap::from([("as", QUEUE_METRIC)]),
        metrics_query: "max(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)",
    };
    yaml(file, &AdapterValues { rules: AdapterRules { custom: [rule] } })
}
