//! Gates of published packages.

use std::collections::BTreeSet;

use cupola_registry::{Aliases, GATE, Home, Package};
use cupola_report::{Evaluation, SplitEvaluation};
use cupola_spec::{Evaluate, Gate, GateCondition, Problem, Problems, Target, parse_gate};

use super::judge::{Opponent, judge};
use super::report::GateReport;
use super::sealed::{sealed_evaluation, sealed_targets};
use crate::error::Error;
use crate::evaluate::{CompareRequest, EvaluationOptions};
use crate::models::inference::ModelSelection;
use crate::session::Session;

/// Gate of a published package.
#[derive(Debug, Clone)]
pub struct GateRequest {
    /// The model, and the engine and device that evaluate it on other rows.
    pub model: ModelSelection,
    /// Conditions; `None` for those that the package was published with.
    pub conditions: Option<GateConditions>,
    /// Rows to judge it on in place of its test split; `None` for the numbers that are sealed with it.
    pub data: Option<String>,
}

/// Text of a config with a table `[gate]`.
#[derive(Debug, Clone)]
pub struct GateConditions {
    /// Name of the config in messages.
    pub origin: String,
    /// TOML.
    pub text: String,
}

/// Model and its gate.
#[derive(Debug, Clone)]
pub struct JudgedModel {
    /// `NAME:VERSION`
    pub package: String,
    /// The judged conditions.
    pub gate: GateReport,
}

impl Session<'_> {
    /// Judges a published package by the conditions of a config, or by those that it was published with.
    ///
    /// # Errors
    /// Conditions that are invalid; a package without conditions; rows that do not fit the model.
    pub fn gate(&self, request: &GateRequest) -> Result<JudgedModel, Error> {
        let package = self.home.package(&request.model.reference)?;
        let conditions = conditions(&package, request.conditions.as_ref())?;
        let evaluation = match &request.data {
            Some(data) => self.evaluated(&package, &request.model, data)?,
            None => sealed_evaluation(&package)?,
        };
        let mut opponent = |reference: &str| match &request.data {
            Some(data) => self.opponent_on(&package, &request.model, data, reference),
            None => opponent(&self.home, &package, reference),
        };
        let gate = judge(&conditions, &evaluation, &mut opponent);
        Ok(JudgedModel { package: package.label(), gate })
    }

    /// The version of a model that a condition names, against `package` on the rows of a source.
    fn opponent_on(
        &self,
        package: &Package,
        model: &ModelSelection,
        data: &str,
        reference: &str,
    ) -> Opponent {
        let other = match other_version(&self.home, &package.manifest.name, reference) {
            Ok(Some(other)) if other.manifest.version != package.manifest.version => other,
            _ => return opponent(&self.home, package, reference),
        };
        let selection = |package: &Package| ModelSelection {
            reference: package.path.to_string_lossy().into_owned(),
            ..model.clone()
        };
        let compared = self.compare_models(&CompareRequest {
            first: selection(&other),
            second: selection(package),
            data: data.to_owned(),
            options: EvaluationOptions::of(&Evaluate::default(), 0),
        });
        match compared {
            Ok(compared) => Opponent::Compared(compared.comparison),
            Err(error) => Opponent::Incomparable(error.to_string()),
        }
    }

    /// Sealed evaluation, with the rows of a source in place of the test split.
    fn evaluated(&self, package: &Package, model: &ModelSelection, data: &str) -> Result<Evaluation, Error> {
        let mut evaluation = sealed_evaluation(package)?;
        let reference = package.path.to_string_lossy().into_owned();
        let mut loaded = self.open_model(&ModelSelection { reference, ..model.clone() })?;
        let defaults = Evaluate::default();
        let options =
            EvaluationOptions { subgroups: subgroups_of(&evaluation), ..EvaluationOptions::of(&defaults, 0) };
        let found = self.evaluate_model(&mut loaded, data, &options)?.evaluation;
        evaluation.splits.retain(|one| one.split != "test");
        evaluation.splits.extend(
            found.splits.into_iter().map(|split| SplitEvaluation { split: "test".to_owned(), ..split }),
        );
        evaluation.model.latency = found.model.latency;
        Ok(evaluation)
    }
}

/// Columns of the subgroup tables of an evaluation.
fn subgroups_of(evaluation: &Evaluation) -> Vec<String> {
    let targets = evaluation.splits.iter().flat_map(|split| &split.targets);
    let columns = targets.flat_map(|target| &target.subgroups).flat_map(|table| &table.columns);
    columns.cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Conditions of a config, or those of the package.
fn conditions(package: &Package, config: Option<&GateConditions>) -> Result<Vec<GateCondition>, Error> {
    let targets = sealed_targets(package)?;
    if let Some(config) = config {
        return Ok(parse_gate(&config.origin, &config.text, &targets)?);
    }
    let sealed = sealed_gate(package)?.ok_or_else(|| Error::NoGate { package: package.label() })?;
    let texts = sealed.conditions.into_iter().map(|condition| (condition.key, condition.required));
    conditions_of(&Gate::new(texts), &targets, &package.path.join(GATE).to_string_lossy())
}

/// Conditions of a gate on a model with these targets. `origin` names the gate in messages.
///
/// # Errors
/// [`Error::Config`] with all conditions that are invalid.
pub(crate) fn conditions_of(
    gate: &Gate,
    targets: &[Target],
    origin: &str,
) -> Result<Vec<GateCondition>, Error> {
    gate.parse(targets).map_err(|invalid| {
        let problem = |key: String, message| Problem { origin: origin.to_owned(), at: None, key, message };
        Problems(invalid.into_iter().map(|one| problem(one.key, one.message)).collect()).into()
    })
}

/// Gate that a package was published with; `None` for a package without conditions.
pub(crate) fn sealed_gate(package: &Package) -> Result<Option<GateReport>, Error> {
    if !package.manifest.files.contains_key(GATE) {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&package.read(GATE)?)?))
}

/// The version of a model that a condition names, against `package` by sealed numbers.
fn opponent(home: &Home, package: &Package, reference: &str) -> Opponent {
    match other_version(home, &package.manifest.name, reference) {
        Ok(None) => Opponent::Absent,
        Ok(Some(other)) if other.manifest.version == package.manifest.version => Opponent::Itself,
        Ok(Some(other)) => not_compared(&other),
        Err(error) => Opponent::Incomparable(error.to_string()),
    }
}

/// Another version that no rows were predicted with.
pub(crate) fn not_compared(other: &Package) -> Opponent {
    Opponent::Incomparable(format!("{} was not compared on the same rows", other.label()))
}

/// Package of an alias or version of a model; `None` for an alias that does not exist yet.
///
/// # Errors
/// An unknown version; a package that cannot be read.
pub(crate) fn other_version(home: &Home, name: &str, reference: &str) -> Result<Option<Package>, Error> {
    if let Ok(version) = reference.parse() {
        return Ok(Some(home.version(name, version)?));
    }
    let Some(version) = Aliases::read(home, name)?.get(reference).copied() else { return Ok(None) };
    Ok(Some(home.version(name, version)?))
}
