//! Models of packages as one model.

use cupola_nn::{DeviceChoice, join_safetensors, member_safetensors};
use cupola_prep::{Examples, Plan, Prepared, SplitPart};
use cupola_registry::Package;
use cupola_runtime::{EngineChoice, EnsembleConfig, EnsembleMember, Predictor};
use cupola_train::{SplitOutputs, TargetObjective};
use serde_json::Value;

use crate::error::Error;
use crate::session::Session;
use crate::train::final_model::FinalModel;

/// Rows of one forward pass.
pub(crate) const CHUNK: usize = 1024;

/// Single model with its share of an average.
pub(crate) struct SingleModel {
    /// Package or run that it comes from.
    pub name: String,
    pub weight: f64,
    pub plan: Plan,
    /// `config.json`
    pub config: Value,
    /// `model.safetensors`
    pub weights: Vec<u8>,
}

/// Models joined to one, not yet published.
pub(crate) struct JoinedModel {
    pub plan: Plan,
    pub members: EnsembleConfig,
    /// `model.safetensors`
    pub weights: Vec<u8>,
}

/// Plan of a package, which can transform rows and decode predictions.
pub(crate) fn plan_of(package: &Package) -> Result<Plan, Error> {
    let plan: Plan = serde_json::from_slice(&package.read("plan.json")?)?;
    plan.check()?;
    Ok(plan)
}

impl SingleModel {
    /// Models of a package: itself, or the members of an ensemble, which share its weight.
    ///
    /// # Errors
    /// Damaged packages.
    pub fn of_package(package: &Package, name: &str, weight: f64) -> Result<Vec<Self>, Error> {
        let plan = plan_of(package)?;
        let config: Value = serde_json::from_slice(&package.read("config.json")?)?;
        let weights = package.read("model.safetensors")?;
        let Some(own) = config.get("ensemble") else {
            return Ok(vec![Self { name: name.to_owned(), weight, plan, config, weights }]);
        };
        let own: EnsembleConfig = serde_json::from_value(own.clone())?;
        let shares =
            own.shares().ok_or_else(|| damaged(package, "config.json: expected weights of 0 or more"))?;
        let each = own.members.into_iter().zip(shares).enumerate().map(|(index, (member, share))| {
            Ok(Self {
                name: format!("{name}/{}", member.name),
                weight: weight * share,
                plan: plan.member(&member.inputs, member.targets)?,
                config: member.model,
                weights: member_safetensors(&weights, index)?,
            })
        });
        each.collect()
    }
}

fn damaged(package: &Package, why: &str) -> Error {
    cupola_runtime::Error::Package { package: package.label(), why: why.to_owned() }.into()
}

impl JoinedModel {
    /// Joins models, all of which predict the same targets from rows of the same columns.
    ///
    /// # Errors
    /// [`cupola_prep::Error::Join`] for models that have no common plan.
    pub fn of(models: Vec<SingleModel>) -> Result<Self, Error> {
        let joined = Plan::join(&models.iter().map(|model| &model.plan).collect::<Vec<_>>())?;
        let files: Vec<&[u8]> = models.iter().map(|model| model.weights.as_slice()).collect();
        let weights = join_safetensors(&files)?;
        let members = models.into_iter().zip(joined.members);
        let members = members.map(|(model, inputs)| EnsembleMember {
            name: model.name,
            weight: model.weight,
            inputs,
            targets: model.plan.targets,
            model: model.config,
        });
        Ok(Self { plan: joined.plan, members: EnsembleConfig { members: members.collect() }, weights })
    }

    /// Engine of the joined model on the CPU.
    ///
    /// # Errors
    /// Models that do not load.
    pub fn predictor(&self, session: &Session<'_>) -> Result<Predictor, Error> {
        let device = session.open_device(DeviceChoice::Flex)?;
        let (plan, choice) = (self.plan.clone(), EngineChoice::Auto);
        Ok(Predictor::of_ensemble(plan, &self.members, &self.weights, choice, &device)?)
    }
}

/// Joined model with the rows to evaluate it on.
pub(crate) struct JoinedOutputs<'a> {
    pub predictor: Predictor,
    pub prepared: &'a Prepared,
    pub objectives: &'a [TargetObjective],
}

impl FinalModel for JoinedOutputs<'_> {
    fn score(&mut self, part: SplitPart, plan: &Plan) -> Result<cupola_eval::Metrics, Error> {
        let outputs = self.outputs(part)?;
        Ok(outputs.map(|outputs| outputs.metrics(plan, self.objectives)).unwrap_or_default())
    }

    fn outputs(&mut self, part: SplitPart) -> Result<Option<SplitOutputs>, Error> {
        let examples = self.prepared.part(part).memory().ok_or(Error::EnsembleOnStream)?;
        let logits = self.logits(&examples.examples)?;
        Ok(Some(SplitOutputs { logits, examples }))
    }

    fn logits(&mut self, examples: &Examples) -> Result<Vec<f32>, Error> {
        let rows: Vec<usize> = (0..examples.rows).collect();
        let mut logits = Vec::with_capacity(examples.rows * self.predictor.package.plan.width());
        for chunk in rows.chunks(CHUNK) {
            logits.extend(self.predictor.logits(examples.gather(chunk))?);
        }
        Ok(logits)
    }
}
