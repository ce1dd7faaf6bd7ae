//! Encoded values of one target.

use serde::{Deserialize, Serialize};

/// Encoded values of one target for many rows, as the loss compares them with the logits.
///
/// Prepared examples are saved with postcard, which writes the position of a variant: keep their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Targets {
    /// Class indices.
    Class(Vec<i32>),
    /// Standardised numbers.
    Number(Vec<f32>),
    /// Standardised vectors.
    Vector {
        /// Numbers of one row.
        width: usize,
        /// Numbers of all rows: `[rows, width]`.
        values: Vec<f32>,
    },
    /// The dense values of the examples themselves.
    Reconstruction {
        /// `true` for each row that is an anomaly: `[rows]`, or empty if that is unknown.
        anomalies: Vec<bool>,
    },
    /// Indices of the next tokens.
    Tokens {
        /// Tokens of one row.
        length: usize,
        /// Tokens of all rows: `[rows, length]`.
        next: Vec<i32>,
    },
    /// Relevance of the rows of groups.
    Relevance {
        /// Key of the group of each row: a hash of its name.
        groups: Vec<u64>,
        /// Relevance of each row, a whole number from 0 on.
        values: Vec<f32>,
    },
}

impl Targets {
    /// Number of rows of each class; empty if the target is not a class.
    pub fn classes(&self) -> Vec<usize> {
        let Self::Class(rows) = self else { return Vec::new() };
        let mut counts = Vec::new();
        for class in rows.iter().filter_map(|class| usize::try_from(*class).ok()) {
            if class >= counts.len() {
                counts.resize(class + 1, 0);
            }
            counts[class] += 1;
        }
        counts
    }

    /// Appends more rows of the same variant.
    pub(super) fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Class(own), Self::Class(other)) => own.extend(other),
            (Self::Number(own), Self::Number(other)) => own.extend(other),
            (Self::Vector { values, .. }, Self::Vector { values: other, .. }) => values.extend(other),
            (Self::Reconstruction { anomalies }, Self::Reconstruction { anomalies: other }) => {
                anomalies.extend(other);
            }
            (Self::Relevance { groups, values }, Self::Relevance { groups: other_groups, values: other }) => {
                groups.extend(other_groups);
                values.extend(other);
            }
            // A plan encodes all rows to targets of one variant, and tokens are never appended.
            (own, other) => unreachable!("{own:?} and {other:?}"),
        }
    }

    /// Copies the values at `rows`, in that order.
    #[must_use]
    pub fn gather(&self, rows: &[usize]) -> Self {
        match self {
            Self::Class(values) => Self::Class(rows.iter().map(|&row| values[row]).collect()),
            Self::Number(values) => Self::Number(rows.iter().map(|&row| values[row]).collect()),
            Self::Vector { width, values } => {
                let of = |row: &usize| &values[row * width..(row + 1) * width];
                Self::Vector { width: *width, values: rows.iter().flat_map(of).copied().collect() }
            }
            Self::Reconstruction { anomalies } => Self::Reconstruction {
                anomalies: rows.iter().filter_map(|&row| anomalies.get(row).copied()).collect(),
            },
            Self::Relevance { groups, values } => Self::Relevance {
                groups: rows.iter().map(|&row| groups[row]).collect(),
                values: rows.iter().map(|&row| values[row]).collect(),
            },
            Self::Tokens { length, next } => Self::Tokens {
                length: *length,
                next: rows.iter().flat_map(|row| &next[row * length..(row + 1) * length]).copied().collect(),
            },
        }
    }
}
