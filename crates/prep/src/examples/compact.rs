//! Compact examples: a one-hot category is stored as its index until a batch is gathered.

use cupola_spec::Block;

use super::{Examples, Layout};

/// Mapping from compact examples to the examples that the network sees.
#[derive(Debug, Clone, PartialEq)]
pub struct CompactLayout {
    /// Layout that the network sees.
    pub layout: Layout,
    /// Layout that is stored.
    pub compact: Layout,
    numbers: usize,
    encoded: Vec<EncodedColumns>,
    /// Index columns that belong to no one-hot category.
    indices: usize,
    one_hot: usize,
}

/// Consecutive encoded columns of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EncodedColumns {
    /// This many real numbers, stored as they are.
    Copy(usize),
    /// One-hot category of this many values, stored as an index.
    OneHot(usize),
}

impl EncodedColumns {
    /// Number of columns that the network sees.
    pub fn width(self) -> usize {
        match self {
            Self::Copy(width) | Self::OneHot(width) => width,
        }
    }
}

impl CompactLayout {
    /// Creates the mapping for a layout whose table has these encoded columns.
    pub(crate) fn new(layout: Layout, encoded: Vec<EncodedColumns>) -> Self {
        let mut compact = layout.clone();
        let (mut numbers, mut indices) = (0, 0);
        let one_hot = encoded.iter().filter(|columns| matches!(columns, EncodedColumns::OneHot(_)));
        let sizes: Vec<usize> = one_hot.map(|columns| columns.width()).collect();
        if let Some(Block::Table { numbers: n, encoded, indices: i }) = compact.blocks.first_mut() {
            (numbers, indices) = (*n, i.len());
            *encoded -= sizes.iter().sum::<usize>();
            i.extend(&sizes);
        }
        Self { layout, compact, numbers, encoded, indices, one_hot: sizes.len() }
    }

    /// Mapping that stores examples as the network sees them.
    pub fn identity(layout: Layout) -> Self {
        let encoded = match layout.blocks.first() {
            Some(Block::Table { encoded, .. }) => *encoded,
            _ => 0,
        };
        Self::new(layout, vec![EncodedColumns::Copy(encoded)])
    }

    /// Number of one-hot categories stored as indices.
    pub(crate) fn one_hot(&self) -> usize {
        self.one_hot
    }

    /// Expands compact examples to what the network sees.
    pub fn expand(&self, compact: Examples) -> Examples {
        if self.one_hot == 0 {
            return Examples { layout: self.layout.clone(), ..compact };
        }
        let mut out = Examples::zeros(self.layout.clone(), compact.rows);
        let (dense_width, index_width) = (self.layout.dense_width(), self.layout.index_width());
        let (compact_dense, compact_index) = (self.compact.dense_width(), self.compact.index_width());
        for row in 0..compact.rows {
            let dense = &compact.dense[row * compact_dense..(row + 1) * compact_dense];
            let indices = &compact.indices[row * compact_index..(row + 1) * compact_index];
            self.expand_dense(dense, indices, &mut out.dense[row * dense_width..(row + 1) * dense_width]);
            // One-hot indices lie between those of the table and the tokens of texts.
            let (table, tokens) = (self.indices, self.indices + self.one_hot);
            let to = &mut out.indices[row * index_width..(row + 1) * index_width];
            to[..table].copy_from_slice(&indices[..table]);
            to[table..].copy_from_slice(&indices[tokens..]);
        }
        out
    }

    /// Expands the real values of one row. `to` is zero.
    fn expand_dense(&self, from: &[f32], indices: &[i32], to: &mut [f32]) {
        to[..self.numbers].copy_from_slice(&from[..self.numbers]);
        let (mut write, mut read, mut index) = (self.numbers, self.numbers, self.indices);
        for columns in &self.encoded {
            match *columns {
                EncodedColumns::Copy(width) => {
                    to[write..write + width].copy_from_slice(&from[read..read + width]);
                    (write, read) = (write + width, read + width);
                }
                EncodedColumns::OneHot(size) => {
                    if let Ok(code) = usize::try_from(indices[index]) {
                        to[write + code.min(size - 1)] = 1.0;
                    }
                    (write, index) = (write + size, index + 1);
                }
            }
        }
        to[write..].copy_from_slice(&from[read..]);
    }
}
