//! Served models: loading, traffic between versions, and replacement while requests run.
//!
//! A request holds the version that it began with, so a replaced version completes its requests before it is
//! dropped. A version that fails to load leaves the previous one in place, and the failure is reported.

mod entries;
mod entry;
mod version;

use std::sync::PoisonError;

use cupola_registry::{Home, Package};
use cupola_spec::ServedModel;
use serde_json::Value;

use self::entries::EntryTable;
use self::entry::{Deployment, ModelEntry};
use self::version::VersionLoader;
pub use self::version::{Loader, ModelVersion};
use crate::error::Error;
use crate::metadata::RequestMetadata;
use crate::scheduler::SchedulerLimits;
use crate::sync::{self, Arc, Mutex, MutexGuard};
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
    entries: EntryTable<ModelEntry>,
    /// Held while an entry and the gauges of its versions change together.
    changes: Mutex<()>,
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
        Self { home, loader, telemetry, entries: EntryTable::new(), changes: Mutex::new(()) }
    }

    fn entry(&self, name: &str) -> Result<Arc<ModelEntry>, Error> {
        self.entries.get(name).ok_or_else(|| Error::UnknownModel { name: name.to_owned() })
    }

    /// Loads a model, or what has changed of it, and returns its name. Blocks.
    ///
    /// # Errors
    /// Errors of the package. The previous versions stay loaded.
    pub fn load(&self, spec: &ServedModel) -> Result<String, Error> {
        let (name, entry) = self.open(spec)?;
        let _changes = self.lock_changes();
        let versions: Vec<u64> = entry.versions().collect();
        let old = self.entries.insert(&name, entry);
        self.count_loaded(&name, &versions, old.as_deref());
        Ok(name)
    }

    /// Loads what a declaration names, apart from versions that are loaded already.
    fn open(&self, spec: &ServedModel) -> Result<(String, ModelEntry), Error> {
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
        Ok((name, ModelEntry { main, canary, shadow, trouble: None, spec: spec.clone() }))
    }

    /// Loads an entry again whose references have moved. Nothing changes if it was unloaded or loaded anew meanwhile.
    fn reload(&self, name: &str, seen: &Arc<ModelEntry>) -> Result<(), Error> {
        let (found, entry) = self.open(&seen.spec)?;
        if found != name {
            return Err(Error::OtherModel { name: name.to_owned(), reference: seen.main.reference.clone() });
        }
        let _changes = self.lock_changes();
        let versions: Vec<u64> = entry.versions().collect();
        if self.entries.replace(name, seen, entry) {
            self.count_loaded(name, &versions, Some(seen));
            tracing::info!(model = name, "reloaded");
        }
        Ok(())
    }

    fn lock_changes(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the gauges of the versions of a new entry and of those that only the old one had.
    fn count_loaded(&self, name: &str, versions: &[u64], old: Option<&ModelEntry>) {
        for version in versions {
            self.telemetry.set_loaded(name, *version, true);
        }
        let gone = old.into_iter().flat_map(ModelEntry::versions);
        for version in gone.filter(|version| !versions.contains(version)) {
            self.telemetry.set_loaded(name, version, false);
        }
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

    /// Stops serving a name and returns `true` if it was served. Requests in flight are completed.
    pub fn unload(&self, name: &str) -> bool {
        let _changes = self.lock_changes();
        let removed = self.entries.remove(name);
        self.count_loaded(name, &[], removed.as_deref());
        removed.is_some()
    }

    /// Follows aliases that have moved. Blocks. A version that fails to load changes nothing.
    pub fn refresh(&self) {
        for (name, entry) in self.entries.snapshot() {
            let reloaded = match self.has_moved(&entry) {
                Ok(true) => self.reload(&name, &entry).map_err(|error| error.to_string()),
                Ok(false) => Ok(()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(why) = reloaded {
                self.report_failure(&name, &entry, &why);
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
        self.entries.replace(name, entry, entry.with_trouble(why));
    }

    /// One line per loaded version of a name, for logs.
    pub fn summary(&self, name: &str) -> Option<Vec<String>> {
        Some(self.entry(name).ok()?.summary())
    }

    /// Served names.
    pub fn names(&self) -> Vec<String> {
        self.entries.snapshot().into_keys().collect()
    }

    /// Declaration of a served name.
    pub fn spec(&self, name: &str) -> Option<ServedModel> {
        self.entry(name).ok().map(|entry| entry.spec.clone())
    }

    /// All loaded versions.
    pub fn versions(&self) -> Vec<Arc<ModelVersion>> {
        let mut all: Vec<Arc<ModelVersion>> = Vec::new();
        for entry in self.entries.snapshot().values() {
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
        let entries = self.entries.snapshot();
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
