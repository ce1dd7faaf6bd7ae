//! Examples with their targets.

use serde::{Deserialize, Serialize};

use super::{Examples, Targets};

/// Examples with the encoded targets that a model learns from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExamplesWithTargets {
    /// Inputs of the network.
    pub examples: Examples,
    /// Values of the plan's first target.
    pub targets: Targets,
    /// Values of the plan's further targets.
    pub further: Vec<Targets>,
}

impl ExamplesWithTargets {
    /// Joins examples with the values of each target of a plan.
    pub(crate) fn new(examples: Examples, mut targets: Vec<Targets>) -> Self {
        let further = targets.split_off(targets.len().min(1));
        let none = Targets::Reconstruction { anomalies: Vec::new() };
        Self { examples, targets: targets.pop().unwrap_or(none), further }
    }

    /// Appends the targets of more rows from an [`ExampleStore`](crate::ExampleStore), without their examples.
    pub fn append_targets(&mut self, other: Self) {
        self.examples.rows += other.examples.rows;
        self.targets.append(other.targets);
        self.further.iter_mut().zip(other.further).for_each(|(own, other)| own.append(other));
    }

    /// Copies the rows at `indices`, in that order.
    #[must_use]
    pub fn gather(&self, indices: &[usize]) -> Self {
        Self {
            examples: self.examples.gather(indices),
            targets: self.targets.gather(indices),
            further: self.further.iter().map(|targets| targets.gather(indices)).collect(),
        }
    }

    /// Values of each target of the plan.
    pub fn all_targets(&self) -> impl Iterator<Item = &Targets> {
        std::iter::once(&self.targets).chain(&self.further)
    }
}
