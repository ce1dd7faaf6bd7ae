//! The engine of an ensemble: the weighted average of the predictions of its members.

mod blend;
mod config;

use cupola_prep::{Examples, FittedTarget, MemberPlaces};
use cupola_spec::TargetList;

use super::{Engine, EngineCapabilities, EngineReport, isolated};
use crate::error::Error;

use blend::shared_values;
pub use blend::{blended_values, logits_of_blend};
pub use config::{EnsembleConfig, EnsembleMember};

/// Engines of several models, of which each takes its part of an example.
pub(crate) struct EnsembleEngine {
    members: Vec<LoadedMember>,
    /// Targets of the ensemble, on whose scale the logits are.
    targets: TargetList<FittedTarget>,
}

/// One member with its engine.
pub(crate) struct LoadedMember {
    pub engine: Box<dyn Engine>,
    pub report: EngineReport,
    pub places: MemberPlaces,
    pub targets: TargetList<FittedTarget>,
    /// Share of the average; all of them sum to 1.
    pub weight: f64,
}

impl EnsembleEngine {
    /// Joins members whose weights sum to 1.
    pub fn new(members: Vec<LoadedMember>, targets: TargetList<FittedTarget>) -> Self {
        Self { members, targets }
    }

    /// Reports of the members' engines.
    pub fn report(&self) -> EngineReport {
        let members = self.members.iter().map(|member| member.report.clone()).collect();
        EngineReport {
            members,
            ..EngineReport::untimed(self.name(), "the weighted average of the predictions of its members")
        }
    }
}

impl Engine for EnsembleEngine {
    fn name(&self) -> String {
        let mut engines: Vec<String> = self.members.iter().map(|member| member.engine.name()).collect();
        engines.sort_unstable();
        engines.dedup();
        format!("ensemble of {} ({})", self.members.len(), engines.join(", "))
    }

    fn capabilities(&self) -> EngineCapabilities {
        let any_thread = self.members.iter().all(|member| member.engine.capabilities().any_thread);
        EngineCapabilities { any_thread, decodes: false }
    }

    fn forward(&mut self, examples: Examples) -> Result<Vec<f32>, Error> {
        let mut sums: Vec<f64> = Vec::new();
        for (index, member) in self.members.iter_mut().enumerate() {
            let logits = member.forward(&examples)?;
            let values = blended_values(&member.targets, &logits);
            let values = shared_values(&self.targets, index, member.weight, &values);
            if sums.is_empty() {
                sums = vec![0.0; values.len()];
            }
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        Ok(logits_of_blend(&self.targets, &sums))
    }

    fn member_logits(&mut self, examples: &Examples) -> Result<Option<Vec<Vec<f32>>>, Error> {
        self.members.iter_mut().map(|member| member.forward(examples)).collect::<Result<_, _>>().map(Some)
    }
}

impl LoadedMember {
    /// Logits of the member for its part of the ensemble's examples.
    fn forward(&mut self, examples: &Examples) -> Result<Vec<f32>, Error> {
        let own = self.places.examples(examples);
        isolated(self.engine.as_mut(), |engine| engine.forward(own))
    }
}
