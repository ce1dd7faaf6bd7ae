//! The examples of one part: in memory, or in a file.

use crate::error::Error;
use crate::prepare::Labelled;
use crate::store::Store;
use crate::target::Targets;

/// Examples of one part with their targets.
#[derive(Debug)]
pub enum Rows {
    /// All of them.
    Memory(Labelled),
    /// Read block by block.
    Stored(Store),
}

impl Rows {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Memory(labelled) => labelled.examples.rows,
            Self::Stored(store) => store.rows(),
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
        match self {
            Self::Memory(labelled) => Ok(labelled.gather(rows)),
            Self::Stored(store) => store.gather(rows),
        }
    }

    /// All of them, where they are in memory.
    pub fn memory(&self) -> Option<&Labelled> {
        match self {
            Self::Memory(labelled) => Some(labelled),
            Self::Stored(_) => None,
        }
    }

    /// Examples that are read at once: an order that stays within a few such blocks for a while is read
    /// fast. `None` where any order is.
    pub fn block(&self) -> Option<usize> {
        match self {
            Self::Memory(_) => None,
            Self::Stored(store) => Some(store.block()),
        }
    }

    /// Says which blocks are going to be asked for, in order, so that they are read meanwhile.
    pub fn expect(&self, blocks: &[usize]) {
        if let Self::Stored(store) = self {
            store.expect(blocks);
        }
    }

    /// Examples of each class of the target at `index`; empty for a number.
    pub fn classes(&self, index: usize) -> Vec<usize> {
        match self {
            Self::Memory(labelled) => {
                labelled.all_targets().nth(index).map(Targets::classes).unwrap_or_default()
            }
            Self::Stored(store) => store.classes(index),
        }
    }
}
