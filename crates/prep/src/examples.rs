//! Transformed rows, ready to become tensors.

use cupola_spec::Block;
use serde::{Deserialize, Serialize};

/// What one example looks like to the network: its blocks, the table first if there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// In the order of their values.
    pub blocks: Vec<Block>,
}

impl Layout {
    /// Real numbers in one example.
    pub fn dense_width(&self) -> usize {
        self.blocks.iter().map(Block::dense_width).sum()
    }

    /// Indices in one example.
    pub fn index_width(&self) -> usize {
        self.blocks.iter().map(Block::index_width).sum()
    }
}

/// Examples in row-major order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Examples {
    /// What one example looks like.
    #[serde(with = "as_json")]
    pub layout: Layout,
    /// Number of examples.
    pub rows: usize,
    /// `[rows, real numbers of all blocks]`
    pub dense: Vec<f32>,
    /// `[rows, indices of all blocks]`
    pub indices: Vec<i32>,
}

impl Examples {
    /// Zeros.
    pub fn zeros(layout: Layout, rows: usize) -> Self {
        let (dense, indices) = (rows * layout.dense_width(), rows * layout.index_width());
        Self { layout, rows, dense: vec![0.0; dense], indices: vec![0; indices] }
    }

    /// Adds examples of the same layout.
    pub(crate) fn append(&mut self, other: Self) {
        if self.rows == 0 {
            *self = other;
            return;
        }
        self.rows += other.rows;
        self.dense.extend(other.dense);
        self.indices.extend(other.indices);
    }

    /// Cuts off what is padding in all texts; for layouts of one text.
    #[must_use]
    pub fn trimmed(self) -> Self {
        let [Block::Text { length, .. }] = self.layout.blocks.as_slice() else { return self };
        let length = *length;
        let longest = self.text_lengths().max().unwrap_or(1);
        let indices = self.indices.chunks(length).flat_map(|row| &row[..longest]).copied().collect();
        Self { indices, ..self }
    }

    /// Tokens of each row up to its padding, 1 at least; nothing unless a row is one text of full length.
    pub fn text_lengths(&self) -> impl Iterator<Item = usize> {
        let length = match self.layout.blocks.as_slice() {
            [Block::Text { length, .. }] => *length,
            _ => 0,
        };
        let texts = if length > 0 { self.indices.as_slice() } else { &[] };
        let last = |row: &[i32]| row.iter().rposition(|&token| token != 0).map_or(1, |place| place + 1);
        texts.chunks(length.max(1)).map(last)
    }

    /// The examples at `rows`, in that order.
    #[must_use]
    pub fn gather(&self, rows: &[usize]) -> Self {
        let (d, k) = (self.layout.dense_width(), self.layout.index_width());
        let mut out = Self {
            layout: self.layout.clone(),
            rows: rows.len(),
            dense: Vec::with_capacity(rows.len() * d),
            indices: Vec::with_capacity(rows.len() * k),
        };
        for &row in rows {
            out.dense.extend_from_slice(&self.dense[row * d..(row + 1) * d]);
            out.indices.extend_from_slice(&self.indices[row * k..(row + 1) * k]);
        }
        out
    }
}

/// A layout as a text: blocks tell their kind by a key, which a compact format cannot read back.
mod as_json {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Layout;

    pub fn serialize<S: Serializer>(layout: &Layout, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::to_string(layout).map_err(S::Error::custom)?.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Layout, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

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
