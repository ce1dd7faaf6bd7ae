//! Columns that are watched, with the bins and categories of their sketches.

use std::collections::HashMap;

use super::bins::with_own_bins;
use super::text::TextBins;
use crate::drift::DriftMethod;
use crate::profile::{ColumnRole, ReferenceColumn, ReferenceValues};

/// Kind of a column's sketch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SketchKind {
    /// Numbers; dates are seconds since 1970.
    Number,
    /// Values of a limited set.
    Category,
    /// Free texts.
    Text,
}

/// Statistic and threshold of one column. `None` for the default ones.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SketchRule {
    /// Statistic.
    pub method: Option<DriftMethod>,
    /// Threshold; without a statistic that of the population stability index.
    pub threshold: Option<f64>,
}

/// Watched column of a model version.
#[derive(Debug, Clone)]
pub struct SketchColumn {
    /// Name of the column, of predictions that of the target.
    pub name: String,
    /// Use of the column.
    pub role: ColumnRole,
    /// Class of a probability; `None` for other roles.
    pub class: Option<String>,
    /// Distribution in the training; `None` if the package has none, so that there is no drift.
    pub reference: Option<ReferenceColumn>,
    /// Statistic and threshold of its verdict.
    pub rule: SketchRule,
    pub(super) bins: ColumnBins,
}

#[derive(Debug, Clone)]
pub(super) enum ColumnBins {
    Number(Vec<f64>),
    Category { values: Vec<String>, places: HashMap<String, usize> },
    Text(Box<TextBins>),
}

impl SketchColumn {
    /// Column with a reference, which decides its kind. Repeated numbers get bins of their own.
    pub fn with_reference(reference: &ReferenceColumn) -> Self {
        let reference = ReferenceColumn { values: with_own_bins(&reference.values), ..reference.clone() };
        let bins = match &reference.values {
            ReferenceValues::Number(number) => ColumnBins::Number(number.edges.clone()),
            ReferenceValues::Category(category) => {
                ColumnBins::categories(category.values.iter().map(|(value, _)| value.clone()))
            }
            ReferenceValues::Text(text) => ColumnBins::Text(Box::new(TextBins::of(text))),
        };
        Self {
            name: reference.name.clone(),
            role: reference.role,
            class: reference.class.clone(),
            reference: Some(reference),
            rule: SketchRule::default(),
            bins,
        }
    }

    /// Column without a reference, which has no drift. `values` are the known categories.
    pub fn without_reference(name: &str, role: ColumnRole, kind: SketchKind, values: &[String]) -> Self {
        let bins = match kind {
            SketchKind::Number => ColumnBins::Number(Vec::new()),
            SketchKind::Category => ColumnBins::categories(values.iter().cloned()),
            SketchKind::Text => ColumnBins::Text(Box::default()),
        };
        let (name, rule) = (name.to_owned(), SketchRule::default());
        Self { name, role, class: None, reference: None, rule, bins }
    }

    /// Kind of the column's sketch.
    pub fn kind(&self) -> SketchKind {
        match &self.bins {
            ColumnBins::Number(_) => SketchKind::Number,
            ColumnBins::Category { .. } => SketchKind::Category,
            ColumnBins::Text(_) => SketchKind::Text,
        }
    }

    /// Borders of the bins of numbers; empty for other kinds.
    pub fn edges(&self) -> &[f64] {
        match &self.bins {
            ColumnBins::Number(edges) => edges,
            _ => &[],
        }
    }

    /// Values of a category in the order of its counts; empty for other kinds.
    pub fn values(&self) -> &[String] {
        match &self.bins {
            ColumnBins::Category { values, .. } => values,
            _ => &[],
        }
    }

    /// `true` for columns that count in the share of drifted ones: probabilities move with the prediction.
    pub fn counts(&self) -> bool {
        self.role != ColumnRole::Probability
    }

    /// Name of the column in texts: that of a probability has its class.
    pub fn label(&self) -> String {
        match &self.class {
            Some(class) => format!("{}={class}", self.name),
            None => self.name.clone(),
        }
    }
}

impl ColumnBins {
    fn categories(values: impl Iterator<Item = String>) -> Self {
        let values: Vec<String> = values.collect();
        let places = values.iter().enumerate().map(|(place, value)| (value.clone(), place)).collect();
        Self::Category { values, places }
    }
}

/// All watched columns of a model version. Sketches are only comparable within one layout.
#[derive(Debug, Clone, Default)]
pub struct SketchLayout {
    /// Columns in the order of the sketches.
    pub columns: Vec<SketchColumn>,
    /// `true` to keep a few unseen values of categories by name.
    pub shows_values: bool,
    digest: u64,
}

impl SketchLayout {
    /// Layout of these columns.
    pub fn new(columns: Vec<SketchColumn>, shows_values: bool) -> Self {
        let digest = digest(&columns);
        Self { columns, shows_values, digest }
    }

    /// Hash of columns, bins and categories, by which servers know that their sketches merge.
    pub fn digest(&self) -> String {
        format!("{:016x}", self.digest)
    }

    /// `true` if any column has a reference.
    pub fn has_reference(&self) -> bool {
        self.columns.iter().any(|column| column.reference.is_some())
    }
}

/// FNV-1a (RFC 9923) of everything that decides which values are counted where.
fn digest(columns: &[SketchColumn]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        let length = (bytes.len() as u64).to_le_bytes();
        for byte in length.iter().chain(bytes) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for column in columns {
        add(column.name.as_bytes());
        add(format!("{:?}", column.role).as_bytes());
        add(column.class.as_deref().unwrap_or_default().as_bytes());
        match &column.bins {
            ColumnBins::Number(edges) => edges.iter().for_each(|edge| add(&edge.to_le_bytes())),
            ColumnBins::Category { values, .. } => values.iter().for_each(|value| add(value.as_bytes())),
            ColumnBins::Text(bins) => {
                bins.length.iter().chain(&bins.known).for_each(|edge| add(&edge.to_le_bytes()));
                add(&(bins.words.len() as u64).to_le_bytes());
            }
        }
    }
    hash
}
