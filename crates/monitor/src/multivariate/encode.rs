//! Columns as standardised numbers.

use std::collections::HashMap;

use super::features::{FeatureCategories, FeatureColumn, FeatureValues};

/// Largest number, before and after it is standardised: its square is still a number.
const FARTHEST: f64 = 1e100;

/// Number of each value of a column, standardised over the reference: a number itself, a category its share of the rows of the
/// reference. Missing values are the mean or the most frequent category, unknown categories have the share 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ColumnEncoder {
    pub name: String,
    kind: EncodedKind,
    mean: f64,
    scale: f64,
}

#[derive(Debug, Clone, PartialEq)]
enum EncodedKind {
    Number { fill: f64 },
    Category { fill: f64, shares: HashMap<String, f64> },
}

impl ColumnEncoder {
    /// `None` for a column without values.
    pub fn fit(column: &FeatureColumn) -> Option<Self> {
        let kind = match &column.values {
            FeatureValues::Numbers(values) => {
                let finite = || values.iter().copied().filter(|value| value.is_finite());
                let count = finite().count();
                EncodedKind::Number {
                    fill: mean_of(finite().map(|value| value.clamp(-FARTHEST, FARTHEST)), count)?,
                }
            }
            FeatureValues::Categories(categories) => shares(categories)?,
        };
        let mut own = Self { name: column.name.clone(), kind, mean: 0.0, scale: 1.0 };
        let values = own.encode(&column.values)?;
        (own.mean, own.scale) = standard(&values)?;
        Some(own)
    }

    /// Standardised number of each row; `None` for values of another kind.
    pub fn encode(&self, values: &FeatureValues) -> Option<Vec<f64>> {
        let scaled = |value: f64| ((value - self.mean) / self.scale).clamp(-FARTHEST, FARTHEST);
        match (&self.kind, values) {
            (EncodedKind::Number { fill }, FeatureValues::Numbers(values)) => {
                let filled =
                    |value: f64| if value.is_finite() { value.clamp(-FARTHEST, FARTHEST) } else { *fill };
                Some(values.iter().map(|value| scaled(filled(*value))).collect())
            }
            (EncodedKind::Category { fill, shares }, FeatureValues::Categories(categories)) => {
                let share = |text: &str| scaled(shares.get(text).copied().unwrap_or(0.0));
                let known: Vec<f64> = categories.texts().map(share).collect();
                Some(categories.codes().map(|code| code.map_or(scaled(*fill), |code| known[code])).collect())
            }
            _ => None,
        }
    }
}

/// Shares of the categories, those of missing values with the most frequent one, of several the first by its text.
#[allow(clippy::cast_precision_loss, reason = "counts of rows in memory")]
fn shares(categories: &FeatureCategories) -> Option<EncodedKind> {
    let texts: Vec<&str> = categories.texts().collect();
    let mut counts = vec![0_u64; texts.len()];
    let (mut missing, mut rows) = (0, 0_u64);
    for code in categories.codes() {
        rows += 1;
        match code {
            Some(code) => counts[code] += 1,
            None => missing += 1,
        }
    }
    let most = (0..texts.len()).min_by_key(|own| (std::cmp::Reverse(counts[*own]), texts[*own]))?;
    counts[most] += missing;
    let share = |count: u64| count as f64 / rows as f64;
    let shares = texts.iter().zip(&counts).map(|(text, count)| ((*text).to_owned(), share(*count)));
    Some(EncodedKind::Category { fill: share(counts[most]), shares: shares.collect() })
}

#[allow(clippy::cast_precision_loss, reason = "counts of rows in memory")]
fn mean_of(values: impl Iterator<Item = f64>, count: usize) -> Option<f64> {
    (count > 0).then(|| values.sum::<f64>() / count as f64).filter(|mean| mean.is_finite())
}

/// Mean, and standard deviation with divisor n, of a constant column 1. What counts as constant is decided as `scikit-learn`
/// does: by the rounding error of the sums.
#[allow(clippy::cast_precision_loss, reason = "counts of rows in memory")]
fn standard(values: &[f64]) -> Option<(f64, f64)> {
    let rows = values.len() as f64;
    let mean = mean_of(values.iter().copied(), values.len())?;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / rows;
    if !variance.is_finite() {
        return None;
    }
    let noise = rows * f64::EPSILON * variance + (rows * mean * f64::EPSILON).powi(2);
    let scale = if variance <= noise { 1.0 } else { variance.sqrt() };
    Some((mean, scale))
}
