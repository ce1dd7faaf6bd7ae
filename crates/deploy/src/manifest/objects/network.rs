//! Network: services, policies, routes of the Gateway API, and scraping by the Prometheus operator.

use serde::Serialize;

use super::{LabelSelector, Labels, Scalar};

/// `Service` of `v1`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct ServiceSpec {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub selector: Labels,
    pub ports: Vec<ServicePort>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct ServicePort {
    pub name: &'static str,
    pub port: u16,
    pub target_port: &'static str,
    pub protocol: &'static str,
}

/// `NetworkPolicy` of `networking.k8s.io/v1`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct NetworkPolicySpec {
    pub pod_selector: LabelSelector,
    pub policy_types: Vec<&'static str>,
    pub ingress: Vec<PolicyRule>,
    pub egress: Vec<PolicyRule>,
}

#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct PolicyRule {
    pub from: Vec<PolicyPeer>,
    pub ports: Vec<NetworkPort>,
}

/// Pods of a namespace: of the policy's own one, unless it is selected.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct PolicyPeer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
}

#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct NetworkPort {
    pub port: &'static str,
    pub protocol: &'static str,
}

/// `HTTPRoute` of `gateway.networking.k8s.io/v1`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct HttpRouteSpec {
    pub parent_refs: Vec<ParentRef>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    pub rules: Vec<HttpRouteRule>,
}

#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct ParentRef {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::manifest) struct HttpRouteRule {
    pub backend_refs: Vec<BackendRef>,
}

#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct BackendRef {
    pub name: String,
    pub port: u16,
    pub weight: Scalar,
}

/// `ServiceMonitor` of `monitoring.coreos.com/v1`
#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct ServiceMonitorSpec {
    pub selector: LabelSelector,
    pub endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct Endpoint {
    pub port: &'static str,
    pub path: &'static str,
    pub interval: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization: Option<EndpointAuthorization>,
}

#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct EndpointAuthorization {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub credentials: SecretKey,
}

#[derive(Debug, Clone, Serialize)]
pub(in crate::manifest) struct SecretKey {
    pub name: String,
    pub key: &'static str,
}
