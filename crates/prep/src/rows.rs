//! The examples of one part: in memory, or in a file.

use crate::compact::Recipe;
use crate::error::Error;
use crate::prepare::Labelled;
use crate::store::Store;
use crate::target::Targets;

/// Examples of one part with their targets.
#[derive(Debug)]
pub enum Rows {
    /// All of them, kept small.
    Memory(Recipe, Labelled),
    /// Read block by block.
    Stored(Recipe, Store),
}

impl Rows {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Memory(_, labelled) => labelled.examples.rows,
            Self::Stored(_, store) => store.rows(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The examples at `rows`, in that order.
    ///
    /// # Errors
    /// [`Error::Store`] when the file cannot be read.
    pub fn gather(&self, rows: &[usize]) -> Result<Labelled, Error> {
        let (recipe, kept) = match self {
            Self::Memory(recipe, labelled) => (recipe, labelled.gather(rows)),
            Self::Stored(recipe, store) => (recipe, store.gather(rows)?),
        };
        Ok(Labelled { examples: recipe.expand(kept.examples), ..kept })
    }

    /// All of them, where they are in memory.
    pub fn memory(&self) -> Option<Labelled> {
        match self {
            Self::Memory(recipe, labelled) => {
                let examples = recipe.expand(labelled.examples.clone());
                Some(Labelled { examples, targets: labelled.targets.clone() })
            }
            Self::Stored(..) => None,
        }
    }

    /// What they should answer, where they are in memory.
    pub fn targets(&self) -> Option<impl Iterator<Item = &Targets>> {
        match self {
            Self::Memory(_, labelled) => Some(labelled.targets.iter()),
            Self::Stored(..) => None,
        }
    }

    /// Examples that are read at once: an order that stays within a few such blocks for a while is read
    /// fast. `None` where any order is.
    pub fn block(&self) -> Option<usize> {
        match self {
            Self::Memory(..) => None,
            Self::Stored(_, store) => Some(store.block()),
        }
    }

    /// Says which blocks are going to be asked for, in order, so that they are read meanwhile.
    pub fn expect(&self, blocks: &[usize]) {
        if let Self::Stored(_, store) = self {
            store.expect(blocks);
        }
    }

    /// Examples of each class of the target at `index`; empty for a number.
    pub fn classes(&self, index: usize) -> Vec<usize> {
        match self {
            Self::Memory(_, labelled) => {
                labelled.targets.iter().nth(index).map(Targets::classes).unwrap_or_default()
            }
            Self::Stored(_, store) => store.classes(index),
        }
    }
}
