//! Objects of Kubernetes and of what extends it, as far as a deployment uses them. Field names are those of the interfaces.

mod network;
mod platform;
mod workload;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::error::ManifestError;
pub(super) use crate::pod::{
    Capabilities, ConfigMapSource, EmptyDirSource, EnvironmentVariable, HttpGet, LabelSelector, Labels,
    PodContainer, PodMetadata, PodMount, PodSecurityContext, PodSpec, PodTemplateSpec, PortEntry, Probe,
    ProbePort, Quantities, SeccompProfile, SecretSource, SecurityContext, SpreadConstraint, VolumeSource,
};

pub(super) use self::network::{
    BackendRef, Endpoint, EndpointAuthorization, HttpRouteRule, HttpRouteSpec, NetworkPolicySpec,
    NetworkPort, ParentRef, PolicyPeer, PolicyRule, SecretKey, ServiceMonitorSpec, ServicePort, ServiceSpec,
};
pub(super) use self::platform::{
    ApplicationDestination, ApplicationSource, ApplicationSpec, AutomatedSync, CanaryStrategy,
    IgnoredDifference, InferenceServiceSpec, KnativeMetadata, KnativeRevision, KnativeServiceSpec,
    KnativeTemplate, KnativeTraffic, Predictor, RolloutPause, RolloutSpec, RolloutStep, RolloutStrategy,
    SyncPolicy,
};
pub(super) use self::workload::{
    AutoscalerMetric, AutoscalerSpec, BudgetSpec, DeploymentSpec, MetricName, MetricTarget, PodsMetric,
    ResourceMetric, RollingUpdate, ScaleTarget, UpdateStrategy,
};

/// An object of the API.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiObject<S> {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub metadata: ObjectMetadata,
    pub spec: S,
}

/// A service account, which has no `spec`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceAccount {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub metadata: ObjectMetadata,
    pub automount_service_account_token: bool,
}

/// A config map.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigData {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub metadata: ObjectMetadata,
    pub data: BTreeMap<&'static str, String>,
}

/// `kustomization.yaml`
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kustomization {
    pub api_version: &'static str,
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub resources: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct ObjectMetadata {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub labels: Labels,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Labels,
}

/// A whole number, or an expression of a Helm template that becomes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::manifest) enum Scalar {
    /// Number.
    Number(u32),
    /// Expression without its braces, such as `.Values.replicas`.
    Template(&'static str),
}

/// End of the expression of a whole number, by which [`yaml`] knows that it must not be quoted.
const WHOLE: &str = " | int }}";

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u32(*number),
            Self::Template(expression) => serializer.serialize_str(&format!("{{{{ {expression}{WHOLE}")),
        }
    }
}

/// YAML of a document. Numbers of a template stand without quotes.
pub(super) fn yaml(file: &str, value: &impl Serialize) -> Result<String, ManifestError> {
    let failed = |error: serde_saphyr::ser_error::Error| ManifestError::Document {
        file: file.to_owned(),
        reason: error.to_string(),
    };
    let text = serde_saphyr::to_string(value).map_err(failed)?;
    let lines = text.trim_end().lines().map(|line| {
        let Some((key, quoted)) = line.split_once(": ") else { return line.to_owned() };
        let inner = quoted.trim_matches(['"', '\'']);
        if inner.starts_with("{{ ") && inner.ends_with(WHOLE) {
            format!("{key}: {inner}")
        } else {
            line.to_owned()
        }
    });
    Ok(lines.collect::<Vec<_>>().join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_yaml_would_read_as_something_else_are_quoted() {
        let texts = [
            "true",
            "on",
            "1",
            "0.2",
            "8080",
            "null",
            "~",
            "1e3",
            "0x10",
            "a: b",
            "- a",
            "#a",
            "{{ .Values.x }}",
            "",
        ];
        let map: BTreeMap<&str, &str> = texts.iter().map(|text| (*text, *text)).collect();
        let text = yaml("x.yaml", &map).unwrap();
        let back: BTreeMap<String, String> = serde_saphyr::from_str(&text).unwrap();
        assert!(back.iter().all(|(key, value)| key == value) && back.len() == texts.len(), "{text}");
    }

    #[test]
    fn numbers_of_a_template_are_not_quoted() {
        let map = BTreeMap::from([("a", Scalar::Template(".Values.replicas")), ("b", Scalar::Number(3))]);
        assert_eq!(yaml("x.yaml", &map).unwrap(), "a: {{ .Values.replicas | int }}\nb: 3\n");
    }
}
