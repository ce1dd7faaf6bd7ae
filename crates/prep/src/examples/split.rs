//! Examples of one split, in memory or in a file.

use super::{CompactLayout, ExampleStore, ExamplesWithTargets, Targets};
use crate::error::Error;

/// Examples of one split with their targets, stored in compact form.
#[derive(Debug)]
pub enum SplitExamples {
    /// All examples in memory.
    Memory(CompactLayout, ExamplesWithTargets),
    /// Examples in a file that is read block by block.
    Stored(CompactLayout, ExampleStore),
}

impl SplitExamples {
    /// Number of examples.
    pub fn len(&self) -> usize {
        match self {
            Self::Memory(_, part) => part.examples.rows,
            Self::Stored(_, store) => store.rows(),
        }
    }

    /// `true` if there are no examples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the examples at `rows`, in that order, as the network sees them.
    ///
    /// # Errors
    /// [`Error::Store`] if the file cannot be read.
    pub fn gather(&self, rows: &[usize]) -> Result<ExamplesWithTargets, Error> {
        let (layout, compact) = match self {
            Self::Memory(layout, part) => (layout, part.gather(rows)),
            Self::Stored(layout, store) => (layout, store.gather(rows)?),
        };
        Ok(ExamplesWithTargets { examples: layout.expand(compact.examples), ..compact })
    }

    /// Copies all examples as the network sees them; `None` if they are in a file.
    pub fn memory(&self) -> Option<ExamplesWithTargets> {
        match self {
            Self::Memory(layout, part) => {
                let ExamplesWithTargets { examples, targets } = part.clone();
                Some(ExamplesWithTargets { examples: layout.expand(examples), targets })
            }
            Self::Stored(..) => None,
        }
    }

    /// Values of each target; `None` if the examples are in a file.
    pub fn targets(&self) -> Option<impl Iterator<Item = &Targets>> {
        match self {
            Self::Memory(_, part) => Some(part.targets.iter()),
            Self::Stored(..) => None,
        }
    }

    /// Number of examples that are read together: orders that stay within a few blocks are read fast. `None` if
    /// all are in memory.
    pub fn block(&self) -> Option<usize> {
        match self {
            Self::Memory(..) => None,
            Self::Stored(_, store) => Some(store.block()),
        }
    }

    /// Announces the blocks that will be gathered, in order, so that they are read ahead.
    pub fn expect(&self, blocks: &[usize]) {
        if let Self::Stored(_, store) = self {
            store.expect(blocks);
        }
    }

    /// Number of examples of each class of the target at `index`; empty if it is not a class.
    pub fn classes(&self, index: usize) -> Vec<usize> {
        match self {
            Self::Memory(_, part) => part.targets.iter().nth(index).map(Targets::classes).unwrap_or_default(),
            Self::Stored(_, store) => store.classes(index),
        }
    }
}
