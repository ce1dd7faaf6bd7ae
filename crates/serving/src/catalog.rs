//! Served models: loading, traffic between versions, and replacement while requests run.
//!
//! A request holds the version that it began with, so a replaced version completes its requests before it is
//! dropped. A version that fails to load leaves the previous one in place, and the failure is reported.
//!
//! An alias is followed when it moves. A plain name means the version that was the newest when the name was loaded, unless
//! the catalog follows names: what a training publishes is not served by that alone.

mod entries;
mod entry;
mod share;
mod version;

use std::collections::BTreeMap;
use std::sync::PoisonError;

use cupola_registry::{Home, Package};
use cupola_spec::ServedModel;
use serde_json::Value;

use self::entries::EntryTable;
use self::entry::{Deployment, ModelEntry, log_swaps};
pub(crate) use self::share::share;
use self::version::VersionLoader;
pub use self::version::{Loader, ModelVersion};
use crate::error::Error;
use crate::metadata::RequestMetadata;
use crate::scheduler::SchedulerLimits;
use crate::sync::{self, Arc, Mutex, MutexGuard};
use crate::telemetry::{QueueTimes, Telemetry};

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

/// Versions that plain names lead to when a declaration is loaded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlainNames {
    /// The loaded ones.
    Keep,
    /// The newest ones.
    Renew,
}

/// All models of a server.
pub struct Catalog {
    home: Home,
    loader: VersionLoader,
    telemetry: Arc<Telemetry>,
    entries: EntryTable<ModelEntry>,
    /// `true` to serve a newer version of a plain name as soon as it is published.
    follow: bool,
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
        Self { home, loader, telemetry, entries: EntryTable::new(), follow: false, changes: Mutex::new(()) }
    }

    /// The catalog, which follows plain names too if `follow` is true.
    #[must_use]
    pub fn following(self, follow: bool) -> Self {
        Self { follow, ..self }
    }

    fn entry(&self, name: &str) -> Result<Arc<ModelEntry>, Error> {
        self.entries.get(name).ok_or_else(|| Error::UnknownModel { name: name.to_owned() })
    }

    /// Loads a model, or what has changed of it, and returns its name. A plain name leads to its newest version. Blocks.
    ///
    /// # Errors
    /// Errors of the package. The previous versions stay loaded.
    pub fn load(&self, spec: &ServedModel) -> Result<String, Error> {
        self.put(spec, PlainNames::Renew)
    }

    /// Loads a model as a config declares it, as [`Self::load`] does; a plain name that is served keeps its version.
    ///
    /// # Errors
    /// Errors of the package. The previous versions stay loaded.
    pub fn configure(&self, spec: &ServedModel) -> Result<String, Error> {
        self.put(spec, PlainNames::Keep)
    }

    fn put(&self, spec: &ServedModel, names: PlainNames) -> Result<String, Error> {
        let (name, entry) = self.open(spec, names)?;
        let _changes = self.lock_changes();
        let versions: Vec<u64> = entry.versions().collect();
        let roles = entry.roles();
        let old = self.entries.insert(&name, entry);
        self.count_loaded(&name, &versions, old.as_deref());
        log_swaps(&name, old.as_deref(), roles);
        Ok(name)
    }

    /// Loads what a declaration names, apart from versions that are loaded already.
    fn open(&self, spec: &ServedModel, names: PlainNames) -> Result<(String, ModelEntry), Error> {
        let main = self.deploy(&spec.serve, names, None)?;
        let deploy = |reference: &str| self.deploy(reference, names, Some(&main));
        let name = main.version.manifest.name.clone();
        let canary = spec.canary.as_ref();
        let canary = canary.map(|canary| Ok::<_, Error>((canary.clone(), deploy(&canary.serve)?)));
        let shadow = spec.shadow.as_ref().map(|reference| deploy(reference));
        let (canary, shadow) = (canary.transpose()?, shadow.transpose()?);
        let others = canary.iter().map(|(_, deployment)| deployment).chain(&shadow);
        if let Some(other) = others.into_iter().find(|other| other.version.manifest.name != name) {
            return Err(Error::OtherModel { name, reference: other.reference.clone() });
        }
        Ok((name, ModelEntry { main, canary, shadow, trouble: None, spec: spec.clone() }))
    }

    /// Loads an entry again whose references have moved. Nothing changes if it was unloaded or loaded anew meanwhile.
    fn reload(&self, name: &str, seen: &Arc<ModelEntry>) -> Result<(), Error> {
        let (found, entry) = self.open(&seen.spec, PlainNames::Keep)?;
        if found != name {
            return Err(Error::OtherModel { name: name.to_owned(), reference: seen.main.reference.clone() });
        }
        let _changes = self.lock_changes();
        let versions: Vec<u64> = entry.versions().collect();
        let roles = entry.roles();
        if self.entries.replace(name, seen, entry) {
            self.count_loaded(name, &versions, Some(seen));
            log_swaps(name, Some(seen), roles);
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

    /// Resolves a reference, and loads its version unless it is loaded already, or deployed `beside` it.
    fn deploy(
        &self,
        reference: &str,
        names: PlainNames,
        beside: Option<&Deployment>,
    ) -> Result<Deployment, Error> {
        if names == PlainNames::Keep
            && !self.follows(reference)
            && let Some(deployment) =
                self.entries.get(reference).and_then(|entry| entry.of(reference).cloned())
        {
            return Ok(deployment);
        }
        let package = self.home.package(reference).map_err(cupola_runtime::Error::from)?;
        let beside = beside.map(|one| &one.version).filter(|version| version.is(&package));
        let version = match beside.cloned().or_else(|| self.loaded(&package)) {
            Some(version) => version,
            None => self.loader.load(package, &self.telemetry)?,
        };
        Ok(Deployment { reference: reference.to_owned(), version })
    }

    fn loaded(&self, package: &Package) -> Option<Arc<ModelVersion>> {
        let entry = self.entry(&package.manifest.name).ok()?;
        entry.deployments().map(|one| &one.version).find(|version| version.is(package)).cloned()
    }

    /// `true` if the version of a reference may change while it is served.
    fn follows(&self, reference: &str) -> bool {
        self.follow || reference.contains(['@', ':', '/']) || reference.starts_with('.')
    }

    /// Stops serving a name and returns `true` if it was served. Requests in flight are completed.
    pub fn unload(&self, name: &str) -> bool {
        let _changes = self.lock_changes();
        let removed = self.entries.remove(name);
        self.count_loaded(name, &[], removed.as_deref());
        self.telemetry.remove_queue_share(name);
        removed.is_some()
    }

    /// Follows aliases that have moved, and plain names if the catalog follows them. Blocks. A version that fails to load changes nothing.
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
        for deployment in entry.deployments().filter(|one| self.follows(&one.reference)) {
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

    /// All metrics of the server with the present lengths of the queues and shares of waiting, as `OpenMetrics` 1.0 text.
    pub fn metrics_text(&self) -> String {
        let versions = self.versions();
        let mut times: BTreeMap<&str, QueueTimes> = BTreeMap::new();
        for version in &versions {
            version.metrics.set_waiting(version.scheduler.waiting());
            let sum = times.entry(&version.manifest.name).or_default();
            *sum = sum.plus(version.metrics.recent_times());
        }
        self.telemetry.set_queue_shares(&times);
        self.telemetry.text()
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
