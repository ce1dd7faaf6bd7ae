//! Raw columns whose dependence is shown, and the values that rows get in them.

use std::collections::HashMap;

use cupola_eval::dependence_grid;
use cupola_prep::{Column, ColumnType, Frame, InputColumn, Plan, Signature};
use cupola_train::ColumnImportance;

/// Values of a number.
const POINTS: usize = 20;
/// Quantiles between which they lie.
const BETWEEN: [f64; 2] = [0.05, 0.95];
/// Values of a category: the most frequent ones.
const CATEGORIES: usize = 15;

/// Raw columns of numbers and categories, the most important first. A computed column counts for those that it is computed
/// from. Columns that do not increase the loss are left out, unless nothing is known of any.
pub(super) fn candidates(plan: &Plan, important: &[ColumnImportance]) -> Vec<InputColumn> {
    let signature = Signature::of(plan);
    let is_shown = |input: &InputColumn| matches!(input.kind, ColumnType::Number | ColumnType::Category);
    let shown: Vec<InputColumn> = signature.inputs.into_iter().filter(is_shown).collect();
    if important.is_empty() {
        return shown;
    }
    let mut ordered: Vec<InputColumn> = Vec::new();
    for one in important.iter().filter(|one| one.increase > 0.0) {
        let raw: Vec<String> = match plan.derive.needs(&one.column) {
            Some(needs) => needs.iter().map(|(name, _)| name.clone()).collect(),
            None => vec![one.column.clone()],
        };
        for name in raw {
            let input = shown.iter().find(|input| input.name == name);
            if let Some(input) = input.filter(|input| !ordered.contains(input)) {
                ordered.push(input.clone());
            }
        }
    }
    ordered
}

/// Values of one column in the rows, and those that all rows get.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ColumnValues {
    /// Values of the rows, NaN where missing, and a grid between quantiles of the whole sample.
    Numbers { own: Vec<f64>, grid: Vec<f64> },
    /// Values of the whole sample, the most frequent first; `None` for missing ones.
    Categories(Vec<Option<String>>),
}

impl ColumnValues {
    /// Values of a column of the sample, of which `rows` are in use; `None` for dates and files, and for a column with one
    /// value.
    pub fn of(sample: &Frame, input: &InputColumn, rows: &[usize]) -> Option<Self> {
        match (sample.get(&input.name)?, input.kind) {
            (Column::Number { values, time: false }, ColumnType::Number) => {
                let grid = dependence_grid(values, POINTS, BETWEEN);
                let own = rows.iter().map(|row| values[*row]).collect();
                (grid.len() > 1).then_some(Self::Numbers { own, grid })
            }
            (column @ (Column::Text(_) | Column::Number { .. }), ColumnType::Category) => {
                let mut counts: HashMap<Option<String>, usize> = HashMap::new();
                for row in 0..column.len() {
                    *counts.entry(column.text(row).map(std::borrow::Cow::into_owned)).or_default() += 1;
                }
                let mut order: Vec<(Option<String>, usize)> = counts.into_iter().collect();
                order.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
                let values: Vec<_> = order.into_iter().take(CATEGORIES).map(|(value, _)| value).collect();
                (values.len() > 1).then_some(Self::Categories(values))
            }
            _ => None,
        }
    }

    /// Number of values that all rows get.
    pub fn points(&self) -> usize {
        match self {
            Self::Numbers { grid, .. } => grid.len(),
            Self::Categories(values) => values.len(),
        }
    }

    /// Column in which `rows` rows have the first value, then as many the second, and so on.
    pub fn of_all_rows(&self, rows: usize) -> Column {
        match self {
            Self::Numbers { grid, .. } => {
                Column::numbers(grid.iter().flat_map(|value| std::iter::repeat_n(*value, rows)).collect())
            }
            Self::Categories(values) => {
                Column::texts(values.iter().flat_map(|value| std::iter::repeat_n(value.as_deref(), rows)))
            }
        }
    }
}
