//! A served name with its versions.

use std::sync::Arc;

use cupola_spec::{Canary, ServedModel};
use serde_json::{Value, json};

use super::share::share;
use super::version::ModelVersion;
use crate::metadata::RequestMetadata;

/// A version and the reference that it was loaded by.
#[derive(Clone)]
pub(super) struct Deployment {
    pub reference: String,
    pub version: Arc<ModelVersion>,
}

/// A served name.
pub(super) struct ModelEntry {
    pub main: Deployment,
    pub canary: Option<(Canary, Deployment)>,
    pub shadow: Option<Deployment>,
    /// Reason why the last reload failed.
    pub trouble: Option<String>,
    pub spec: ServedModel,
}

impl ModelEntry {
    pub fn deployments(&self) -> impl Iterator<Item = &Deployment> {
        std::iter::once(&self.main)
            .chain(self.canary.iter().map(|(_, deployment)| deployment))
            .chain(&self.shadow)
    }

    pub fn versions(&self) -> impl Iterator<Item = u64> {
        self.deployments().map(|deployment| deployment.version.manifest.version)
    }

    /// Loaded version by a reference.
    pub fn of(&self, reference: &str) -> Option<&Deployment> {
        self.deployments().find(|deployment| deployment.reference == reference)
    }

    /// Version of the main one, the canary and the shadow.
    pub fn roles(&self) -> [(&'static str, Option<u64>); 3] {
        let version = |deployment: &Deployment| deployment.version.manifest.version;
        [
            ("main", Some(version(&self.main))),
            ("canary", self.canary.as_ref().map(|(_, deployment)| version(deployment))),
            ("shadow", self.shadow.as_ref().map(version)),
        ]
    }

    pub fn version(&self, version: u64) -> Option<Arc<ModelVersion>> {
        let mut all = self.deployments().map(|deployment| &deployment.version);
        all.find(|loaded| loaded.manifest.version == version).cloned()
    }

    /// Main version or canary. The share is that of the sticky header if the request has it, else of its id.
    pub fn assign(&self, metadata: &dyn RequestMetadata, request_id: &str) -> &Arc<ModelVersion> {
        let Some((canary, deployment)) = &self.canary else { return &self.main.version };
        let sticky = canary.sticky.as_deref().and_then(|header| metadata.value(header));
        let bytes = sticky.unwrap_or(request_id.as_bytes());
        if share(bytes) < canary.weight { &deployment.version } else { &self.main.version }
    }

    /// The same versions with the reason why a reload failed.
    pub fn with_trouble(&self, why: &str) -> Self {
        Self {
            main: self.main.clone(),
            canary: self.canary.clone(),
            shadow: self.shadow.clone(),
            trouble: Some(why.to_owned()),
            spec: self.spec.clone(),
        }
    }

    /// One line per version, for logs.
    pub fn summary(&self) -> Vec<String> {
        let line = |deployment: &Deployment| {
            let report = &deployment.version.model.report;
            let times = match (report.burn_us, report.candle_us) {
                (Some(burn), Some(candle)) => format!(": burn {burn:.0} us, candle {candle:.0} us"),
                _ => String::new(),
            };
            let manifest = &deployment.version.manifest;
            format!("{}:{} by {} ({}{times})", manifest.name, manifest.version, report.engine, report.why)
        };
        self.deployments().map(line).collect()
    }

    /// Model metadata as served by the API.
    pub fn describe(&self) -> Value {
        let mut out = self.main.version.describe();
        out["serve"] = self.main.reference.clone().into();
        if let Some((canary, deployment)) = &self.canary {
            out["canary"] = json!({
                "serve": deployment.reference,
                "version": deployment.version.manifest.version,
                "weight": canary.weight,
                "sticky": canary.sticky,
            });
        }
        if let Some(shadow) = &self.shadow {
            out["shadow"] = json!({ "serve": shadow.reference, "version": shadow.version.manifest.version });
        }
        if let Some(trouble) = &self.trouble {
            out["trouble"] = trouble.clone().into();
        }
        out
    }
}

/// Logs each version of a name that took the place of another one.
pub(super) fn log_swaps(name: &str, old: Option<&ModelEntry>, new: [(&'static str, Option<u64>); 3]) {
    let old = old.map(ModelEntry::roles).into_iter().flatten();
    for ((role, before), (_, after)) in old.zip(new) {
        if before != after {
            let version = |version: Option<u64>| version.map_or("none".to_owned(), |v| format!("{name}:{v}"));
            let (from, to) = (version(before), version(after));
            tracing::info!(model = name, role, "swapped {from} for {to}");
        }
    }
}
