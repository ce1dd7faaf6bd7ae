//! Encoded targets of many rows.

use serde::{Deserialize, Serialize};

/// What the loss compares with, for a list of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Targets {
    /// Index of the class.
    Class(Vec<i32>),
    /// Standardised number.
    Number(Vec<f32>),
    /// Standardised numbers, `width` for each row.
    Vector {
        /// Numbers of one row.
        width: usize,
        /// `[rows, width]`
        values: Vec<f32>,
    },
    /// The examples' own numbers. The labels tell anomalies; there are none where the rows have no such
    /// column.
    Own {
        /// `[rows]`, or empty.
        labels: Vec<bool>,
    },
    /// Indices of the next tokens, `length` for each row.
    Tokens {
        /// Tokens of one row.
        length: usize,
        /// `[rows, length]`
        next: Vec<i32>,
    },
}

impl Targets {
    /// Rows of each class; empty where there are no classes.
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

    /// Adds more rows of the same kind.
    pub(super) fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Class(own), Self::Class(other)) => own.extend(other),
            (Self::Number(own), Self::Number(other)) => own.extend(other),
            // A store holds no other.
            (own, other) => unreachable!("{own:?} and {other:?}"),
        }
    }

    /// The targets at `rows`, in that order.
    #[must_use]
    pub fn gather(&self, rows: &[usize]) -> Self {
        match self {
            Self::Class(values) => Self::Class(rows.iter().map(|&row| values[row]).collect()),
            Self::Number(values) => Self::Number(rows.iter().map(|&row| values[row]).collect()),
            Self::Vector { width, values } => {
                let of = |row: &usize| &values[row * width..(row + 1) * width];
                Self::Vector { width: *width, values: rows.iter().flat_map(of).copied().collect() }
            }
            Self::Own { labels } => {
                Self::Own { labels: rows.iter().filter_map(|&row| labels.get(row).copied()).collect() }
            }
            Self::Tokens { length, next } => Self::Tokens {
                length: *length,
                next: rows.iter().flat_map(|row| &next[row * length..(row + 1) * length]).copied().collect(),
            },
        }
    }
}
