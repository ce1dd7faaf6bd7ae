//! Targets: one function each, from a description to files.

mod argocd;
mod container;
mod docker;
mod ecs;
mod helm;
mod host;
mod kserve;
mod kubernetes;
mod readme;
mod slurm;
mod systemd;

use std::path::Path;

use super::deployment::ModelDeployment;
use super::error::ManifestError;
use super::names::check_label;
use super::output::ManifestFile;

/// Orchestrator or init system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestTarget {
    /// Docker: a Dockerfile.
    Docker,
    /// Docker Compose.
    Compose,
    /// Kubernetes, with a kustomization.
    Kubernetes,
    /// `KServe`, an inference service.
    Kserve,
    /// Knative, a service.
    Knative,
    /// Helm, a chart.
    Helm,
    /// Argo CD and Argo Rollouts.
    Argocd,
    /// systemd, a service unit.
    Systemd,
    /// Slurm, a batch job that serves.
    Slurm,
    /// Amazon ECS, a task definition and a service.
    Ecs,
}

impl ManifestTarget {
    /// All targets.
    pub const ALL: [Self; 10] = [
        Self::Docker,
        Self::Compose,
        Self::Kubernetes,
        Self::Kserve,
        Self::Knative,
        Self::Helm,
        Self::Argocd,
        Self::Systemd,
        Self::Slurm,
        Self::Ecs,
    ];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Compose => "compose",
            Self::Kubernetes => "kubernetes",
            Self::Kserve => "kserve",
            Self::Knative => "knative",
            Self::Helm => "helm",
            Self::Argocd => "argocd",
            Self::Systemd => "systemd",
            Self::Slurm => "slurm",
            Self::Ecs => "ecs",
        }
    }

    /// `true` if keys are a secret of the cluster, `false` if they are a file of the host.
    fn has_secrets(self) -> bool {
        matches!(self, Self::Kubernetes | Self::Kserve | Self::Knative | Self::Helm | Self::Argocd)
    }
}

/// Files of a target, with a README that has the next command.
///
/// # Errors
/// [`ManifestError::Option`] for an option that this target lacks, [`ManifestError::Document`].
pub fn manifest_files(
    target: ManifestTarget,
    deployment: &ModelDeployment,
) -> Result<Vec<ManifestFile>, ManifestError> {
    check_keys(target, deployment)?;
    let mut files = match target {
        ManifestTarget::Docker => docker::dockerfile(deployment),
        ManifestTarget::Compose => docker::compose(deployment)?,
        ManifestTarget::Kubernetes => kubernetes::files(deployment)?,
        ManifestTarget::Kserve => kserve::inference_service(deployment)?,
        ManifestTarget::Knative => kserve::knative_service(deployment)?,
        ManifestTarget::Helm => helm::chart(deployment)?,
        ManifestTarget::Argocd => argocd::files(deployment)?,
        ManifestTarget::Systemd => systemd::unit(deployment)?,
        ManifestTarget::Slurm => slurm::script(deployment)?,
        ManifestTarget::Ecs => ecs::files(deployment)?,
    };
    files.push(ManifestFile::text("README.md", readme::text(target, deployment)));
    Ok(files)
}

/// Command that deploys the files in `out`.
pub fn next_step(target: ManifestTarget, deployment: &ModelDeployment, out: &Path) -> String {
    readme::command(target, deployment, &out.to_string_lossy())
}

fn check_keys(target: ManifestTarget, deployment: &ModelDeployment) -> Result<(), ManifestError> {
    let Some(keys) = &deployment.options.keys else { return Ok(()) };
    if target == ManifestTarget::Ecs || target == ManifestTarget::Docker {
        let why = format!("{} has no secret that is a file", target.name());
        return Err(ManifestError::option(
            why,
            "leave --keys out, and give the container a volume with `keys.json`",
        ));
    }
    if target.has_secrets() {
        return check_label("--keys", keys);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if keys.starts_with('/') && keys.chars().all(plain) {
        return Ok(());
    }
    let remedy = "give --keys as the absolute path of the file on the host, without spaces";
    Err(ManifestError::option(format!("invalid path of the keys `{keys}`"), remedy))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::manifest::deployment::tests::{facts, options};
    use crate::manifest::deployment::{CanaryImage, DeployOptions, PackageFacts};

    fn files(target: ManifestTarget, options: DeployOptions) -> Vec<ManifestFile> {
        let deployment = ModelDeployment::new(facts(), options).unwrap();
        manifest_files(target, &deployment).unwrap()
    }

    fn document(files: &[ManifestFile], path: &str) -> Value {
        let file = files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("{path}"));
        serde_saphyr::from_str(&file.text).unwrap()
    }

    fn with_repository(target: ManifestTarget) -> DeployOptions {
        let repository =
            (target == ManifestTarget::Argocd).then(|| "https://git.example.org/a.git".to_owned());
        DeployOptions { repository, ..options() }
    }

    fn canary() -> CanaryImage {
        CanaryImage { package: PackageFacts { version: 4, ..facts() }, image: None, share: 0.1 }
    }

    #[test]
    fn every_target_has_a_readme_whose_command_names_its_files() {
        for target in ManifestTarget::ALL {
            let deployment = ModelDeployment::new(facts(), with_repository(target)).unwrap();
            let files = manifest_files(target, &deployment).unwrap();
            let readme = &files.iter().find(|file| file.path == "README.md").unwrap().text;
            assert!(readme.contains("Digits_CNN:3") && readme.contains("448 MiB"), "{readme}");
            let next = next_step(target, &deployment, Path::new("a b/out"));
            assert!(next.contains("'a b/out"), "{next}");
            for word in next.split_whitespace().filter_map(|word| word.strip_prefix("b/out/")) {
                let name = word.trim_end_matches('\'');
                assert!(
                    files.iter().any(|file| file.path == name),
                    "{name} is not a file of {}",
                    target.name()
                );
            }
            let mut paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
            paths.sort_unstable();
            paths.dedup();
            assert_eq!(paths.len(), files.len());
        }
    }

    #[test]
    fn yaml_and_json_parse_and_hold_no_secret() {
        for target in ManifestTarget::ALL {
            for file in files(target, with_repository(target)) {
                if file.path.ends_with("json") {
                    let _: Value = serde_json::from_str(&file.text).unwrap();
                } else if file.path.ends_with("yaml") && !file.text.contains("{{") {
                    let _: Value = serde_saphyr::from_str(&file.text).unwrap();
                }
                assert!(!file.text.contains("kind: Secret"), "{}", file.path);
            }
        }
    }

    #[test]
    fn keys_are_mounted_from_a_secret_that_the_files_only_name() {
        let keys = DeployOptions { keys: Some("digits-keys".to_owned()), ..options() };
        let files = files(ManifestTarget::Kubernetes, keys.clone());
        let pod = &document(&files, "deployment.yaml")["spec"]["template"]["spec"];
        let arguments = pod["containers"][0]["args"].to_string();
        assert!(
            arguments.contains(r#""--keys","/etc/cupola/keys/keys.json""#) && !arguments.contains("--open")
        );
        assert_eq!(pod["volumes"][1]["secret"]["secretName"], "digits-keys");
        let endpoint = &document(&files, "service-monitor.yaml")["spec"]["endpoints"][0];
        assert_eq!(endpoint["authorization"]["credentials"]["key"], "metrics-token");
        for (target, keys) in [
            (ManifestTarget::Ecs, "digits-keys"),
            (ManifestTarget::Docker, "/keys.json"),
            (ManifestTarget::Systemd, "keys.json"),
            (ManifestTarget::Compose, "/a b"),
            (ManifestTarget::Helm, "/keys.json"),
        ] {
            let options = DeployOptions { keys: Some(keys.to_owned()), ..options() };
            let deployment = ModelDeployment::new(facts(), options).unwrap();
            assert!(manifest_files(target, &deployment).is_err(), "{} {keys}", target.name());
        }
    }

    #[test]
    fn a_gateway_splits_requests_between_two_services() {
        let gateway = Some("infra/public".to_owned());
        let hostname = Some("digits.example.org".to_owned());
        let options = DeployOptions { gateway, hostname, canary: Some(canary()), ..options() };
        let files = files(ManifestTarget::Kubernetes, options);
        let backends = document(&files, "route.yaml")["spec"]["rules"][0]["backendRefs"].clone();
        let weights: Vec<(&str, u64)> = backends
            .as_array()
            .unwrap()
            .iter()
            .map(|backend| (backend["name"].as_str().unwrap(), backend["weight"].as_u64().unwrap()))
            .collect();
        assert_eq!(weights, [("digits-cnn-stable", 90), ("digits-cnn-canary", 10)]);
        // Each service selects the pods of the deployment that has its version.
        for (service, workload) in
            [("service-stable.yaml", "deployment.yaml"), ("service-canary.yaml", "canary.yaml")]
        {
            let selector = document(&files, service)["spec"]["selector"].clone();
            assert_eq!(selector, document(&files, workload)["spec"]["selector"]["matchLabels"]);
        }
        let canary = &document(&files, "canary.yaml")["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(
            (&canary["image"], &canary["args"][4]),
            (&"digits-cnn:4".into(), &"/models/Digits_CNN/4".into())
        );
        // Without keys the server has to know its public name.
        let config = document(&files, "config.yaml")["data"]["serve.toml"].clone();
        assert_eq!(config, "hosts = [\"digits.example.org\"]\n");
        let built = document(&files, "kustomization.yaml")["resources"].clone();
        assert_eq!(built.as_array().unwrap().len(), files.len() - 3, "{built}");
    }

    #[test]
    fn a_canary_of_a_serverless_platform_is_a_second_step() {
        let options = DeployOptions { canary: Some(canary()), ..options() };
        let files_of = |target| files(target, options.clone());
        let kserve = files_of(ManifestTarget::Kserve);
        let predictor = &document(&kserve, "canary.yaml")["spec"]["predictor"];
        assert_eq!(predictor["canaryTrafficPercent"], 10);
        assert_eq!(predictor["containers"][0]["ports"].as_array().unwrap().len(), 1);
        let knative = files_of(ManifestTarget::Knative);
        let traffic = document(&knative, "canary.yaml")["spec"]["traffic"].clone();
        assert_eq!(
            (&traffic[0]["revisionName"], &traffic[1]["percent"]),
            (&"digits-cnn-v3".into(), &10.into())
        );
        for target in [ManifestTarget::Helm, ManifestTarget::Ecs, ManifestTarget::Argocd] {
            let options = DeployOptions { repository: Some("https://a/b".to_owned()), ..options.clone() };
            let deployment = ModelDeployment::new(facts(), options).unwrap();
            assert!(manifest_files(target, &deployment).is_err(), "{}", target.name());
        }
    }

    #[test]
    fn a_chart_leaves_numbers_and_names_open() {
        let files = files(ManifestTarget::Helm, DeployOptions { gpus: 1, ..options() });
        let text = |path: &str| files.iter().find(|file| file.path == path).unwrap().text.clone();
        assert!(
            text("templates/autoscaler.yaml")
                .contains("minReplicas: {{ .Values.autoscaling.minReplicas | int }}\n")
        );
        let deployment = text("templates/deployment.yaml");
        assert!(
            deployment.contains("name: \"{{ .Release.Name }}\"")
                && deployment.contains("nvidia.com/gpu: \"1\"")
        );
        let monitor = text("templates/service-monitor.yaml");
        assert!(
            monitor.starts_with("{{- if .Values.monitoring.enabled }}\n")
                && monitor.ends_with("\n{{- end }}\n")
        );
        let values = document(&files, "values.yaml");
        let schema: Value = serde_json::from_str(&text("values.schema.json")).unwrap();
        let required: Vec<&str> =
            schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(required.iter().all(|name| !values[*name].is_null()), "{required:?}");
        assert!(values["route"].is_null() && schema["properties"]["route"].is_null());
    }

    #[test]
    fn a_batch_script_is_one_that_bash_reads() {
        let words = vec!["--otlp=http://it's".to_owned()];
        let files = files(ManifestTarget::Slurm, DeployOptions { arguments: words, gpus: 2, ..options() });
        let script = &files[0].text;
        assert!(
            script.contains("#SBATCH --gres=gpu:2\n") && script.contains(r"'--otlp=http://it'\''s'"),
            "{script}"
        );
        assert!(script.contains("hosts = [") && script.contains("home/serve.toml\" --open"), "{script}");
        let parsed = std::process::Command::new("bash").args(["-n", "-c", script]).status().unwrap();
        assert!(parsed.success());
    }
}
