//! Filling examples column by column.

use cupola_budget::Budget;
use cupola_spec::Block;

use super::{CompactLayout, Examples};

/// Compact examples that the transforms of a plan fill, each taking the next free columns of its kind.
pub(crate) struct ExampleBuilder {
    examples: Examples,
    dense_width: usize,
    index_width: usize,
    next: NextColumn,
    budget: Budget,
}

/// First free column of each kind.
#[derive(Default)]
struct NextColumn {
    number: usize,
    encoded: usize,
    dense: usize,
    index: usize,
    one_hot: usize,
    token: usize,
}

impl ExampleBuilder {
    /// Creates `rows` examples of zeros in the compact form of `layout`.
    pub fn new(layout: &CompactLayout, rows: usize) -> Self {
        let examples = Examples::zeros(layout.compact.clone(), rows);
        let (dense_width, index_width) = (examples.layout.dense_width(), examples.layout.index_width());
        let mut next = NextColumn::default();
        if let Some(Block::Table { numbers, encoded, indices }) = examples.layout.blocks.first() {
            next.encoded = *numbers;
            next.dense = numbers + encoded;
            next.one_hot = indices.len() - layout.one_hot();
            next.token = indices.len();
        }
        Self { examples, dense_width, index_width, next, budget: Budget::unlimited() }
    }

    /// Sets the memory and time of the request whose rows are transformed.
    #[must_use]
    pub fn with_budget(mut self, budget: &Budget) -> Self {
        self.budget = budget.clone();
        self
    }

    /// Memory and time that the transforms may use.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The filled examples.
    pub fn finish(self) -> Examples {
        self.examples
    }

    /// Takes the next column for a scaled number of the table.
    pub fn take_number(&mut self) -> usize {
        self.next.number += 1;
        self.next.number - 1
    }

    /// Takes the next `width` columns for encodings of the table, and returns the first.
    pub fn take_encoded(&mut self, width: usize) -> usize {
        self.next.encoded += width;
        self.next.encoded - width
    }

    /// Takes the next `width` columns for values of an image or a series, and returns the first.
    pub fn take_dense(&mut self, width: usize) -> usize {
        self.next.dense += width;
        self.next.dense - width
    }

    /// Takes the next index column of the table.
    pub fn take_index(&mut self) -> usize {
        self.next.index += 1;
        self.next.index - 1
    }

    /// Takes the next index column for a one-hot category.
    pub fn take_one_hot(&mut self) -> usize {
        self.next.one_hot += 1;
        self.next.one_hot - 1
    }

    /// Takes the next `length` columns for tokens, and returns the first.
    pub fn take_tokens(&mut self, length: usize) -> usize {
        self.next.token += length;
        self.next.token - length
    }

    /// Sets a real value.
    #[allow(clippy::cast_possible_truncation)]
    pub fn set_dense(&mut self, row: usize, column: usize, value: f64) {
        self.examples.dense[row * self.dense_width + column] = value as f32;
    }

    /// Sets an index.
    pub fn set_index(&mut self, row: usize, column: usize, index: usize) {
        self.examples.indices[row * self.index_width + column] = i32::try_from(index).unwrap_or(i32::MAX);
    }
}
