//! Served models: loading, traffic between versions, and replacement while requests run.
//!
//! A request holds the version that it began with, so a replaced version completes its requests before it is
//! dropped. A version that fails to load leaves the previous one in place, and the failure is reported.

mod entry;
mod version;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use cupola_registry::{Home, Package};
use cupola_spec::ServedModel;
use serde_json::Value;

use self::entry::{Deployment, ModelEntry};
use self::version::VersionLoader;
pub use self::version::{Loader, ModelVersion};
use crate::error::Error;
use crate::metadata::RequestMetadata;
use crate::scheduler::SchedulerLimits;
use crate::telemetry::Telemetry;

/// Versions that a request goes to.
pub(crate) struct Route {
    pub version: Arc<ModelVersion>,
    /// Version that gets the same request; its predictions are compared and not sent.
    pub shadow: Option<Arc<ModelVersion>>,
}

/// Version in the home folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedVersion {
    /// Name of the model.
    pub name: String,
    /// Version.
    pub version: u64,
    /// `true` if it is loaded.
    pub loaded: bool,
}

/// All models of a server.
pub struct Catalog {
    home: Home,
    loader: VersionLoader,
    telemetry: Arc<Telemetry>,
    entries: RwLock<BTreeMap<String, Arc<ModelEntry>>>,
}

impl Catalog {
    /// Catalog without models. With `trusted` public keys of minisign, it loads only packages that one of them
    /// has signed.
    pub fn new(
        home: Home,
        loader: Loader,
        limits: SchedulerLimits,
        trusted: Vec<String>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let loader = VersionLoader { loader, limits, trusted };
        Self { home, loader, telemetry, entries: RwLock::default() }
    }

    fn snapshot(&self) -> BTreeMap<String, Arc<ModelEntry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn entry(&self, name: &str) -> Result<Arc<ModelEntry>, Error> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(name).cloned().ok_or_else(|| Error::UnknownModel { name: name.to_owned() })
    }

    /// Loads a model, or what has changed of it, and returns its name. Blocks.
    ///
    /// # Errors
    /// Errors of the package. The previous versions stay loaded.
    pub fn load(&self, spec: &ServedModel) -> Result<String, Error> {
        let main = self.deploy(&spec.serve)?;
        let name = main.version.manifest.name.clone();
        let canary = spec.canary.as_ref();
        let canary = canary.map(|canary| Ok::<_, Error>((canary.clone(), self.deploy(&canary.serve)?)));
        let shadow = spec.shadow.as_ref().map(|reference| self.deploy(reference));
        let (canary, shadow) = (canary.transpose()?, shadow.transpose()?);
        let others = canary.iter().map(|(_, deployment)| deployment).chain(&shadow);
        if let Some(other) = others.into_iter().find(|other| other.version.manifest.name != name) {
            return Err(Error::OtherModel { name, reference: other.reference.clone() });
        }
        self.put(&name, ModelEntry { main, canary, shadow, trouble: None, spec: spec.clone() });
        Ok(name)
    }

    /// Resolves a reference, and loads its version unless it is loaded already.
    fn deploy(&self, reference: &str) -> Result<Deployment, Error> {
        let package = self.home.package(reference).map_err(cupola_runtime::Error::from)?;
        let version = match self.loaded(&package) {
            Some(version) => version,
            None => self.loader.load(package, &self.telemetry)?,
        };
        Ok(Deployment { reference: reference.to_owned(), version })
    }

    fn loaded(&self, package: &Package) -> Option<Arc<ModelVersion>> {
        let entry = self.entry(&package.manifest.name).ok()?;
        entry.deployments().map(|one| &one.version).find(|version| version.is(package)).cloned()
    }

    fn put(&self, name: &str, entry: ModelEntry) {
        for version in entry.versions() {
            self.telemetry.set_loaded(name, version, true);
        }
        let current: Vec<u64> = entry.versions().collect();
        let old = {
            let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
            entries.insert(name.to_owned(), Arc::new(entry))
        };
        for version in old.iter().flat_map(|old| old.versions()).filter(|version| !current.contains(version))
        {
            self.telemetry.set_loaded(name, version, false);
        }
    }

    /// Stops serving a name and returns `true` if it was served. Requests in flight are completed.
    pub fn unload(&self, name: &str) -> bool {
        let removed = self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        for version in removed.iter().flat_map(|removed| removed.versions()) {
            self.telemetry.set_loaded(name, version, false);
        }
        removed.is_some()
    }

    /// Follows aliases that have moved. Blocks. A version that fails to load changes nothing.
    pub fn refresh(&self) {
        for (name, entry) in self.snapshot() {
            match self.has_moved(&entry) {
                Ok(false) => {}
                Ok(true) => match self.load(&entry.spec) {
                    Ok(_) => tracing::info!(model = name, "reloaded"),
                    Err(error) => self.report_failure(&name, &entry, &error.to_string()),
                },
                Err(error) => self.report_failure(&name, &entry, &error.to_string()),
            }
        }
    }

    /// `true` if a reference leads to another package than the loaded one.
    fn has_moved(&self, entry: &ModelEntry) -> Result<bool, cupola_runtime::Error> {
        for deployment in entry.deployments() {
            let package = self.home.package(&deployment.reference)?;
            if !deployment.version.is(&package) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn report_failure(&self, name: &str, entry: &Arc<ModelEntry>, why: &str) {
        if entry.trouble.as_deref() == Some(why) {
            return;
        }
        tracing::error!(model = name, why, "failed to reload; the previous version stays loaded");
        self.telemetry.count_reload_failure(name);
        let failed = entry.with_trouble(why);
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have loaded the model meanwhile.
        if entries.get(name).is_some_and(|now| Arc::ptr_eq(now, entry)) {
            entries.insert(name.to_owned(), Arc::new(failed));
        }
    }

    /// One line per loaded version of a name, for logs.
    pub fn summary(&self, name: &str) -> Option<Vec<String>> {
        Some(self.entry(name).ok()?.summary())
    }

    /// Served names.
    pub fn names(&self) -> Vec<String> {
        self.snapshot().into_keys().collect()
    }

    /// Declaration of a served name.
    pub fn spec(&self, name: &str) -> Option<ServedModel> {
        self.entry(name).ok().map(|entry| entry.spec.clone())
    }

    /// All loaded versions.
    pub fn versions(&self) -> Vec<Arc<ModelVersion>> {
        let mut all: Vec<Arc<ModelVersion>> = Vec::new();
        for entry in self.snapshot().values() {
            for deployment in entry.deployments() {
                if !all.iter().any(|known| Arc::ptr_eq(known, &deployment.version)) {
                    all.push(Arc::clone(&deployment.version));
                }
            }
        }
        all
    }

    /// Main version of a name, or the given one.
    ///
    /// # Errors
    /// [`Error::UnknownModel`], [`Error::UnknownVersion`].
    pub fn find(&self, name: &str, version: Option<u64>) -> Result<Arc<ModelVersion>, Error> {
        let entry = self.entry(name)?;
        let Some(version) = version else { return Ok(Arc::clone(&entry.main.version)) };
        entry.version(version).ok_or_else(|| Error::UnknownVersion {
            name: name.to_owned(),
            version,
            loaded: entry.versions().collect(),
        })
    }

    /// Versions for a request: the given one, or the main version or its canary by weight.
    pub(crate) fn route(
        &self,
        name: &str,
        version: Option<u64>,
        metadata: &dyn RequestMetadata,
        request_id: &str,
    ) -> Result<Route, Error> {
        if version.is_some() {
            return Ok(Route { version: self.find(name, version)?, shadow: None });
        }
        let entry = self.entry(name)?;
        let version = Arc::clone(entry.assign(metadata, request_id));
        let shadow = entry.shadow.as_ref().map(|deployment| Arc::clone(&deployment.version));
        Ok(Route { shadow: shadow.filter(|shadow| !Arc::ptr_eq(shadow, &version)), version })
    }

    /// Model metadata as served by the API.
    ///
    /// # Errors
    /// [`Error::UnknownModel`].
    pub fn describe(&self, name: &str) -> Result<Value, Error> {
        Ok(self.entry(name)?.describe())
    }

    /// All versions in the home folder, and loaded ones from elsewhere.
    pub fn index(&self) -> Vec<IndexedVersion> {
        let entries = self.snapshot();
        let mut all = Vec::new();
        for name in self.home.model_names().unwrap_or_default() {
            for version in self.home.versions(&name).unwrap_or_default() {
                let loaded = entries.get(&name).is_some_and(|entry| entry.version(version).is_some());
                all.push(IndexedVersion { name: name.clone(), version, loaded });
            }
        }
        // Packages in folders outside the home.
        for (name, entry) in &entries {
            for version in entry.versions() {
                if !all.iter().any(|known| known.name == *name && known.version == version) {
                    all.push(IndexedVersion { name: name.clone(), version, loaded: true });
                }
            }
        }
        all
    }
}
