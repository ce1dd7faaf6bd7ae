//! Services, network policy, route and scraping.

use super::{all_pods, canary_name};
use crate::manifest::deployment::ModelDeployment;
use crate::manifest::error::ManifestError;
use crate::manifest::objects::{
    ApiObject, BackendRef, Endpoint, EndpointAuthorization, HttpRouteRule, HttpRouteSpec, LabelSelector,
    Labels, NetworkPolicySpec, NetworkPort, ParentRef, PolicyPeer, PolicyRule, Scalar, SecretKey,
    ServiceMonitorSpec, ServicePort, ServiceSpec, yaml,
};
use crate::manifest::targets::container::{METRICS_KEY, Track, metadata, selector, track_selector};

/// Port of a service.
const SERVICE_PORT: u16 = 80;
/// Label of a service that Prometheus scrapes: the services of single versions have the same pods.
const SCRAPED: &str = "cupola/scraped";

/// Service of all pods, or of those of one version.
pub(super) fn service(
    deployment: &ModelDeployment,
    track: Option<&Track<'_>>,
) -> Result<String, ManifestError> {
    let port = |name, port| ServicePort { name, port, target_port: name, protocol: "TCP" };
    let (name, selector, mut ports) = match track {
        Some(track) if track.name == "canary" => {
            (canary_name(deployment), track_selector(deployment, track), vec![])
        }
        Some(track) => (stable_name(deployment), track_selector(deployment, track), vec![]),
        None => (
            deployment.name.clone(),
            selector(deployment),
            vec![port("metrics", deployment.options.admin_port)],
        ),
    };
    ports.insert(0, port("http", SERVICE_PORT));
    let mut metadata = metadata(deployment, &name);
    if track.is_none() {
        metadata.labels.insert(SCRAPED, "true".to_owned());
    }
    let spec = ServiceSpec { kind: "ClusterIP", selector, ports };
    yaml("service.yaml", &ApiObject { api_version: "v1", kind: "Service", metadata, spec })
}

fn stable_name(deployment: &ModelDeployment) -> String {
    format!("{}-stable", deployment.name)
}

/// Policy: requests from the namespace and the gateway, metrics for Prometheus, and no way out.
pub(super) fn policy(deployment: &ModelDeployment) -> Result<String, ManifestError> {
    let peer = |namespace: &str| {
        let match_labels = Labels::from([("kubernetes.io/metadata.name", namespace.to_owned())]);
        PolicyPeer { namespace_selector: Some(LabelSelector { match_labels }), pod_selector: None }
    };
    let every = LabelSelector { match_labels: Labels::new() };
    let rule = |from, port| PolicyRule { from, ports: vec![NetworkPort { port, protocol: "TCP" }] };
    let mut callers = vec![PolicyPeer { namespace_selector: None, pod_selector: Some(every) }];
    callers
        .extend(gateway(deployment).and_then(|(namespace, _)| namespace).map(|namespace| peer(&namespace)));
    let mut ingress = vec![rule(callers, "http")];
    ingress.extend(deployment.options.monitoring.as_deref().map(|name| rule(vec![peer(name)], "metrics")));
    let spec = NetworkPolicySpec {
        pod_selector: all_pods(deployment),
        policy_types: vec!["Ingress", "Egress"],
        ingress,
        egress: Vec::new(),
    };
    let metadata = metadata(deployment, &deployment.name);
    let object = ApiObject { api_version: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata, spec };
    yaml("network-policy.yaml", &object)
}

/// Namespace, if given, and name of the gateway.
fn gateway(deployment: &ModelDeployment) -> Option<(Option<String>, String)> {
    let gateway = deployment.options.gateway.as_ref()?;
    Some(match gateway.split_once('/') {
        Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
        None => (None, gateway.clone()),
    })
}

/// Route of the Gateway API, with weights where there is a canary.
pub(super) fn route(deployment: &ModelDeployment) -> Result<String, ManifestError> {
    let backend = |name, weight| BackendRef { name, port: SERVICE_PORT, weight: Scalar::Number(weight) };
    let backend_refs = match Track::canary(deployment) {
        Some((percent, _)) => {
            vec![backend(stable_name(deployment), 100 - percent), backend(canary_name(deployment), percent)]
        }
        None => vec![backend(deployment.name.clone(), 100)],
    };
    let parents = gateway(deployment).map(|(namespace, name)| ParentRef { name, namespace });
    let spec = HttpRouteSpec {
        parent_refs: parents.into_iter().collect(),
        hostnames: deployment.options.hostname.iter().cloned().collect(),
        rules: vec![HttpRouteRule { backend_refs }],
    };
    let metadata = metadata(deployment, &deployment.name);
    yaml(
        "route.yaml",
        &ApiObject { api_version: "gateway.networking.k8s.io/v1", kind: "HTTPRoute", metadata, spec },
    )
}

/// Scraping of the metrics by the Prometheus operator, with a key from the secret where the server has keys.
pub(super) fn service_monitor(deployment: &ModelDeployment) -> Result<String, ManifestError> {
    let authorization = deployment.options.keys.as_ref().map(|name| EndpointAuthorization {
        kind: "Bearer",
        credentials: SecretKey { name: name.clone(), key: METRICS_KEY },
    });
    let mut labels = selector(deployment);
    labels.insert(SCRAPED, "true".to_owned());
    let spec = ServiceMonitorSpec {
        selector: LabelSelector { match_labels: labels },
        endpoints: vec![Endpoint { port: "metrics", path: "/metrics", interval: "15s", authorization }],
    };
    let metadata = metadata(deployment, &deployment.name);
    let object =
        ApiObject { api_version: "monitoring.coreos.com/v1", kind: "ServiceMonitor", metadata, spec };
    yaml("service-monitor.yaml", &object)
}
