//! Triton's model repository and statistics, for REST and gRPC alike.

use std::sync::Arc;

use cupola_serving::access::{Caller, Scope};
use cupola_serving::{Catalog, IndexedVersion, ModelVersion};
use cupola_spec::ServedModel;
use cupola_store::Name;

use crate::error::ApiError;

/// Loads the version that a served name leads to now, or the newest version of another name.
pub(super) async fn load(catalog: &Arc<Catalog>, name: String) -> Result<(), ApiError> {
    let error = |why: String| ApiError::not_loaded(format!("failed to load '{name}': {why}"));
    // A name with a path in it would load a package of the client's choice.
    Name::new(&name).map_err(|invalid| error(invalid.to_string()))?;
    let spec = catalog.spec(&name);
    let spec = spec.unwrap_or(ServedModel { serve: name.clone(), canary: None, shadow: None });
    let catalog = Arc::clone(catalog);
    let loaded = tokio::task::spawn_blocking(move || catalog.load(&spec)).await;
    let loaded = loaded.map_err(|failure| error(failure.to_string()))?;
    loaded.map(|_| ()).map_err(|failure| {
        let why = failure.to_string();
        if is_out_of_resources(&failure) {
            ApiError::out_of_resources(format!("failed to load '{name}': {why}"))
        } else {
            error(why)
        }
    })
}

/// `true` for an error that says nothing about the model: the process has no file descriptors or memory left.
fn is_out_of_resources(error: &(dyn std::error::Error + 'static)) -> bool {
    // ENOMEM, ENFILE and EMFILE.
    let is_exhausted = |error: &std::io::Error| matches!(error.raw_os_error(), Some(12 | 23 | 24));
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(is_exhausted))
}

/// Unloads a served name.
pub(super) fn unload(catalog: &Catalog, name: &str) -> Result<(), ApiError> {
    if catalog.unload(name) {
        return Ok(());
    }
    Err(ApiError::not_loaded(format!("failed to unload '{name}': the model is not served")))
}

/// Versions in the home folder that the caller may know of.
pub(super) fn index(catalog: &Catalog, caller: &Caller, only_ready: bool) -> Vec<IndexedVersion> {
    let mut versions = catalog.index();
    versions.retain(|one| (one.loaded || !only_ready) && caller.has(Scope::Predict, &one.name));
    versions
}

/// Loaded versions that the caller may know of.
pub(super) fn visible_versions(catalog: &Catalog, caller: &Caller) -> Vec<Arc<ModelVersion>> {
    let mut versions = catalog.versions();
    versions.retain(|version| caller.has(Scope::Predict, &version.manifest.name));
    versions
}

/// State of a version in the repository's index.
pub(super) fn state(loaded: bool) -> &'static str {
    if loaded { "READY" } else { "UNAVAILABLE" }
}

/// Counts and times of a version, in the protocol's nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct VersionStatistics {
    pub requests: u64,
    pub executions: u64,
    pub total_ns: u64,
    pub preparation_ns: u64,
    pub queue_ns: u64,
    pub inference_ns: u64,
}

impl VersionStatistics {
    pub fn new(version: &ModelVersion) -> Self {
        let totals = version.metrics.totals();
        Self {
            requests: totals.requests,
            executions: totals.executions,
            total_ns: nanos(totals.total),
            preparation_ns: nanos(totals.preparation),
            queue_ns: nanos(totals.queue),
            inference_ns: nanos(totals.inference),
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times since the start")]
fn nanos(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1e9) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_descriptors_does_not_blame_the_model() {
        let of = |code| {
            let source = std::io::Error::from_raw_os_error(code);
            let error = cupola_store::Error::Io { path: "models".into(), source };
            is_out_of_resources(&error)
        };
        assert!(of(24) && of(23) && of(12));
        assert!(!of(2) && !of(13));
    }
}
