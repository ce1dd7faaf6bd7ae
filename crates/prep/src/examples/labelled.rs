//! Examples with their targets.

use serde::{Deserialize, Serialize};

use super::{Examples, Targets};

/// Examples of one part with their targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Labelled {
    /// What the network sees.
    pub examples: Examples,
    /// What it should answer.
    pub targets: Targets,
    /// The same for the plan's further targets.
    pub further: Vec<Targets>,
}

impl Labelled {
    /// Examples with the targets of a plan, of which there is one at least.
    pub(crate) fn of(examples: Examples, mut targets: Vec<Targets>) -> Self {
        let further = targets.split_off(targets.len().min(1));
        let none = Targets::Own { labels: Vec::new() };
        Self { examples, targets: targets.pop().unwrap_or(none), further }
    }

    /// Adds the targets of more rows of a [`crate::Store`], not their examples.
    pub fn append_targets(&mut self, other: Self) {
        self.examples.rows += other.examples.rows;
        self.targets.append(other.targets);
        self.further.iter_mut().zip(other.further).for_each(|(own, other)| own.append(other));
    }

    /// The rows at `indices`, in that order.
    #[must_use]
    pub fn gather(&self, indices: &[usize]) -> Self {
        Self {
            examples: self.examples.gather(indices),
            targets: self.targets.gather(indices),
            further: self.further.iter().map(|targets| targets.gather(indices)).collect(),
        }
    }

    /// What it should answer, for each target of the plan.
    pub fn all_targets(&self) -> impl Iterator<Item = &Targets> {
        std::iter::once(&self.targets).chain(&self.further)
    }
}
