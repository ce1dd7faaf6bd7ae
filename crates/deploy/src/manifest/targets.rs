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
    /// KServe, an inference service.
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
