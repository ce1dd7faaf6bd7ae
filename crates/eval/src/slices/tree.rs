use rayon::prelude::*;

use super::SliceColumn;
use super::condition::{Condition, border};

/// Borders that a column of numbers may be divided at.
const BORDERS: usize = 63;

/// Conditions on the way to a node at most, whatever depth is asked for.
const MAX_DEPTH: usize = 6;

/// Values from which the borders are computed at most.
const BORDER_ROWS: usize = 10_000;

/// Node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Conditions from the root on.
    pub conditions: Vec<Condition>,
    /// Index of the parent among the nodes; `None` below the root, which is not a node.
    pub parent: Option<usize>,
}

/// Sum of losses and number of rows.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    sum: f64,
    rows: usize,
}

impl Part {
    fn add(&mut self, loss: f64) {
        self.sum += loss;
        self.rows += 1;
    }

    fn with(self, other: Self) -> Self {
        Self { sum: self.sum + other.sum, rows: self.rows + other.rows }
    }

    fn without(self, other: Self) -> Self {
        Self { sum: self.sum - other.sum, rows: self.rows - other.rows }
    }

    /// Square of the sum per row. What the parts of a division have more of than the whole is the reduction of the squared
    /// distance from the mean.
    fn score(self) -> f64 {
        if self.rows == 0 { 0.0 } else { self.sum * self.sum / self.rows as f64 }
    }
}

/// Division of a node's rows by one column.
struct Split {
    gain: f64,
    column: usize,
    parts: Vec<Condition>,
}

/// Regression tree of losses.
pub struct Tree<'a> {
    columns: &'a [SliceColumn<'a>],
    losses: &'a [f64],
    /// Rows that a node has at least.
    support: usize,
    depth: usize,
    /// Ascending borders of each column; empty for categories.
    borders: Vec<Vec<f64>>,
    nodes: Vec<Node>,
}

impl<'a> Tree<'a> {
    /// Nodes of a tree that is grown on these rows, each of which divides its rows where that reduces the squared error
    /// of the mean loss the most.
    pub fn grow(
        columns: &'a [SliceColumn<'a>],
        losses: &'a [f64],
        rows: &[u32],
        support: usize,
        depth: usize,
    ) -> Vec<Node> {
        let borders = columns.par_iter().map(|column| borders(column, rows)).collect();
        let mut tree = Self {
            columns,
            losses,
            support: support.max(1),
            depth: depth.min(MAX_DEPTH),
            borders,
            nodes: Vec::new(),
        };
        tree.divide(rows, &[], None);
        tree.nodes
    }

    fn divide(&mut self, rows: &[u32], conditions: &[Condition], parent: Option<usize>) {
        if conditions.len() >= self.depth || rows.len() / 2 < self.support {
            return;
        }
        let splits = (0..self.columns.len()).into_par_iter().filter_map(|column| self.best(column, rows));
        // The first of equally good columns, whatever the order in which the threads finish.
        let better = |a: &Split, b: &Split| a.gain.total_cmp(&b.gain).then(b.column.cmp(&a.column));
        let Some(split) = splits.max_by(better) else { return };
        for condition in split.parts {
            let within: Vec<u32> =
                rows.iter().copied().filter(|row| condition.holds(self.columns, *row as usize)).collect();
            let conditions = [conditions, &[condition]].concat();
            let node = self.nodes.len();
            self.nodes.push(Node { conditions: conditions.clone(), parent });
            self.divide(&within, &conditions, Some(node));
        }
    }

    /// Best division by one column; `None` if none has enough rows on both sides and less error.
    fn best(&self, column: usize, rows: &[u32]) -> Option<Split> {
        let split = match self.columns[column] {
            SliceColumn::Numbers { .. } => self.best_border(column, rows),
            SliceColumn::Categories { labels, .. } => self.best_category(column, labels.len(), rows),
        }?;
        let whole: f64 = rows.iter().map(|row| self.losses[*row as usize].powi(2)).sum();
        // Less is rounding.
        (split.gain > whole * 1e-12).then_some(split)
    }

    fn best_border(&self, column: usize, rows: &[u32]) -> Option<Split> {
        let borders = &self.borders[column];
        let (mut bins, mut missing) = (vec![Part::default(); borders.len() + 1], Part::default());
        for &row in rows {
            let (value, loss) = (self.columns[column].number(row as usize), self.losses[row as usize]);
            if value.is_nan() {
                missing.add(loss);
            } else {
                bins[borders.partition_point(|border| *border < value)].add(loss);
            }
        }
        let present = bins.iter().fold(Part::default(), |sum, bin| sum.with(*bin));
        let supported = missing.rows >= self.support;
        let mut best: Option<Split> = None;
        let mut offer = |gain: f64, parts: &dyn Fn() -> Vec<Condition>| {
            if best.as_ref().is_none_or(|best| gain > best.gain) {
                best = Some(Split { gain, column, parts: parts() });
            }
        };
        // Missing values are a part of their own where they are many, and in no part where they are few.
        let mut base = 0.0;
        if supported && present.rows >= self.support {
            base = present.score() + missing.score() - present.with(missing).score();
            offer(base, &|| vec![Condition::Missing(column), Condition::Present(column)]);
        }
        let mut below = Part::default();
        for (border, bin) in borders.iter().zip(&bins) {
            below = below.with(*bin);
            let above = present.without(below);
            if below.rows >= self.support && above.rows >= self.support {
                let gain = base + below.score() + above.score() - present.score();
                offer(gain, &|| {
                    let mut parts =
                        vec![Condition::AtMost(column, *border), Condition::Above(column, *border)];
                    if supported {
                        parts.push(Condition::Missing(column));
                    }
                    parts
                });
            }
        }
        best
    }

    fn best_category(&self, column: usize, labels: usize, rows: &[u32]) -> Option<Split> {
        // The last part is that of missing values.
        let mut parts = vec![Part::default(); labels + 1];
        let mut whole = Part::default();
        for &row in rows {
            let loss = self.losses[row as usize];
            let code = self.columns[column].category(row as usize).map_or(labels, |code| code as usize);
            parts[code].add(loss);
            whole.add(loss);
        }
        let mut best: Option<(f64, usize)> = None;
        for (code, part) in parts.iter().enumerate() {
            let rest = whole.without(*part);
            let gain = part.score() + rest.score() - whole.score();
            let supported = part.rows >= self.support && rest.rows >= self.support;
            if supported && best.is_none_or(|best| gain > best.0) {
                best = Some((gain, code));
            }
        }
        let (gain, code) = best?;
        let condition = |code: usize| match u32::try_from(code) {
            Ok(code) if (code as usize) < labels => Condition::Is(column, code),
            _ => Condition::Missing(column),
        };
        // A single other value is named.
        let mut others = (0..=labels).filter(|other| *other != code && parts[*other].rows > 0);
        let rest = match (others.next(), others.next(), condition(code)) {
            (Some(other), None, _) => condition(other),
            (_, _, Condition::Is(column, code)) => Condition::IsNot(column, code),
            _ => Condition::Present(column),
        };
        Some(Split { gain, column, parts: vec![condition(code), rest] })
    }
}

/// Borders at evenly spaced quantiles of a column of numbers, each between two of its values.
fn borders(column: &SliceColumn<'_>, rows: &[u32]) -> Vec<f64> {
    let numbers = rows.iter().take(BORDER_ROWS).map(|row| column.number(*row as usize));
    let mut sorted: Vec<f64> = numbers.filter(|value| value.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut borders = Vec::new();
    for quantile in 1..=BORDERS {
        let Some(low) = sorted.get(sorted.len() * quantile / (BORDERS + 1)) else { break };
        if let Some(high) = sorted.get(sorted.partition_point(|value| value <= low)) {
            borders.push(border(*low, *high));
        }
    }
    borders.dedup();
    borders
}
