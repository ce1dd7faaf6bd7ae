//! Serverless platforms: an inference service of `KServe` and a service of Knative.

use super::container::{PodPlatform, Track, annotations, config_map, labels, metadata, pod};
use crate::manifest::deployment::{ModelDeployment, TIMEOUT};
use crate::manifest::error::ManifestError;
use crate::manifest::objects::{
    ApiObject, InferenceServiceSpec, KnativeMetadata, KnativeRevision, KnativeServiceSpec, KnativeTemplate,
    KnativeTraffic, PodMetadata, Predictor, yaml,
};
use crate::manifest::output::ManifestFile;

/// Requests in flight at which a platform adds replicas. The server batches what waits, so that some must wait.
const CONCURRENCY: u32 = 16;

/// Inference service with a custom predictor, which speaks the Open Inference Protocol. A canary is a second file, applied
/// after the first one: `KServe` keeps the revision before it and splits the requests.
pub(super) fn inference_service(deployment: &ModelDeployment) -> Result<Vec<ManifestFile>, ManifestError> {
    let mut files = config(deployment)?;
    let stable = Track::stable(deployment);
    files.push(predictor(deployment, &stable, None, "inference-service.yaml")?);
    if let Some((percent, track)) = Track::canary(deployment) {
        files.push(predictor(deployment, &track, Some(percent), "canary.yaml")?);
    }
    Ok(files)
}

fn predictor(
    deployment: &ModelDeployment,
    track: &Track<'_>,
    percent: Option<u32>,
    file: &str,
) -> Result<ManifestFile, ManifestError> {
    let (least, most) = deployment.replicas();
    let predictor = Predictor {
        min_replicas: least,
        max_replicas: most,
        scale_metric: "concurrency",
        scale_target: CONCURRENCY,
        canary_traffic_percent: percent,
        timeout: TIMEOUT,
        pod: pod(deployment, track, PodPlatform::Kserve),
    };
    let mut metadata = metadata(deployment, &deployment.name);
    metadata.annotations = annotations(track);
    let spec = InferenceServiceSpec { predictor };
    let object =
        ApiObject { api_version: "serving.kserve.io/v1beta1", kind: "InferenceService", metadata, spec };
    Ok(ManifestFile::text(file, yaml(file, &object)?))
}

/// Knative service. A canary is a second file, applied after the first one: it adds a revision and splits the requests.
pub(super) fn knative_service(deployment: &ModelDeployment) -> Result<Vec<ManifestFile>, ManifestError> {
    let mut files = config(deployment)?;
    let stable = Track::stable(deployment);
    let traffic =
        |track: &Track<'_>, percent| KnativeTraffic { revision_name: revision(deployment, track), percent };
    files.push(service(deployment, &stable, vec![traffic(&stable, 100)], "service.yaml")?);
    if let Some((percent, track)) = Track::canary(deployment) {
        let split = vec![traffic(&stable, 100 - percent), traffic(&track, percent)];
        files.push(service(deployment, &track, split, "canary.yaml")?);
    }
    Ok(files)
}

/// Name of the revision of a version.
fn revision(deployment: &ModelDeployment, track: &Track<'_>) -> String {
    format!("{}-v{}", deployment.name, track.package.version)
}

fn service(
    deployment: &ModelDeployment,
    track: &Track<'_>,
    traffic: Vec<KnativeTraffic>,
    file: &str,
) -> Result<ManifestFile, ManifestError> {
    let (least, most) = deployment.replicas();
    let mut annotated = annotations(track);
    annotated.insert("autoscaling.knative.dev/min-scale", least.to_string());
    annotated.insert("autoscaling.knative.dev/max-scale", most.to_string());
    annotated.insert("autoscaling.knative.dev/metric", "concurrency".to_owned());
    annotated.insert("autoscaling.knative.dev/target", CONCURRENCY.to_string());
    let spec = KnativeServiceSpec {
        template: KnativeTemplate {
            metadata: KnativeMetadata {
                name: revision(deployment, track),
                shared: PodMetadata { labels: labels(deployment, Some(track)), annotations: annotated },
            },
            spec: KnativeRevision {
                timeout_seconds: TIMEOUT,
                pod: pod(deployment, track, PodPlatform::Knative),
            },
        },
        traffic,
    };
    let metadata = metadata(deployment, &deployment.name);
    let object = ApiObject { api_version: "serving.knative.dev/v1", kind: "Service", metadata, spec };
    Ok(ManifestFile::text(file, yaml(file, &object)?))
}

fn config(deployment: &ModelDeployment) -> Result<Vec<ManifestFile>, ManifestError> {
    let Some(map) = config_map(deployment) else { return Ok(Vec::new()) };
    Ok(vec![ManifestFile::text("config.yaml", yaml("config.yaml", &map)?)])
}
