//! Loading of an ensemble: each member gets its plan, its tensors and its engine.

use cupola_nn::{OpenDevice, SafetensorsFile, member_safetensors};
use cupola_prep::{FittedTarget, NumberOutputs, Plan};
use serde::Deserialize;

use super::{LoadedEngine, ModelConfig, check_layout, trees_engine};
use crate::engines::{
    self, Engine, EngineChoice, EngineReport, EnsembleConfig, EnsembleEngine, LoadedMember,
};
use crate::error::Error;
use crate::predict::package::explainer::Explainer;

/// Builds the engines of all members.
pub(in crate::predict) fn engine(
    label: &str,
    config: &EnsembleConfig,
    weights: &[u8],
    plan: &Plan,
    choice: EngineChoice,
    device: &OpenDevice,
) -> Result<LoadedEngine, Error> {
    let wrong =
        |why: String| Error::Package { package: label.to_owned(), why: format!("config.json: {why}") };
    for target in &plan.targets {
        if let FittedTarget::Number { outputs: NumberOutputs::Folds(folds), .. } = target
            && *folds != config.members.len()
        {
            let found = config.members.len();
            return Err(wrong(format!("expected {folds} members, as in plan.json, found {found}")));
        }
    }
    let mut members = Vec::with_capacity(config.members.len());
    for (index, (member, weight)) in config.members.iter().zip(config.shares().map_err(wrong)?).enumerate() {
        let own = plan.member(&member.inputs, member.targets.clone())?;
        own.check()?;
        let bytes = member_safetensors(weights, index)?;
        let model = ModelConfig::deserialize(&member.model)
            .map_err(|error| wrong(format!("member {}: {error}", index + 1)))?;
        let label = format!("{label}, member {}", index + 1);
        let (engine, report) = member_engine(&label, model, &bytes, &own, choice, device)?;
        let places = plan.member_places(&member.inputs)?;
        members.push(LoadedMember { engine, report, places, targets: own.targets, weight });
    }
    let engine = EnsembleEngine::new(members, plan.targets.clone());
    let report = engine.report();
    Ok((Box::new(engine), report, Explainer::of_ensemble()))
}

/// Engine of one member.
fn member_engine(
    label: &str,
    model: ModelConfig,
    weights: &[u8],
    plan: &Plan,
    choice: EngineChoice,
    device: &OpenDevice,
) -> Result<(Box<dyn Engine>, EngineReport), Error> {
    match model {
        ModelConfig::Trees { trees } => {
            let (engine, report, _) = trees_engine(label, weights, plan, trees.width)?;
            Ok((engine, report))
        }
        ModelConfig::Network(architecture) => {
            check_layout(label, &architecture, plan)?;
            engines::build(choice, &architecture, &SafetensorsFile::open(weights)?, device)
        }
        ModelConfig::Ensemble { .. } => {
            let why = "config.json: a member of an ensemble must be a single model".to_owned();
            Err(Error::Package { package: label.to_owned(), why })
        }
    }
}
