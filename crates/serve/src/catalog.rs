//! The models of a server: loaded, shared out among versions, swapped while requests go on.
//!
//! A request holds the version that it began with, so a version that is replaced answers what it has
//! and then goes. A version that does not load leaves the one before in its place, and says so.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::{HeaderMap, StatusCode};
use cupola_registry::{Home, Manifest, Package};
use cupola_runtime::{Predictor, Sealed};
use cupola_spec::{Canary, ServedModel};
use serde_json::{Value, json};

use crate::answer::Refusal;
use crate::batcher::{Batcher, Limits};
use crate::error::Error;
use crate::state::Settings;
use crate::telemetry::{ModelMetrics, Telemetry};

/// Makes an engine of a package.
pub type Loader = Arc<dyn Fn(&Package) -> Result<Predictor, cupola_runtime::Error> + Send + Sync>;

/// A version that is loaded.
pub(crate) struct Model {
    pub manifest: Manifest,
    pub sealed: Arc<Sealed>,
    pub batcher: Batcher,
    pub metrics: ModelMetrics,
}

impl Model {
    fn load(package: Package, catalog: &Catalog) -> Result<Arc<Self>, Error> {
        // Every byte is what was published before any of it is used.
        package.verify().map_err(cupola_runtime::Error::from)?;
        if !catalog.trusted.is_empty() {
            package.verify_signature(&catalog.trusted).map_err(cupola_runtime::Error::from)?;
        }
        let mut predictors = vec![(catalog.loader)(&package)?];
        for _ in 1..catalog.limits.replicas {
            predictors.push((catalog.loader)(&package)?);
        }
        let sealed = Arc::clone(&predictors[0].sealed);
        let (name, version) = (package.manifest.name.clone(), package.manifest.version);
        let metrics = catalog.telemetry.model(&name, version);
        let batcher = Batcher::start(&name, predictors, catalog.limits, &metrics)?;
        Ok(Arc::new(Self { manifest: package.manifest, sealed, batcher, metrics }))
    }

    fn is(&self, package: &Package) -> bool {
        let (own, other) = (&self.manifest, &package.manifest);
        own.version == other.version && own.created == other.created && own.files == other.files
    }
}

/// A version and what it is called by.
#[derive(Clone)]
struct Slot {
    text: String,
    model: Arc<Model>,
}

/// A name that is served.
pub(crate) struct Served {
    main: Slot,
    canary: Option<(Canary, Slot)>,
    shadow: Option<Slot>,
    /// Why a version that should be here is not.
    trouble: Option<String>,
    spec: ServedModel,
}

/// Which versions a request goes to.
pub(crate) struct Picked {
    pub model: Arc<Model>,
    /// Is asked too; its answer is compared.
    pub shadow: Option<Arc<Model>>,
}

/// All models of a server.
pub struct Catalog {
    home: Home,
    loader: Loader,
    limits: Limits,
    trusted: Vec<String>,
    telemetry: Arc<Telemetry>,
    served: RwLock<BTreeMap<String, Arc<Served>>>,
}

impl Catalog {
    /// Without models.
    pub(crate) fn new(home: Home, loader: Loader, settings: &Settings, telemetry: Arc<Telemetry>) -> Self {
        let (limits, trusted) = (settings.limits, settings.trusted.clone());
        Self { home, loader, limits, trusted, telemetry, served: RwLock::default() }
    }

    fn read(&self) -> BTreeMap<String, Arc<Served>> {
        self.served.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loads a model, or what has changed of it. Blocks.
    ///
    /// # Errors
    /// What is wrong with the package; what was served before still is.
    pub fn load(&self, spec: &ServedModel) -> Result<String, Error> {
        let main = self.slot(&spec.serve)?;
        let name = main.model.manifest.name.clone();
        let canary = spec.canary.as_ref();
        let canary = canary.map(|canary| Ok::<_, Error>((canary.clone(), self.slot(&canary.serve)?)));
        let shadow = spec.shadow.as_ref().map(|text| self.slot(text));
        let (canary, shadow) = (canary.transpose()?, shadow.transpose()?);
        let others = canary.iter().map(|(_, slot)| slot).chain(&shadow);
        if let Some(other) = others.into_iter().find(|other| other.model.manifest.name != name) {
            return Err(Error::Other { name, other: other.text.clone() });
        }
        self.put(&name, Served { main, canary, shadow, trouble: None, spec: spec.clone() });
        Ok(name)
    }

    /// The version that a reference leads to now, loaded only if it is not yet.
    fn slot(&self, text: &str) -> Result<Slot, Error> {
        let package = self.home.package(text).map_err(cupola_runtime::Error::from)?;
        let model = match self.loaded(&package) {
            Some(model) => model,
            None => Model::load(package, self)?,
        };
        Ok(Slot { text: text.to_owned(), model })
    }

    /// The package, if any name has it loaded already.
    fn loaded(&self, package: &Package) -> Option<Arc<Model>> {
        let served = self.read();
        let own = served.get(&package.manifest.name)?;
        own.slots().map(|slot| &slot.model).find(|model| model.is(package)).cloned()
    }

    fn put(&self, name: &str, served: Served) {
        let gauge = |slot: &Slot| {
            let manifest = &slot.model.manifest;
            self.telemetry.loaded(&manifest.name, manifest.version, true);
        };
        served.slots().for_each(gauge);
        let mut all = self.served.write().unwrap_or_else(PoisonError::into_inner);
        let old = all.insert(name.to_owned(), Arc::new(served));
        let kept: Vec<u64> = all.get(name).map(|new| new.versions().collect()).unwrap_or_default();
        drop(all);
        for version in old.iter().flat_map(|old| old.versions()).filter(|version| !kept.contains(version)) {
            self.telemetry.loaded(name, version, false);
        }
    }

    /// Stops serving a name; requests that it has are answered.
    pub fn unload(&self, name: &str) -> bool {
        let gone = self.served.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        for version in gone.iter().flat_map(|gone| gone.versions()) {
            self.telemetry.loaded(name, version, false);
        }
        gone.is_some()
    }

    /// Follows aliases that have moved. Blocks; what does not load leaves everything as it was.
    pub fn refresh(&self) {
        for (name, served) in self.read() {
            match self.moved(&served) {
                Ok(false) => {}
                Ok(true) => match self.load(&served.spec) {
                    Ok(_) => tracing::info!(model = name, "reloaded"),
                    Err(error) => self.troubled(&name, &served, &error.to_string()),
                },
                Err(error) => self.troubled(&name, &served, &error.to_string()),
            }
        }
    }

    /// Whether a reference leads to another package than the one that is loaded.
    fn moved(&self, served: &Served) -> Result<bool, cupola_runtime::Error> {
        for slot in served.slots() {
            let package = self.home.package(&slot.text)?;
            if !slot.model.is(&package) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn troubled(&self, name: &str, served: &Arc<Served>, why: &str) {
        if served.trouble.as_deref() == Some(why) {
            return;
        }
        tracing::error!(model = name, why, "not reloaded; the version before goes on");
        self.telemetry.reload_failed(name);
        let again = Served {
            main: served.main.clone(),
            canary: served.canary.clone(),
            shadow: served.shadow.clone(),
            trouble: Some(why.to_owned()),
            spec: served.spec.clone(),
        };
        let mut all = self.served.write().unwrap_or_else(PoisonError::into_inner);
        // Not over what somebody has loaded meanwhile.
        if all.get(name).is_some_and(|now| Arc::ptr_eq(now, served)) {
            all.insert(name.to_owned(), Arc::new(again));
        }
    }

    /// What a name has loaded, a line for each version.
    pub fn told(&self, name: &str) -> Option<Vec<String>> {
        let served = self.read();
        let own = served.get(name)?;
        let line = |slot: &Slot| {
            let report = &slot.model.sealed.report;
            let times = match (report.burn_us, report.candle_us) {
                (Some(burn), Some(candle)) => format!(": burn {burn:.0} us, candle {candle:.0} us"),
                _ => String::new(),
            };
            let version = slot.model.manifest.version;
            format!("{name}:{version} by {} ({}{times})", report.engine, report.why)
        };
        Some(own.slots().map(line).collect())
    }

    /// Names that are served.
    pub fn names(&self) -> Vec<String> {
        self.read().into_keys().collect()
    }

    /// The spec of a name that is served.
    pub(crate) fn spec(&self, name: &str) -> Option<ServedModel> {
        self.read().get(name).map(|served| served.spec.clone())
    }

    /// All versions that are loaded.
    pub(crate) fn models(&self) -> Vec<Arc<Model>> {
        let mut out: Vec<Arc<Model>> = Vec::new();
        for served in self.read().values() {
            for slot in served.slots() {
                if !out.iter().any(|known| Arc::ptr_eq(known, &slot.model)) {
                    out.push(Arc::clone(&slot.model));
                }
            }
        }
        out
    }

    /// The version that a name stands for, without sharing out.
    pub(crate) fn find(&self, name: &str, version: Option<u64>) -> Result<Arc<Model>, Refusal> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = served.get(name) else { return Err(unknown(name, served.keys())) };
        match version {
            None => Ok(Arc::clone(&own.main.model)),
            Some(version) => own.version(version).ok_or_else(|| {
                let loaded: Vec<String> = own.versions().map(|version| version.to_string()).collect();
                let message =
                    format!("version {version} of `{name}` is not loaded; there are: {}", loaded.join(", "));
                Refusal::new(StatusCode::NOT_FOUND, "unknown_version", message)
            }),
        }
    }

    /// The versions that a request goes to: the one asked for, or the main one or its canary by weight.
    pub(crate) fn pick(
        &self,
        name: &str,
        version: Option<u64>,
        headers: &HeaderMap,
        id: &str,
    ) -> Result<Picked, Refusal> {
        if version.is_some() {
            return Ok(Picked { model: self.find(name, version)?, shadow: None });
        }
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = served.get(name) else { return Err(unknown(name, served.keys())) };
        let model = match &own.canary {
            Some((canary, slot)) => {
                let sticky = canary.sticky.as_deref().and_then(|header| headers.get(header));
                let bytes = sticky.map_or(id.as_bytes(), axum::http::HeaderValue::as_bytes);
                let slot = if share(bytes) < canary.weight { slot } else { &own.main };
                Arc::clone(&slot.model)
            }
            None => Arc::clone(&own.main.model),
        };
        let shadow = own.shadow.as_ref().map(|slot| Arc::clone(&slot.model));
        Ok(Picked { shadow: shadow.filter(|shadow| !Arc::ptr_eq(shadow, &model)), model })
    }

    /// What is told of a name.
    pub(crate) fn describe(&self, name: &str) -> Result<Value, Refusal> {
        let served = self.read();
        let own = served.get(name).ok_or_else(|| unknown(name, served.keys()))?;
        let model = &own.main.model;
        let mut out = json!({
            "name": model.manifest.name,
            "version": model.manifest.version,
            "created": model.manifest.created,
            "signature": model.sealed.signature,
            "metrics": model.manifest.metrics,
            "engine": model.sealed.report,
            "serve": own.main.text,
        });
        if let Some(what) = model.sealed.generates() {
            out["generates"] = what.into();
        }
        if let Some((canary, slot)) = &own.canary {
            out["canary"] = json!({
                "serve": slot.text,
                "version": slot.model.manifest.version,
                "weight": canary.weight,
                "sticky": canary.sticky,
            });
        }
        if let Some(slot) = &own.shadow {
            out["shadow"] = json!({ "serve": slot.text, "version": slot.model.manifest.version });
        }
        if let Some(trouble) = &own.trouble {
            out["trouble"] = trouble.clone().into();
        }
        Ok(out)
    }

    /// Versions in the home, each with whether it is loaded.
    pub(crate) fn all(&self) -> Vec<(String, u64, bool)> {
        let served = self.read();
        let mut out = Vec::new();
        for name in self.home.model_names().unwrap_or_default() {
            for version in self.home.versions(&name).unwrap_or_default() {
                let loaded = served.get(&name).is_some_and(|own| own.version(version).is_some());
                out.push((name.clone(), version, loaded));
            }
        }
        // Folders that lie elsewhere.
        for (name, own) in &served {
            for version in own.versions() {
                if !out.iter().any(|(known, known_version, _)| known == name && *known_version == version) {
                    out.push((name.clone(), version, true));
                }
            }
        }
        out
    }
}

impl Served {
    fn slots(&self) -> impl Iterator<Item = &Slot> {
        std::iter::once(&self.main).chain(self.canary.iter().map(|(_, slot)| slot)).chain(&self.shadow)
    }

    fn versions(&self) -> impl Iterator<Item = u64> {
        self.slots().map(|slot| slot.model.manifest.version)
    }

    fn version(&self, version: u64) -> Option<Arc<Model>> {
        self.slots().map(|slot| &slot.model).find(|model| model.manifest.version == version).cloned()
    }
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Refusal {
    let known: Vec<&str> = known.map(String::as_str).collect();
    let there = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let message = format!("model `{name}` is not served here; there are: {there}");
    Refusal::new(StatusCode::NOT_FOUND, "unknown_model", message)
}

/// Bytes as a number in `[0, 1)`, always the same one.
pub(crate) fn share(bytes: &[u8]) -> f64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn shares_are_even_and_stick() {
        let n = 20_000;
        let below = (0..n).filter(|i: &u32| share(&i.to_le_bytes()) < 0.1).count();
        // Four standard errors are 0.0085.
        assert!((below as f64 / f64::from(n) - 0.1).abs() < 0.0085, "{below}");
        assert!((share(b"user 7") - share(b"user 7")).abs() < f64::EPSILON);
    }
}
