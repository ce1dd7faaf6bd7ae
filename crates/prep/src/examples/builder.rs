//! Examples while a plan fills them.

use cupola_spec::Block;

use super::{Examples, Layout};

/// Examples while a plan fills them: each transform takes the next columns of its kind.
pub(crate) struct Filling {
    pub examples: Examples,
    dense_width: usize,
    index_width: usize,
    next: Next,
}

/// First columns that are still free.
struct Next {
    number: usize,
    encoded: usize,
    dense: usize,
    index: usize,
    hot: usize,
    token: usize,
}

impl Filling {
    /// For the layout that examples are kept in, whose table has `hot` one-hot categories.
    pub fn new(layout: Layout, hot: usize, rows: usize) -> Self {
        let (dense_width, index_width) = (layout.dense_width(), layout.index_width());
        let mut next = Next { number: 0, encoded: 0, dense: 0, index: 0, hot: 0, token: 0 };
        if let Some(Block::Table { numbers, encoded, indices }) = layout.blocks.first() {
            let hot = indices.len() - hot;
            next = Next { encoded: *numbers, dense: numbers + encoded, hot, token: indices.len(), ..next };
        }
        Self { examples: Examples::zeros(layout, rows), dense_width, index_width, next }
    }

    /// Column of the next scaled number of the table.
    pub fn take_number(&mut self) -> usize {
        self.next.number += 1;
        self.next.number - 1
    }

    /// First of the next `width` columns of encodings of the table.
    pub fn take_encoded(&mut self, width: usize) -> usize {
        self.next.encoded += width;
        self.next.encoded - width
    }

    /// First of the next `width` values of an image or a series.
    pub fn take_dense(&mut self, width: usize) -> usize {
        self.next.dense += width;
        self.next.dense - width
    }

    /// The next index column of the table.
    pub fn take_index(&mut self) -> usize {
        self.next.index += 1;
        self.next.index - 1
    }

    /// Index column of the next one-hot category.
    pub fn take_hot(&mut self) -> usize {
        self.next.hot += 1;
        self.next.hot - 1
    }

    /// First of the next `length` tokens.
    pub fn take_tokens(&mut self, length: usize) -> usize {
        self.next.token += length;
        self.next.token - length
    }

    #[allow(clippy::cast_possible_truncation)]
    pub fn set_dense(&mut self, row: usize, at: usize, value: f64) {
        self.examples.dense[row * self.dense_width + at] = value as f32;
    }

    pub fn set_index(&mut self, row: usize, at: usize, index: usize) {
        self.examples.indices[row * self.index_width + at] = i32::try_from(index).unwrap_or(i32::MAX);
    }
}
