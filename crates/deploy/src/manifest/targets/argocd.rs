//! Argo: an application of Argo CD, and a rollout of Argo Rollouts in place of the deployment.

use super::container::{Track, annotations, labels, metadata, track_selector};
use super::kubernetes::{
    HISTORY, PROGRESS, Workload, WorkloadKind, adapter_values, common, kustomization, template,
};
use crate::manifest::deployment::ModelDeployment;
use crate::manifest::error::ManifestError;
use crate::manifest::objects::{
    ApiObject, ApplicationDestination, ApplicationSource, ApplicationSpec, AutomatedSync, CanaryStrategy,
    IgnoredDifference, LabelSelector, RolloutPause, RolloutSpec, RolloutStep, RolloutStrategy, SyncPolicy,
    yaml,
};
use crate::manifest::output::ManifestFile;

/// Folder of the manifests beside the application.
const FOLDER: &str = "manifests";
/// Share in percent that a new version gets first.
const FIRST_SHARE: u32 = 10;
/// Time that a new version has half of the requests.
const SECOND_PAUSE: &str = "10m";

/// Files of the target.
pub(super) fn files(deployment: &ModelDeployment) -> Result<Vec<ManifestFile>, ManifestError> {
    let Some(repository) = &deployment.options.repository else {
        let why = "Argo CD reads manifests from a repository";
        return Err(ManifestError::option(why, "give --repository URL, and commit the files there"));
    };
    if repository.chars().any(|c| c.is_whitespace() || c.is_control()) || !repository.contains([':', '/']) {
        let remedy = "give --repository as https://git.example.org/ml/deploy.git";
        return Err(ManifestError::option(
            format!("invalid repository `{}`", repository.escape_default()),
            remedy,
        ));
    }
    if deployment.canary.is_some() {
        let why = "a rollout makes every new version its canary";
        return Err(ManifestError::option(why, "leave --canary out; Argo Rollouts keeps the version before"));
    }
    let mut objects = vec![ManifestFile::text("rollout.yaml", rollout(deployment)?)];
    objects.extend(common(deployment, Workload::of(&deployment.name, WorkloadKind::Rollout))?);
    objects.push(kustomization(deployment, &objects)?);
    let below = |file: ManifestFile| ManifestFile::text(format!("{FOLDER}/{}", file.path), file.text);
    let mut files: Vec<ManifestFile> = objects.into_iter().map(below).collect();
    files.extend(adapter_values(deployment)?);
    files.push(ManifestFile::text("application.yaml", application(deployment, repository)?));
    Ok(files)
}

/// Rollout: a tenth of the pods until somebody promotes it, then half of them for a while, then all.
fn rollout(deployment: &ModelDeployment) -> Result<String, ManifestError> {
    let track = Track::stable(deployment);
    let pause = |duration| RolloutStep::Pause(RolloutPause { duration });
    let spec = RolloutSpec {
        revision_history_limit: HISTORY,
        progress_deadline_seconds: PROGRESS,
        selector: LabelSelector { match_labels: track_selector(deployment, &track) },
        template: template(deployment, &track),
        strategy: RolloutStrategy {
            canary: CanaryStrategy {
                max_surge: 1,
                max_unavailable: 0,
                steps: vec![
                    RolloutStep::SetWeight(FIRST_SHARE),
                    pause(None),
                    RolloutStep::SetWeight(50),
                    pause(Some(SECOND_PAUSE)),
                ],
            },
        },
    };
    let mut metadata = metadata(deployment, &deployment.name);
    metadata.labels = labels(deployment, Some(&track));
    metadata.annotations = annotations(&track);
    yaml("rollout.yaml", &ApiObject { api_version: "argoproj.io/v1alpha1", kind: "Rollout", metadata, spec })
}

fn application(deployment: &ModelDeployment, repository: &str) -> Result<String, ManifestError> {
    let path = deployment.options.repository_path.clone().unwrap_or_else(|| deployment.name.clone());
    let path = format!("{}/{FOLDER}", path.trim_end_matches('/'));
    let spec = ApplicationSpec {
        project: "default",
        source: ApplicationSource { repository: repository.to_owned(), target_revision: "HEAD", path },
        destination: ApplicationDestination {
            server: "https://kubernetes.default.svc",
            namespace: deployment.options.namespace.clone().unwrap_or_else(|| "default".to_owned()),
        },
        sync_policy: SyncPolicy {
            automated: AutomatedSync { prune: true, self_heal: true },
            sync_options: vec!["CreateNamespace=true", "ServerSideApply=true"],
        },
        // The autoscaler sets the number of replicas.
        ignore_differences: vec![IgnoredDifference {
            group: "argoproj.io",
            kind: "Rollout",
            json_pointers: vec!["/spec/replicas"],
        }],
    };
    let mut metadata = metadata(deployment, &deployment.name);
    metadata.namespace = Some("argocd".to_owned());
    yaml(
        "application.yaml",
        &ApiObject { api_version: "argoproj.io/v1alpha1", kind: "Application", metadata, spec },
    )
}
