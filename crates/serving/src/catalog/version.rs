//! A loaded model version with its engines.

use std::sync::Arc;

use cupola_registry::{EMBEDDINGS, Manifest, Package};
use cupola_runtime::{LoadedPackage, Predictor};
use serde_json::{Value, json};

use crate::error::Error;
use crate::scheduler::{Scheduler, SchedulerLimits};
use crate::telemetry::{ModelMetrics, Telemetry, VersionMonitor};

/// Function that builds an engine from a package.
pub type Loader = Arc<dyn Fn(&Package) -> Result<Predictor, cupola_runtime::Error> + Send + Sync>;

/// A loaded model version.
pub struct ModelVersion {
    /// Manifest of its package.
    pub manifest: Manifest,
    /// Everything of the package but the engines.
    pub model: Arc<LoadedPackage>,
    /// Queue and engines.
    pub scheduler: Scheduler,
    /// Metrics of the version.
    pub metrics: ModelMetrics,
    /// Sketches of its rows and predictions; `None` if monitoring is off.
    pub monitor: Option<Arc<VersionMonitor>>,
}

impl ModelVersion {
    /// Metadata of the version as served by the API.
    pub fn describe(&self) -> Value {
        let mut out = json!({
            "name": self.manifest.name,
            "version": self.manifest.version,
            "created": self.manifest.created,
            "signature": self.model.signature,
            "metrics": self.manifest.metrics,
            "engine": self.model.report,
        });
        if let Some(what) = self.model.generates() {
            out["generates"] = what.into();
        }
        if let Some(method) = self.model.explained_by() {
            out["explains"] = method.name().into();
        }
        // The value of the request's option `interval` for the coverage of the training.
        if let Some(uncertainty) = &self.model.plan.uncertainty {
            out["interval"] = uncertainty.coverage.into();
        }
        if let Some(tokens) = self.model.context_length() {
            out["context_length"] = tokens.into();
        }
        out
    }

    /// `true` if the package is the one that this version was loaded from.
    pub(super) fn is(&self, package: &Package) -> bool {
        let (own, other) = (&self.manifest, &package.manifest);
        own.version == other.version && own.created == other.created && own.files == other.files
    }
}

/// Verifies packages and starts their engines.
pub(super) struct VersionLoader {
    pub loader: Loader,
    pub limits: SchedulerLimits,
    /// Public keys of minisign; without any, packages need no signature.
    pub trusted: Vec<String>,
}

impl VersionLoader {
    pub fn load(&self, package: Package, telemetry: &Telemetry) -> Result<Arc<ModelVersion>, Error> {
        if !self.trusted.is_empty() {
            package.verify_signature(&self.trusted).map_err(cupola_runtime::Error::from)?;
        }
        let mut predictors = vec![(self.loader)(&package)?];
        for _ in 1..self.limits.replicas {
            predictors.push((self.loader)(&package)?);
        }
        // The loader checks the digest of each file that it reads; the version is served once all are checked. Without its
        // reference embeddings it predicts as well, so damage there is told by its monitoring.
        package.verify_rest_but(EMBEDDINGS).map_err(cupola_runtime::Error::from)?;
        let model = Arc::clone(&predictors[0].package);
        let (name, version) = (&package.manifest.name, package.manifest.version);
        if let Ok(created) = package.manifest.created.parse::<jiff::Timestamp>() {
            telemetry.set_created(name, version, created.as_second());
        }
        let metrics = telemetry.model(name, version);
        let scheduler = Scheduler::start(name, predictors, self.limits, &metrics)?;
        let monitor = telemetry.live.watch(&package, &model);
        Ok(Arc::new(ModelVersion { manifest: package.manifest, model, scheduler, metrics, monitor }))
    }
}
