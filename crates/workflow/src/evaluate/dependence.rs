//! Partial dependence and accumulated local effects of the most important raw columns.
//!
//! Rows of a sample get other values of one raw column and pass through the whole sealed plan, so that computed columns
//! and one-hot parts follow. The work is bounded by rows, values and columns; a slow model gets fewer of them.

mod columns;
mod effects;

use std::time::Instant;

use cupola_prep::{AuditRows, Examples, FittedTarget, Plan, permutation};
use cupola_report::{Dependence, Importance};
use cupola_train::ColumnImportance;

use self::columns::{ColumnValues, candidates};
use self::effects::{ChangedRows, dependence_of_column};
use crate::error::Error;

/// Rows whose predictions are averaged.
const ROWS: usize = 200;
/// Fewest rows whose mean tells something.
const FEWEST: usize = 20;
/// Columns that are shown.
const COLUMNS: usize = 8;
/// Seconds for one column; a slower model gets fewer rows.
const SLOWEST: f64 = 4.0;
/// Passes over the rows for one column: the values of a number, and both ends of the bins.
const PASSES: f64 = 22.0;

/// Importance of columns as the document has it.
pub(super) fn importance_of(found: &[ColumnImportance]) -> Vec<Importance> {
    let one = |one: &ColumnImportance| Importance {
        column: one.column.clone(),
        increase: one.increase,
        interval: one.interval.map(|[low, high]| (low, high)),
    };
    found.iter().map(one).collect()
}

/// Model, rows and limits that the curves are drawn from.
pub(super) struct DependenceRequest<'a> {
    pub plan: &'a Plan,
    pub audit: &'a AuditRows,
    /// Columns, the most important first; empty if that is unknown.
    pub important: &'a [ColumnImportance],
    pub seed: u64,
    /// Seconds after which no further column begins.
    pub seconds: f64,
}

impl DependenceRequest<'_> {
    /// Curves for each target of the plan. Those of a class show the probability of the second of two classes, or of the
    /// class that the column changes most. Empty for rows that are not examples of their own, for other targets, and for
    /// columns other than numbers and categories.
    ///
    /// # Errors
    /// Errors of `forward`, which returns logits `[rows, width]`.
    pub fn curves(
        &self,
        forward: &mut dyn FnMut(Examples) -> Result<Vec<f32>, Error>,
    ) -> Result<Vec<Vec<Dependence>>, Error> {
        let mut found: Vec<Vec<Dependence>> = self.plan.targets.iter().map(|_| Vec::new()).collect();
        let sample = &self.audit.sample.frame;
        let is_shown = |target: &FittedTarget| {
            matches!(target, FittedTarget::Category { .. } | FittedTarget::Number { .. })
        };
        let is_row = self.audit.aligned && self.plan.window().is_none();
        if !is_row || sample.rows() < FEWEST || !self.plan.targets.iter().any(is_shown) {
            return Ok(found);
        }
        let order = permutation(sample.rows(), self.seed, "dependence", 0);
        let Some(rows) = self.affordable_rows(&order, forward)? else { return Ok(found) };
        let mut chosen = order[..rows].to_vec();
        chosen.sort_unstable();
        let mut rows = ChangedRows { plan: self.plan, frame: sample.take(&chosen), forward };
        let as_they_are = rows.predictions_as_they_are()?;
        let started = Instant::now();
        let mut done = 0.0;
        for column in candidates(self.plan, self.important) {
            let Some(values) = ColumnValues::of(sample, &column, &chosen) else { continue };
            // Another column must fit into the time.
            if done > 0.0 && started.elapsed().as_secs_f64() * (done + 1.0) / done > self.seconds {
                break;
            }
            match dependence_of_column(&mut rows, &column.name, &values, &as_they_are) {
                Ok(curves) => {
                    for (all, own) in found.iter_mut().zip(curves) {
                        all.extend(own);
                    }
                    done += 1.0;
                }
                // A value of one row may be invalid in another, such as in a computed column.
                Err(Error::Prepare(_)) => {}
                Err(error) => return Err(error),
            }
            if done >= COLUMNS as f64 {
                break;
            }
        }
        Ok(found)
    }

    /// Number of rows for which there is time, from passes over a few and over all; `None` for a model that is too slow.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a number of rows, at most 200"
    )]
    fn affordable_rows(
        &self,
        order: &[usize],
        forward: &mut dyn FnMut(Examples) -> Result<Vec<f32>, Error>,
    ) -> Result<Option<usize>, Error> {
        for rows in [FEWEST, ROWS.min(order.len())] {
            let frame = self.audit.sample.frame.take(&order[..rows]);
            let mut changed = ChangedRows { plan: self.plan, frame, forward };
            if rows == FEWEST {
                // The first pass may compile kernels.
                changed.predictions_as_they_are()?;
            }
            let started = Instant::now();
            changed.predictions_as_they_are()?;
            let seconds = started.elapsed().as_secs_f64() * PASSES;
            let possible = rows as f64 * SLOWEST / seconds.max(f64::MIN_POSITIVE);
            if possible < rows as f64 {
                return Ok(Some(possible as usize).filter(|rows| *rows >= FEWEST));
            }
        }
        Ok(Some(ROWS.min(order.len())))
    }
}

#[cfg(test)]
mod tests;
