//! Kubernetes: objects of the API, one file each, and a kustomization.

mod network;
mod scaling;

use super::container::{
    PodPlatform, Track, annotations, config_map, labels, metadata, pod, selector, track_selector,
};
use crate::manifest::deployment::ModelDeployment;
use crate::manifest::error::ManifestError;
use crate::manifest::objects::{
    ApiObject, DeploymentSpec, Kustomization, LabelSelector, PodMetadata, PodTemplateSpec, RollingUpdate,
    Scalar, ServiceAccount, SpreadConstraint, UpdateStrategy, yaml,
};
use crate::manifest::output::ManifestFile;

pub(super) use self::scaling::{Workload, WorkloadKind};

/// Older replica sets that are kept for `kubectl rollout undo`.
pub(super) const HISTORY: u32 = 3;
/// Seconds after which an update without progress has failed.
pub(super) const PROGRESS: u32 = 600;

/// File with the values of the Prometheus adapter.
pub(super) const ADAPTER_VALUES: &str = "prometheus-adapter-values.yaml";

/// Files of the target.
pub(super) fn files(deployment: &ModelDeployment) -> Result<Vec<ManifestFile>, ManifestError> {
    let stable = Track::stable(deployment);
    let mut files = vec![ManifestFile::text("deployment.yaml", workload(deployment, &stable)?)];
    files.extend(common(deployment, Workload::of(&deployment.name, WorkloadKind::Deployment))?);
    files.extend(canary(deployment)?);
    files.extend(adapter_values(deployment)?);
    let kustomization = kustomization(deployment, &files)?;
    files.push(kustomization);
    Ok(files)
}

/// Values of the Prometheus adapter; `None` without monitoring.
pub(super) fn adapter_values(deployment: &ModelDeployment) -> Result<Option<ManifestFile>, ManifestError> {
    if deployment.options.monitoring.is_none() {
        return Ok(None);
    }
    Ok(Some(ManifestFile::text(ADAPTER_VALUES, scaling::adapter_rule(ADAPTER_VALUES)?)))
}

/// Deployment of a version.
pub(super) fn workload(deployment: &ModelDeployment, track: &Track<'_>) -> Result<String, ManifestError> {
    let canary = track.name == "canary";
    let name = if canary { canary_name(deployment) } else { deployment.name.clone() };
    let selector = LabelSelector { match_labels: track_selector(deployment, track) };
    let spec = DeploymentSpec {
        replicas: canary.then_some(Scalar::Number(1)),
        revision_history_limit: HISTORY,
        progress_deadline_seconds: PROGRESS,
        strategy: UpdateStrategy {
            kind: "RollingUpdate",
            // No pod is taken away before its successor is ready.
            rolling_update: RollingUpdate { max_surge: 1, max_unavailable: 0 },
        },
        selector,
        template: template(deployment, track),
    };
    let mut metadata = metadata(deployment, &name);
    metadata.labels = labels(deployment, Some(track));
    metadata.annotations = annotations(track);
    yaml("deployment.yaml", &ApiObject { api_version: "apps/v1", kind: "Deployment", metadata, spec })
}

/// Template of the pods of a version.
pub(super) fn template(deployment: &ModelDeployment, track: &Track<'_>) -> PodTemplateSpec {
    let constraint = |topology_key| SpreadConstraint {
        max_skew: 1,
        topology_key,
        when_unsatisfiable: "ScheduleAnyway",
        label_selector: LabelSelector { match_labels: track_selector(deployment, track) },
        match_label_keys: vec!["pod-template-hash"],
    };
    let mut spec = pod(deployment, track, PodPlatform::Kubernetes);
    spec.topology_spread_constraints =
        vec![constraint("kubernetes.io/hostname"), constraint("topology.kubernetes.io/zone")];
    let metadata = PodMetadata { labels: labels(deployment, Some(track)), annotations: annotations(track) };
    PodTemplateSpec { metadata, spec }
}

/// Files that surround the workload, whatever its kind.
pub(super) fn common(
    deployment: &ModelDeployment,
    workload: Workload,
) -> Result<Vec<ManifestFile>, ManifestError> {
    let account = ServiceAccount {
        api_version: "v1",
        kind: "ServiceAccount",
        metadata: metadata(deployment, &deployment.name),
        automount_service_account_token: false,
    };
    let mut files = vec![
        ManifestFile::text("service-account.yaml", yaml("service-account.yaml", &account)?),
        ManifestFile::text("service.yaml", network::service(deployment, None)?),
        ManifestFile::text("autoscaler.yaml", scaling::autoscaler(deployment, workload)?),
        ManifestFile::text("disruption-budget.yaml", scaling::budget(deployment)?),
        ManifestFile::text("network-policy.yaml", network::policy(deployment)?),
    ];
    if let Some(map) = config_map(deployment) {
        files.push(ManifestFile::text("config.yaml", yaml("config.yaml", &map)?));
    }
    if deployment.options.monitoring.is_some() {
        files.push(ManifestFile::text("service-monitor.yaml", network::service_monitor(deployment)?));
    }
    if deployment.options.gateway.is_some() {
        files.push(ManifestFile::text("route.yaml", network::route(deployment)?));
    }
    Ok(files)
}

/// Deployment and services of the canary. Without a gateway the share of the requests is that of the pods.
fn canary(deployment: &ModelDeployment) -> Result<Vec<ManifestFile>, ManifestError> {
    let Some((_, track)) = Track::canary(deployment) else { return Ok(Vec::new()) };
    let mut files = vec![ManifestFile::text("canary.yaml", workload(deployment, &track)?)];
    if deployment.options.gateway.is_some() {
        let stable = network::service(deployment, Some(&Track::stable(deployment)))?;
        files.push(ManifestFile::text("service-stable.yaml", stable));
        files.push(ManifestFile::text("service-canary.yaml", network::service(deployment, Some(&track))?));
    }
    Ok(files)
}

/// Name of the deployment and service of a canary.
pub(super) fn canary_name(deployment: &ModelDeployment) -> String {
    format!("{}-canary", deployment.name)
}

/// Kustomization over all files that are objects.
pub(super) fn kustomization(
    deployment: &ModelDeployment,
    files: &[ManifestFile],
) -> Result<ManifestFile, ManifestError> {
    let objects = files.iter().filter(|file| file.text.starts_with("apiVersion:"));
    let document = Kustomization {
        api_version: "kustomize.config.k8s.io/v1beta1",
        kind: "Kustomization",
        namespace: deployment.options.namespace.clone(),
        resources: objects.map(|file| file.path.clone()).collect(),
    };
    let name = "kustomization.yaml";
    Ok(ManifestFile::text(name, yaml(name, &document)?))
}

/// Selector of the pods of all versions.
fn all_pods(deployment: &ModelDeployment) -> LabelSelector {
    LabelSelector { match_labels: selector(deployment) }
}
