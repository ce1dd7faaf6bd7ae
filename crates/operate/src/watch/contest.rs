//! Champion and challenger on the same rows.

use cupola_datasets::DatasetManifest;
use cupola_nn::DeviceChoice;
use cupola_registry::{Aliases, GATE, Home, Package};
use cupola_runtime::EngineChoice;
use cupola_spec::{Evaluate, Gate, Target, Watch};
use cupola_workflow::{
    CompareRequest, EvaluationOptions, GateReport, ModelSelection, Opponent, Session, judge,
    sealed_evaluation,
};

use super::error::WatchError;
use super::record::{ContestReport, WatchedData};

/// Version behind an alias; `None` for an alias or a model that does not exist yet.
pub(super) fn champion_of(home: &Home, name: &str, alias: &str) -> Result<Option<Package>, WatchError> {
    let Some(version) = Aliases::read(home, name)?.get(alias).copied() else { return Ok(None) };
    // A version that another machine has published may not be in the cache of this one yet.
    let package = home.version(name, version);
    let there = home.versions(name)?;
    if !there.contains(&version) {
        let remedy = if let Some(newest) = there.iter().max() {
            format!("restore its folder, or move the alias: cupola models alias {name} {alias} {newest}")
        } else {
            let aliases = home.models().join(name).join("aliases.json");
            format!("restore its folder, or delete {} to begin anew", aliases.display())
        };
        return Err(WatchError::request(
            format!("`{alias}` of {name} points at version {version}, whose folder is gone"),
            remedy,
        ));
    }
    Ok(Some(package?))
}

/// A package on the engine that serves it.
pub(super) fn model(package: &Package, device: DeviceChoice) -> ModelSelection {
    let reference = package.path.to_string_lossy().into_owned();
    ModelSelection { reference, engine: EngineChoice::Auto, device }
}

/// Gate that a package was published with; `None` without conditions.
pub(super) fn holdout(package: &Package) -> Result<Option<GateReport>, WatchError> {
    if !package.manifest.files.contains_key(GATE) {
        return Ok(None);
    }
    let gate = serde_json::from_slice(&package.read(GATE)?);
    Ok(Some(gate.map_err(cupola_workflow::Error::from)?))
}

/// Two versions of a model.
pub(super) struct Contest<'a> {
    pub champion: &'a Package,
    pub challenger: &'a Package,
    pub device: DeviceChoice,
}

impl Contest<'_> {
    /// Compares both on rows and judges a requirement on the difference, such as `no worse, 95 %`.
    ///
    /// # Errors
    /// Rows that do not fit; models that cannot be compared.
    pub fn on(
        &self,
        session: &Session<'_>,
        rows: &DatasetManifest,
        watch: &Watch,
        requirement: Option<&str>,
        targets: &[Target],
    ) -> Result<ContestReport, WatchError> {
        let data = format!("dataset:{}", rows.label());
        let request = CompareRequest {
            first: model(self.champion, self.device),
            second: model(self.challenger, self.device),
            data,
            options: EvaluationOptions::of(&Evaluate::default(), 0),
        };
        let comparison = session.compare_models(&request)?.comparison;
        let key = watch.comparison(&self.champion.manifest.version.to_string());
        let condition = requirement.map(|required| (key, required.to_owned()));
        let conditions = Gate::new(condition).parse(targets).map_err(|invalid| {
            let why: Vec<String> = invalid.into_iter().map(|one| one.message).collect();
            WatchError::request(why.join("; "), "correct `watch.metric`")
        })?;
        let evaluation = sealed_evaluation(self.challenger)?;
        let mut opponent = |_: &str| Opponent::Compared { comparison: comparison.clone(), warning: None };
        let gate = judge(&conditions, &evaluation, &mut opponent);
        Ok(ContestReport {
            champion: self.champion.label(),
            challenger: self.challenger.label(),
            data: WatchedData::of(rows),
            rows: comparison.rows,
            metrics: comparison.metrics,
            gate,
        })
    }
}
