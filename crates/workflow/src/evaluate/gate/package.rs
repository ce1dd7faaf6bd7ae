//! Gates of published packages.

use cupola_registry::{Aliases, GATE, Home, Package};
use cupola_report::Evaluation;
use cupola_spec::{
    Evaluate, Gate, GateCheck, GateCondition, GateValue, Problem, Problems, Target, parse_gate,
};

use super::judge::{Opponent, judge, versus_again};
use super::report::{GateOutcome, GateReport, JudgedCondition};
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
    /// Judges a published package by the conditions of a config, or by those that it was published with. With rows, the
    /// metrics of the test split, the subgroups, the latency and the comparisons are those of these rows.
    ///
    /// # Errors
    /// Conditions that are invalid; a package without conditions; rows that do not fit the model.
    pub fn gate(&self, request: &GateRequest) -> Result<JudgedModel, Error> {
        let reference = &request.model.reference;
        let damaged = |error| damaged(reference, error);
        let package = self.home.package(reference).map_err(Error::from).map_err(damaged)?;
        let sealed = sealed_gate(&package).map_err(damaged)?;
        let numbers = sealed_evaluation(&package).map_err(damaged)?;
        let conditions = conditions(&package, request.conditions.as_ref(), sealed.as_ref())?;
        // The alias of the request may move while it is judged.
        let reference = package.path.to_string_lossy().into_owned();
        let model = ModelSelection { reference, ..request.model.clone() };
        let options = options(&conditions);
        let evaluation = match &request.data {
            Some(data) => self.evaluated(numbers, &model, data, &options)?,
            None => numbers,
        };
        let mut opponent = |reference: &str| {
            let other = match other_version(&self.home, &package.manifest.name, reference) {
                Ok(None) => return Opponent::Absent,
                Ok(Some(other)) if other.path == package.path => return Opponent::Itself,
                Ok(Some(other)) => other,
                Err(error) => return Opponent::Incomparable(error.to_string()),
            };
            let Some(data) = &request.data else { return Opponent::Incomparable(needs_rows(&other)) };
            let first =
                ModelSelection { reference: other.path.to_string_lossy().into_owned(), ..model.clone() };
            let (second, data, options) = (model.clone(), data.clone(), options.clone());
            let compared = self.compare_models(&CompareRequest { first, second, data, options });
            compared.map_or_else(
                |error| Opponent::Incomparable(error.to_string()),
                // Rows that the user names may be new to both.
                |compared| Opponent::Compared { comparison: compared.comparison, warning: None },
            )
        };
        let mut gate = judge(&conditions, &evaluation, &mut opponent);
        if let (None, Some(sealed)) = (&request.data, sealed) {
            gate = with_sealed_comparisons(gate, &conditions, &sealed, &evaluation);
        }
        Ok(JudgedModel { package: package.label(), gate })
    }

    /// Evaluation on the rows of a source in place of the test split, beside the sealed one of the valid split.
    fn evaluated(
        &self,
        sealed: Evaluation,
        model: &ModelSelection,
        data: &str,
        options: &EvaluationOptions,
    ) -> Result<Evaluation, Error> {
        let mut loaded = self.open_model(model)?;
        let mut evaluation = self.evaluate_model(&mut loaded, data, options)?.evaluation;
        for split in &mut evaluation.splits {
            "test".clone_into(&mut split.split);
        }
        evaluation.splits.extend(sealed.splits.into_iter().filter(|split| split.split != "test"));
        evaluation.model.goal = sealed.model.goal.or(evaluation.model.goal);
        Ok(evaluation)
    }
}

/// Settings of an evaluation that has the groups of all conditions.
fn options(conditions: &[GateCondition]) -> EvaluationOptions {
    let mut subgroups: Vec<String> = Vec::new();
    for condition in conditions {
        if let GateCheck::Value { value: GateValue::Subgroup { columns, .. }, .. } = &condition.check {
            subgroups.extend(
                columns.iter().filter(|column| !subgroups.contains(column)).cloned().collect::<Vec<_>>(),
            );
        }
    }
    EvaluationOptions { subgroups, ..EvaluationOptions::of(&Evaluate::default(), 0) }
}

fn needs_rows(other: &Package) -> String {
    format!("a comparison with {} needs rows that both predict; name them with --data", other.label())
}

/// Error of a package whose files do not have their digests, or cannot be read as what they are: one that the caller can
/// tell from a broken gate.
fn damaged(package: &str, error: Error) -> Error {
    use cupola_store::Error as E;
    let why = match &error {
        Error::Record(cupola_registry::Error::Store(E::Digest { .. } | E::Damaged { .. })) => {
            error.to_string()
        }
        Error::Json(why) => format!("{why}; restore it from its source"),
        _ => return error,
    };
    Error::DamagedPackage { package: package.to_owned(), why }
}

/// Takes the comparisons of a package that was judged with rows when it was published: they cannot be repeated without.
/// Their intervals are judged again.
fn with_sealed_comparisons(
    gate: GateReport,
    conditions: &[GateCondition],
    sealed: &GateReport,
    evaluation: &Evaluation,
) -> GateReport {
    let judged = gate.conditions.into_iter().zip(conditions).map(|(judged, condition)| {
        let same = |one: &&JudgedCondition| (&one.key, &one.required) == (&judged.key, &judged.required);
        match (sealed.conditions.iter().find(same), &condition.check) {
            (Some(earlier), GateCheck::Versus { metric, claim, .. })
                if judged.outcome == GateOutcome::Undefined =>
            {
                let reason = earlier.reason.as_deref().unwrap_or_default();
                JudgedCondition {
                    reason: Some(format!("{reason}; as of its publication")),
                    outcome: versus_again(earlier, metric.as_ref(), *claim, evaluation),
                    ..earlier.clone()
                }
            }
            _ => judged,
        }
    });
    GateReport::new(judged.collect())
}

/// Conditions of a config, or those of the package.
fn conditions(
    package: &Package,
    config: Option<&GateConditions>,
    sealed: Option<&GateReport>,
) -> Result<Vec<GateCondition>, Error> {
    let targets = sealed_targets(package)?;
    if let Some(config) = config {
        return Ok(parse_gate(&config.origin, &config.text, &targets)?);
    }
    let sealed = sealed.ok_or_else(|| Error::NoGate { package: package.label() })?;
    let texts = sealed.conditions.iter().map(|condition| (condition.key.clone(), condition.required.clone()));
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
