//! Examples with their targets.

use cupola_spec::TargetList;
use serde::{Deserialize, Serialize};

use super::{Examples, Targets};

/// Examples with the encoded targets that a model learns from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExamplesWithTargets {
    /// Inputs of the network.
    pub examples: Examples,
    /// Values of each target of the plan.
    pub targets: TargetList<Targets>,
}

impl ExamplesWithTargets {
    /// Joins examples with the values of each target of a plan.
    pub(crate) fn new(examples: Examples, targets: Vec<Targets>) -> Self {
        let none = || TargetList::single(Targets::Reconstruction { anomalies: Vec::new() });
        Self { examples, targets: TargetList::from_vec(targets).unwrap_or_else(none) }
    }

    /// Appends the targets of more rows from an [`ExampleStore`](crate::ExampleStore), without their examples.
    pub fn append_targets(&mut self, other: Self) {
        self.examples.rows += other.examples.rows;
        self.targets.iter_mut().zip(other.targets).for_each(|(own, other)| own.append(other));
    }

    /// Appends examples of the same layout with their targets.
    pub fn append_rows(&mut self, other: Self) {
        self.examples.append(other.examples);
        self.targets.iter_mut().zip(other.targets).for_each(|(own, other)| own.append(other));
    }

    /// Copies the rows at `indices`, in that order.
    #[must_use]
    pub fn gather(&self, indices: &[usize]) -> Self {
        Self {
            examples: self.examples.gather(indices),
            targets: self.targets.map(|targets| targets.gather(indices)),
        }
    }
}
