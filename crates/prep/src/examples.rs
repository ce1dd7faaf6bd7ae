//! Transformed rows, ready to become tensors.

mod builder;
mod compact;
mod labelled;
mod split;
mod store;
mod targets;

use cupola_spec::Block;
use serde::{Deserialize, Serialize};

pub(crate) use self::builder::Filling;
pub use self::compact::Recipe;
pub(crate) use self::compact::Step;
pub use self::labelled::Labelled;
pub use self::split::Rows;
pub use self::store::Store;
pub(crate) use self::store::Writer;
pub use self::targets::Targets;

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
