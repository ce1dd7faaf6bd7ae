//! Blocks of values, of which an example consists.

use serde::{Deserialize, Serialize};

/// Values of one kind in an example, without the batch axis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Block {
    /// The columns of a table: numbers first, then 0/1 columns, then indices into embeddings.
    Table {
        /// Number of scaled numbers.
        numbers: usize,
        /// Number of encoded columns: one-hot and piecewise-linear encodings.
        encoded: usize,
        /// Number of possible values of each index column.
        indices: Vec<usize>,
    },
    /// Pixels of an image.
    Image {
        /// `[channels, height, width]`
        shape: [usize; 3],
    },
    /// Steps of a series.
    Series {
        /// Number of steps in time.
        steps: usize,
        /// Number of values at each step.
        width: usize,
    },
    /// Token indices of a text; 0 is padding.
    Text {
        /// Number of tokens.
        length: usize,
        /// Number of different tokens, padding included.
        vocabulary: usize,
    },
}

impl Block {
    /// Number of real values in one example.
    pub fn dense_width(&self) -> usize {
        match self {
            Self::Table { numbers, encoded, .. } => numbers + encoded,
            Self::Image { shape } => shape.iter().product(),
            Self::Series { steps, width } => steps * width,
            Self::Text { .. } => 0,
        }
    }

    /// Number of possible values of each index in one example.
    pub fn index_sizes(&self) -> Vec<usize> {
        match self {
            Self::Table { indices, .. } => indices.clone(),
            Self::Image { .. } | Self::Series { .. } => Vec::new(),
            Self::Text { length, vocabulary } => vec![*vocabulary; *length],
        }
    }

    /// Number of indices in one example.
    pub fn index_width(&self) -> usize {
        match self {
            Self::Table { indices, .. } => indices.len(),
            Self::Image { .. } | Self::Series { .. } => 0,
            Self::Text { length, .. } => *length,
        }
    }
}
