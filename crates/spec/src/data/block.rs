//! What one example holds: blocks of values, each of one kind.

use serde::{Deserialize, Serialize};

/// Values of one kind in an example; the batch axis is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Block {
    /// The columns of a table: numbers first, then 0/1 columns, then indices into embeddings.
    Table {
        /// Scaled numbers.
        numbers: usize,
        /// Columns of encodings: one-hot, piecewise-linear.
        encoded: usize,
        /// Number of values of each index column.
        indices: Vec<usize>,
    },
    /// Pixels.
    Image {
        /// `[channels, height, width]`
        shape: [usize; 3],
    },
    /// Steps of numbers.
    Series {
        /// Steps in time.
        steps: usize,
        /// Numbers at each step.
        width: usize,
    },
    /// Indices of tokens; 0 is padding.
    Text {
        /// Tokens.
        length: usize,
        /// Number of different tokens.
        vocabulary: usize,
    },
}

impl Block {
    /// Real numbers in one example.
    pub fn dense_width(&self) -> usize {
        match self {
            Self::Table { numbers, encoded, .. } => numbers + encoded,
            Self::Image { shape } => shape.iter().product(),
            Self::Series { steps, width } => steps * width,
            Self::Text { .. } => 0,
        }
    }

    /// Number of values of each index in one example.
    pub fn index_sizes(&self) -> Vec<usize> {
        match self {
            Self::Table { indices, .. } => indices.clone(),
            Self::Image { .. } | Self::Series { .. } => Vec::new(),
            Self::Text { length, vocabulary } => vec![*vocabulary; *length],
        }
    }

    /// Indices in one example.
    pub fn index_width(&self) -> usize {
        match self {
            Self::Table { indices, .. } => indices.len(),
            Self::Image { .. } | Self::Series { .. } => 0,
            Self::Text { length, .. } => *length,
        }
    }
}
