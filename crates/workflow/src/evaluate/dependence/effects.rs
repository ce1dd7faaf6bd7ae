//! Curves of one column from the predictions of changed rows.

use std::convert::Infallible;

use cupola_eval::{AleCurve, ale, partial_dependence};
use cupola_prep::{Column, Examples, FittedTarget, Frame, Plan, PredictedValue};
use cupola_report::Dependence;

use super::columns::ColumnValues;
use crate::error::Error;

/// Bins of accumulated local effects.
const BINS: usize = 20;
/// Rows of one forward pass.
const BATCH: usize = 1024;

/// Outputs of one target for rows, `[rows, width]`.
pub(super) struct TargetPredictions {
    width: usize,
    values: Vec<f64>,
}

impl TargetPredictions {
    /// One output of the rows from `start` on.
    fn output(&self, output: usize, (start, rows): (usize, usize)) -> Vec<f64> {
        (start..start + rows).map(|row| self.values[row * self.width + output]).collect()
    }
}

/// Sampled rows, and the model that predicts them.
pub(super) struct ChangedRows<'a> {
    pub plan: &'a Plan,
    pub frame: Frame,
    pub forward: &'a mut dyn FnMut(Examples) -> Result<Vec<f32>, Error>,
}

impl ChangedRows<'_> {
    /// Outputs of each target for the rows without a change.
    pub fn predictions_as_they_are(&mut self) -> Result<Vec<TargetPredictions>, Error> {
        let frame = self.frame.clone();
        self.predictions(&frame)
    }

    /// Outputs for `times` copies of all rows whose column has these values.
    fn with(&mut self, name: &str, column: Column, times: usize) -> Result<Vec<TargetPredictions>, Error> {
        let rows = self.frame.rows();
        let copies: Vec<usize> = (0..times).flat_map(|_| 0..rows).collect();
        let changed = self.frame.take(&copies).with(name, column);
        self.predictions(&changed)
    }

    fn predictions(&mut self, frame: &Frame) -> Result<Vec<TargetPredictions>, Error> {
        let examples = self.plan.apply(frame)?;
        let all: Vec<usize> = (0..examples.rows).collect();
        let mut logits = Vec::with_capacity(all.len() * self.plan.width());
        for batch in all.chunks(BATCH) {
            logits.extend((self.forward)(examples.gather(batch))?);
        }
        let width = self.plan.width().max(1);
        let mut at = 0;
        let each = self.plan.targets.iter().map(|target| {
            let own = logits.chunks_exact(width).map(|row| &row[at..at + target.width()]);
            let found = outputs_of(target, own);
            at += target.width();
            found
        });
        Ok(each.collect())
    }
}

/// Number of outputs that curves are drawn of.
fn outputs(target: &FittedTarget) -> usize {
    match target {
        FittedTarget::Category { classes, .. } if classes.len() > 2 => classes.len(),
        FittedTarget::Category { .. } | FittedTarget::Number { .. } => 1,
        _ => 0,
    }
}

/// The number, the probability of the second of two classes, or those of all classes.
fn outputs_of<'a>(target: &FittedTarget, logits: impl Iterator<Item = &'a [f32]>) -> TargetPredictions {
    let width = outputs(target);
    let of_row = |logits: &[f32]| -> Vec<f64> {
        match target {
            FittedTarget::Category { .. } => {
                let probabilities = target.probabilities(logits);
                let shown = probabilities.len().saturating_sub(width);
                probabilities[shown..].iter().map(|p| f64::from(*p)).collect()
            }
            FittedTarget::Number { .. } => match target.decode(logits, &[]).value {
                PredictedValue::Number(value) => vec![value],
                #[allow(clippy::cast_precision_loss, reason = "a prediction as a number")]
                PredictedValue::Integer(value) => vec![value as f64],
                _ => vec![f64::NAN],
            },
            _ => Vec::new(),
        }
    };
    TargetPredictions { width, values: logits.flat_map(of_row).collect() }
}

/// Curve of a column for each target; `None` for a target without one.
pub(super) fn dependence_of_column(
    rows: &mut ChangedRows<'_>,
    name: &str,
    values: &ColumnValues,
    as_they_are: &[TargetPredictions],
) -> Result<Vec<Option<Dependence>>, Error> {
    let count = rows.frame.rows();
    let points = values.points();
    let changed = rows.with(name, values.of_all_rows(count), points)?;
    let plan = rows.plan;
    let mut found = Vec::new();
    for ((target, own), before) in plan.targets.iter().zip(&changed).zip(as_they_are) {
        let Some((output, partial)) = most_changed(own, points, count) else {
            found.push(None);
            continue;
        };
        let mean = mean(&before.output(output, (0, count)));
        found.push(Some((output, curve(target, name, values, (output, count, mean), &partial))));
    }
    if let ColumnValues::Numbers { own, .. } = values {
        add_effects(rows, name, own, &mut found)?;
    }
    Ok(found.into_iter().map(|one| one.map(|(_, curve)| curve)).collect())
}

/// Partial dependence of the output whose curve has the largest range, with its index.
fn most_changed(own: &TargetPredictions, points: usize, rows: usize) -> Option<(usize, Vec<f64>)> {
    let curves = (0..own.width).map(|output| {
        let found =
            partial_dependence(points, |point| Ok::<_, Infallible>(own.output(output, (point * rows, rows))));
        let Ok(found) = found;
        (output, found.mean)
    });
    let range = |curve: &[f64]| {
        let largest = curve.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        largest - curve.iter().copied().fold(f64::INFINITY, f64::min)
    };
    let finite = curves.filter(|(_, curve)| curve.iter().all(|value| value.is_finite()));
    finite.max_by(|a, b| range(&a.1).total_cmp(&range(&b.1)).then(b.0.cmp(&a.0)))
}

#[allow(clippy::cast_precision_loss, reason = "a number of rows")]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[allow(clippy::cast_precision_loss, reason = "an index of a value")]
fn curve(
    target: &FittedTarget,
    name: &str,
    values: &ColumnValues,
    (output, rows, mean): (usize, usize, f64),
    partial: &[f64],
) -> Dependence {
    let class = match target {
        FittedTarget::Category { classes, .. } if classes.len() == 2 => classes.get(1),
        FittedTarget::Category { classes, .. } => classes.get(output),
        _ => None,
    };
    let (across, categories): (Vec<f64>, Vec<String>) = match values {
        ColumnValues::Numbers { grid, .. } => (grid.clone(), Vec::new()),
        ColumnValues::Categories(values) => {
            let names = values.iter().map(|value| value.clone().unwrap_or_else(|| "(missing)".to_owned()));
            ((0..values.len()).map(|at| at as f64).collect(), names.collect())
        }
    };
    Dependence {
        column: name.to_owned(),
        class: class.cloned(),
        rows: rows as u64,
        mean: Some(mean),
        partial: across.into_iter().zip(partial.iter().copied()).collect(),
        accumulated: Vec::new(),
        categories,
    }
}

/// Adds the accumulated local effects of a number to the curves of its outputs.
fn add_effects(
    rows: &mut ChangedRows<'_>,
    name: &str,
    own: &[f64],
    curves: &mut [Option<(usize, Dependence)>],
) -> Result<(), Error> {
    let edges = AleCurve::quantile_edges(own, BINS);
    let count = own.len();
    let mut passes: Vec<Vec<TargetPredictions>> = Vec::new();
    // The curve itself is made below, for each target from the same two passes.
    let first = ale(own, &edges, |moved| {
        passes.push(rows.with(name, Column::numbers(moved.to_vec()), 1)?);
        Ok::<_, Error>(vec![0.0; count])
    })?;
    if first.is_none() {
        return Ok(());
    }
    for (target, curve) in curves.iter_mut().enumerate() {
        let Some((output, curve)) = curve else { continue };
        let mut outputs = passes.iter().map(|pass| pass[target].output(*output, (0, count)));
        let found =
            ale(own, &edges, |_| Ok::<_, Infallible>(outputs.next().unwrap_or_else(|| vec![0.0; count])));
        let Ok(found) = found;
        if let Some(AleCurve { edges, effects, .. }) = found {
            curve.accumulated = edges.into_iter().zip(effects).collect();
        }
    }
    Ok(())
}
