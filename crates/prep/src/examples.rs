//! Transformed rows, ready to become tensors, with their encoded targets.
//!
//! A plan fills [`Examples`] through an [`ExampleBuilder`], in the compact form that a [`CompactLayout`] expands
//! to what the network sees. [`ExamplesWithTargets`] adds the targets. [`SplitExamples`] are all examples of one
//! split, in memory or in an [`ExampleStore`].

mod builder;
mod compact;
mod layout;
mod split;
mod store;
mod targets;
mod with_targets;

use cupola_spec::Block;
use serde::{Deserialize, Serialize};

use crate::frame::parallel::fill_rows;

pub(crate) use self::builder::ExampleBuilder;
pub use self::compact::CompactLayout;
pub(crate) use self::compact::EncodedColumns;
pub use self::layout::Layout;
pub use self::split::SplitExamples;
pub use self::store::ExampleStore;
pub(crate) use self::store::ExampleWriter;
pub use self::targets::Targets;
pub use self::with_targets::ExamplesWithTargets;

/// Examples in row-major order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Examples {
    /// Blocks of one example.
    #[serde(with = "layout::as_json")]
    pub layout: Layout,
    /// Number of examples.
    pub rows: usize,
    /// Real numbers of all blocks: `[rows, dense width]`.
    pub dense: Vec<f32>,
    /// Indices of all blocks: `[rows, index width]`.
    pub indices: Vec<i32>,
}

impl Examples {
    /// Creates examples of zeros.
    pub fn zeros(layout: Layout, rows: usize) -> Self {
        let (dense, indices) = (rows * layout.dense_width(), rows * layout.index_width());
        Self { layout, rows, dense: vec![0.0; dense], indices: vec![0; indices] }
    }

    /// Appends examples of the same layout.
    pub(crate) fn append(&mut self, other: Self) {
        if self.rows == 0 {
            *self = other;
            return;
        }
        self.rows += other.rows;
        self.dense.extend(other.dense);
        self.indices.extend(other.indices);
    }

    /// Cuts all texts to the longest one, without its padding. Examples that are not one text stay as they are.
    #[must_use]
    pub fn trim_padding(self) -> Self {
        let [Block::Text { length, .. }] = self.layout.blocks.as_slice() else { return self };
        let length = *length;
        let longest = self.text_lengths().max().unwrap_or(1);
        let indices = self.indices.chunks(length).flat_map(|row| &row[..longest]).copied().collect();
        Self { indices, ..self }
    }

    /// Number of tokens of each row without its padding, at least 1. Empty if an example is not one text.
    pub fn text_lengths(&self) -> impl Iterator<Item = usize> {
        let length = match self.layout.blocks.as_slice() {
            [Block::Text { length, .. }] => *length,
            _ => 0,
        };
        let texts = if length > 0 { self.indices.as_slice() } else { &[] };
        let last = |row: &[i32]| row.iter().rposition(|&token| token != 0).map_or(1, |position| position + 1);
        texts.chunks(length.max(1)).map(last)
    }

    /// Copies the examples at `rows`, in that order.
    #[must_use]
    pub fn gather(&self, rows: &[usize]) -> Self {
        let (dense_width, index_width) = (self.layout.dense_width(), self.layout.index_width());
        let mut out = Self::zeros(self.layout.clone(), rows.len());
        copy_rows(&self.dense, dense_width, rows, &mut out.dense);
        copy_rows(&self.indices, index_width, rows, &mut out.indices);
        out
    }
}

/// Copies the rows of `from` at `rows`, each of `width` values, to `to`.
fn copy_rows<T: Copy + Send + Sync>(from: &[T], width: usize, rows: &[usize], to: &mut [T]) {
    fill_rows(to, width, |start, part| {
        for (row, to) in rows[start..].iter().zip(part.chunks_exact_mut(width)) {
            to.copy_from_slice(&from[row * width..(row + 1) * width]);
        }
    });
}
