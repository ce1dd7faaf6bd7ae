//! Conditions on raw columns under which errors are larger.

use std::collections::HashMap;

use cupola_eval::{SliceColumn, SliceOptions, error_slices};
use cupola_prep::{AuditRows, Column, FittedTarget, Plan};
use cupola_report::ErrorSlice;

/// Columns that are searched.
const COLUMNS: usize = 200;
/// Different values of a text up to which it is a category.
const CATEGORIES: usize = 100;

/// The worst slices among the sampled rows; empty where rows are not examples or have no loss of their own.
pub(super) fn slices(plan: &Plan, losses: &[f64], audit: &AuditRows, seed: u64) -> Vec<ErrorSlice> {
    let sample = &audit.sample;
    if !audit.aligned || losses.is_empty() || sample.positions.is_empty() {
        return Vec::new();
    }
    let losses: Option<Vec<f64>> = sample.positions.iter().map(|row| losses.get(*row).copied()).collect();
    let Some(losses) = losses else { return Vec::new() };
    let columns: Vec<SearchedColumn> = sample
        .frame
        .names()
        .filter(|name| !plan.targets.iter().any(|target: &FittedTarget| target.column() == Some(*name)))
        .filter_map(|name| SearchedColumn::of(name, sample.frame.get(name)?))
        .take(COLUMNS)
        .collect();
    let columns: Vec<SliceColumn<'_>> = columns.iter().map(SearchedColumn::borrowed).collect();
    let found = error_slices(&columns, &losses, &SliceOptions { seed, ..SliceOptions::default() });
    let slice = |found: cupola_eval::LossSlice| ErrorSlice {
        condition: found.condition,
        rows: found.rows,
        error: found.error,
        overall: found.overall,
        interval: found.interval,
    };
    found.into_iter().map(slice).collect()
}

/// Column of a sample in the form that the search takes.
enum SearchedColumn {
    Numbers { name: String, values: Vec<f64> },
    Categories { name: String, labels: Vec<String>, codes: Vec<Option<u32>> },
}

impl SearchedColumn {
    /// `None` for files and for texts of many different values.
    fn of(name: &str, column: &Column) -> Option<Self> {
        let name = name.to_owned();
        if let Column::Number { values, time: false } = column {
            return Some(Self::Numbers { name, values: values.to_vec() });
        }
        if matches!(column, Column::Bytes(_)) {
            return None;
        }
        let (mut labels, mut index) = (Vec::new(), HashMap::new());
        let mut codes = Vec::with_capacity(column.len());
        for row in 0..column.len() {
            let Some(text) = column.text(row) else {
                codes.push(None);
                continue;
            };
            let next = u32::try_from(labels.len()).ok()?;
            let code = *index.entry(text.into_owned()).or_insert_with_key(|text| {
                labels.push(text.clone());
                next
            });
            if labels.len() > CATEGORIES {
                return None;
            }
            codes.push(Some(code));
        }
        Some(Self::Categories { name, labels, codes })
    }

    fn borrowed(&self) -> SliceColumn<'_> {
        match self {
            Self::Numbers { name, values } => SliceColumn::Numbers { name, values },
            Self::Categories { name, labels, codes } => SliceColumn::Categories { name, labels, codes },
        }
    }
}
