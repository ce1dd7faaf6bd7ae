//! Helm: a chart whose templates are the objects of Kubernetes with a few values left open.

use serde::Serialize;
use serde_json::{Value, json};

use super::container::Track;
use super::kubernetes::{Workload, WorkloadKind, adapter_values, common, workload};
use crate::manifest::deployment::ModelDeployment;
use crate::manifest::error::ManifestError;
use crate::manifest::objects::{Scalar, yaml};
use crate::manifest::output::ManifestFile;

/// Text that a chart prints after its installation.
const NOTES: &str = "\
{{ .Release.Name }} serves {{ .Chart.Annotations.package }} in namespace {{ .Release.Namespace }}.
Ask it: kubectl --namespace {{ .Release.Namespace }} port-forward service/{{ .Release.Name }} 8080:80
        curl -s localhost:8080/v1/models
";
/// Objects that stand in a chart only if a value is set, by file.
const CONDITIONS: [(&str, &str); 3] = [
    ("service-monitor.yaml", ".Values.monitoring.enabled"),
    ("network-policy.yaml", ".Values.networkPolicy.enabled"),
    ("route.yaml", ".Values.route.enabled"),
];

/// `Chart.yaml`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Chart {
    api_version: &'static str,
    name: String,
    description: String,
    #[serde(rename = "type")]
    kind: &'static str,
    version: String,
    app_version: String,
    kube_version: &'static str,
    annotations: ChartAnnotations,
}

#[derive(Serialize)]
struct ChartAnnotations {
    package: String,
}

/// `values.yaml`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Values {
    image: String,
    autoscaling: AutoscalingValues,
    resources: ResourceValues,
    monitoring: Switch,
    network_policy: Switch,
    /// `None` in a chart without a route.
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<Switch>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AutoscalingValues {
    min_replicas: u32,
    max_replicas: u32,
}

#[derive(Serialize)]
struct ResourceValues {
    cpu: String,
    memory: String,
}

#[derive(Serialize)]
struct Switch {
    enabled: bool,
}

/// Files of the target.
pub(super) fn chart(deployment: &ModelDeployment) -> Result<Vec<ManifestFile>, ManifestError> {
    if deployment.canary.is_some() {
        let why = "a chart has one version";
        return Err(ManifestError::option(
            why,
            "leave --canary out, or write the target `kubernetes` or `argocd`",
        ));
    }
    let open = with_values_open(deployment);
    let mut templates = vec![ManifestFile::text("deployment.yaml", workload(&open, &Track::stable(&open))?)];
    templates.extend(common(&open, Workload::of(&open.name, WorkloadKind::Deployment))?);
    let mut files: Vec<ManifestFile> = templates.into_iter().map(template).collect();
    let values = values(deployment);
    files.push(ManifestFile::text("Chart.yaml", yaml("Chart.yaml", &about(deployment))?));
    files.push(ManifestFile::text("values.yaml", yaml("values.yaml", &values)?));
    files.push(ManifestFile::text("values.schema.json", format!("{:#}\n", schema(deployment))));
    files.push(ManifestFile::text("templates/NOTES.txt", NOTES));
    files.extend(adapter_values(deployment)?);
    Ok(files)
}

/// The deployment with expressions in place of what a user of the chart decides.
fn with_values_open(deployment: &ModelDeployment) -> ModelDeployment {
    let value = |name: &str| format!("{{{{ .Values.{name} }}}}");
    let mut open = deployment.clone();
    "{{ .Release.Name }}".clone_into(&mut open.name);
    open.image = value("image");
    open.cpu = value("resources.cpu");
    open.memory = value("resources.memory");
    open.min_replicas = Scalar::Template(".Values.autoscaling.minReplicas");
    open.max_replicas = Scalar::Template(".Values.autoscaling.maxReplicas");
    // The namespace is that of the release.
    open.options.namespace = None;
    open
}

fn template(file: ManifestFile) -> ManifestFile {
    let condition = CONDITIONS.iter().find(|(name, _)| *name == file.path);
    let text = match condition {
        Some((_, value)) => format!("{{{{- if {value} }}}}\n{}{{{{- end }}}}\n", file.text),
        None => file.text,
    };
    ManifestFile::text(format!("templates/{}", file.path), text)
}

fn about(deployment: &ModelDeployment) -> Chart {
    Chart {
        api_version: "v2",
        name: deployment.name.clone(),
        description: format!("Serves the model {}", deployment.label()),
        kind: "application",
        version: format!("0.1.{}", deployment.package.version),
        app_version: deployment.package.version.to_string(),
        kube_version: ">=1.29.0-0",
        annotations: ChartAnnotations { package: deployment.label() },
    }
}

fn values(deployment: &ModelDeployment) -> Values {
    let (min_replicas, max_replicas) = deployment.replicas();
    Values {
        image: deployment.image.clone(),
        autoscaling: AutoscalingValues { min_replicas, max_replicas },
        resources: ResourceValues { cpu: deployment.cpu.clone(), memory: deployment.memory.clone() },
        monitoring: Switch { enabled: deployment.options.monitoring.is_some() },
        network_policy: Switch { enabled: true },
        route: deployment.options.gateway.as_ref().map(|_| Switch { enabled: true }),
    }
}

/// JSON Schema of the values, by which `helm install` refuses wrong ones.
fn schema(deployment: &ModelDeployment) -> Value {
    let object = |properties: Value| {
        let names: Vec<String> =
            properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        json!({ "type": "object", "additionalProperties": false, "required": names, "properties": properties })
    };
    let switch = || object(json!({ "enabled": { "type": "boolean" } }));
    let count = json!({ "type": "integer", "minimum": 1, "maximum": 1000 });
    let mut properties = json!({
        "image": { "type": "string", "minLength": 1, "pattern": "^[^\\s\"]+$" },
        "autoscaling": object(json!({ "minReplicas": count, "maxReplicas": count })),
        "resources": object(json!({
            "cpu": { "type": "string", "pattern": "^([0-9]+|[0-9]+m)$" },
            "memory": { "type": "string", "pattern": "^[0-9]+(Mi|Gi|Ti)$" },
        })),
        "monitoring": switch(),
        "networkPolicy": switch(),
    });
    if deployment.options.gateway.is_some() {
        properties["route"] = switch();
    }
    let mut schema = object(properties);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    // Helm adds the values that all charts share.
    schema["properties"]["global"] = json!({ "type": "object" });
    schema
}
