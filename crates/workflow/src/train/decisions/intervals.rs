//! Scores of intervals and sets, and their coverage on the test split.

use std::collections::BTreeMap;

use cupola_eval::conformal::{ConformalScores, class_score, quantile_score, split_score};
use cupola_prep::{FittedTarget, GroupScores, Prepared, SealedUncertainty, SplitPart, TargetScores, Targets};
use cupola_runtime::{class_score_of, score_quantiles};
use cupola_spec::{Uncertainty, UncertaintyMethod};
use serde_json::json;

use super::{SealedDecisions, SplitLogits, offsets};
use crate::error::Error;
use crate::evaluate::coverage::{class_indices, coverage_metrics, numbers_of, target_numbers};
use crate::train::final_model::FinalModel;

/// Most scores of one target that a package keeps.
pub(super) const MOST_SCORES: usize = 10_000;
/// Fewest scores to which a list is thinned.
pub(super) const LEAST_SCORES: usize = 500;
/// Most calibration rows.
const MOST_ROWS: usize = 200_000;

impl SealedDecisions {
    /// Seals the scores of the calibration rows, and measures the coverage on the test split.
    pub(super) fn fit_intervals(
        &mut self,
        uncertainty: &Uncertainty,
        prepared: &Prepared,
        model: &mut dyn FinalModel,
    ) -> Result<(), Error> {
        let split = SplitLogits::of(prepared, SplitPart::Calibrate, MOST_ROWS, model)?;
        let groups = spaced(&prepared.calibration_groups, split.rows());
        let has_quantiles = |target: &FittedTarget| match target {
            FittedTarget::Number { outputs, .. } => !outputs.is_value(),
            _ => false,
        };
        // The average of several models has no quantiles.
        let method = match uncertainty.method {
            UncertaintyMethod::Cqr if !self.plan.targets.iter().any(has_quantiles) => {
                UncertaintyMethod::Split
            }
            method => method,
        };
        let mut sealed = SealedUncertainty {
            method,
            coverage: uncertainty.coverage,
            by: uncertainty.by.clone(),
            penalty: uncertainty.penalty,
            free: uncertainty.free,
            targets: BTreeMap::new(),
        };
        for ((target, targets), at) in
            self.plan.targets.iter().zip(split.targets.iter()).zip(offsets(&self.plan))
        {
            let rows = scores(&sealed, target, targets, &split.of_target(at, target.width()));
            sealed.targets.insert(target.name().to_owned(), sealed_scores(&rows, &groups));
        }
        if sealed
            .targets
            .values()
            .any(|scores| scores.all.steps.iter().flatten().any(|score| !score.is_finite()))
        {
            self.warnings.push(
                "intervals are left out: predictions of calibration rows are not finite; train longer, or lower the learning rate"
                    .to_owned(),
            );
            return Ok(());
        }
        self.warnings.extend(small_groups(&sealed));
        self.plan.uncertainty = Some(sealed);
        self.measure(&Uncertainty { method, ..uncertainty.clone() }, split.rows(), prepared, model)
    }

    fn measure(
        &mut self,
        uncertainty: &Uncertainty,
        rows: usize,
        prepared: &Prepared,
        model: &mut dyn FinalModel,
    ) -> Result<(), Error> {
        let test = SplitLogits::of(prepared, SplitPart::Test, MOST_ROWS, model)?;
        if test.rows() > 0 {
            let groups = spaced(&prepared.test_groups, test.rows());
            self.coverage =
                coverage_metrics(&self.plan, uncertainty.coverage, &test.logits, &test.targets, &groups)?;
        }
        let mut about = json!({
            "method": uncertainty.method, "coverage": uncertainty.coverage, "rows": rows,
        });
        if let Some(by) = &uncertainty.by {
            about["by"] = by.as_str().into();
        }
        self.about.insert("uncertainty".to_owned(), about);
        Ok(())
    }
}

/// Scores of each row: one, or one for each step of a forecast.
fn scores(
    sealed: &SealedUncertainty,
    target: &FittedTarget,
    targets: &Targets,
    logits: &[f32],
) -> Vec<Vec<f64>> {
    let (classes, width) = (class_indices(targets), target.width().max(1));
    let of_row = |(row, logits): (usize, &[f32])| {
        if let Some(class) = classes.get(row) {
            let p: Vec<f64> = target.probabilities(logits).into_iter().map(f64::from).collect();
            vec![class_score(class_score_of(sealed), &p).get(*class).copied().unwrap_or(f64::INFINITY)]
        } else {
            let (numbers, predicted) = (target_numbers(target, targets, row), target.decode(logits, &[]));
            match (numbers.as_slice(), predicted.outputs.as_slice()) {
                // The maximum of a number and NaN is the number, which would hide it.
                ([_], [low, high]) if low.is_nan() || high.is_nan() => vec![f64::NAN],
                ([target], [low, high]) => vec![quantile_score(*target, (*low, *high))],
                _ => {
                    let each = numbers.into_iter().zip(numbers_of(&predicted.value));
                    each.map(|(target, predicted)| split_score(target, predicted)).collect()
                }
            }
        }
    };
    logits.chunks(width).enumerate().map(of_row).collect()
}

/// Scores of all rows and of each group, sorted and thinned.
fn sealed_scores(rows: &[Vec<f64>], groups: &[String]) -> TargetScores {
    let mut by_group: BTreeMap<String, Vec<&Vec<f64>>> = BTreeMap::new();
    for (group, row) in groups.iter().zip(rows) {
        by_group.entry(group.clone()).or_default().push(row);
    }
    let steps = rows.first().map_or(1, Vec::len);
    let most = (MOST_SCORES / (steps * (1 + by_group.len()))).max(LEAST_SCORES);
    let sorted = |rows: &[&Vec<f64>]| {
        let all =
            |at: usize| ConformalScores::new(rows.iter().filter_map(|row| row.get(at).copied()).collect());
        let each: Vec<ConformalScores> = (0..steps).map(all).collect();
        let largest: Option<Vec<f64>> = each
            .iter()
            .filter(|scores| scores.len() > most)
            .map(|scores| scores.sorted().last().copied().filter(|score| score.is_finite()))
            .collect();
        GroupScores {
            rows: rows.len(),
            steps: each.iter().map(|scores| scores.thinned(most).sorted().to_vec()).collect(),
            // Of predictions that are not finite no score bounds the rest.
            largest: largest.unwrap_or_default(),
        }
    };
    let all: Vec<&Vec<f64>> = rows.iter().collect();
    let groups = by_group.into_iter().map(|(group, rows)| (group, sorted(&rows))).collect();
    TargetScores { all: sorted(&all), groups }
}

/// Warning about groups with too few rows for the coverage.
fn small_groups(sealed: &SealedUncertainty) -> Option<String> {
    let scores = sealed.targets.values().next()?;
    let is_small = |own: &GroupScores| score_quantiles(own, sealed.coverage).is_err();
    let mut small = scores.groups.iter().filter(|(_, own)| is_small(own)).map(|(name, _)| name.as_str());
    let first = small.next()?;
    Some(format!(
        "{} of {} groups of `{}` have too few calibration rows for a coverage of {}, first `{first}`; their intervals are those of all rows: raise `uncertainty.share`",
        1 + small.count(),
        scores.groups.len(),
        sealed.by.as_deref().unwrap_or_default(),
        sealed.coverage
    ))
}

/// `most` evenly spaced items, as [`SplitLogits::of`] chooses rows.
fn spaced(items: &[String], most: usize) -> Vec<String> {
    let rows = items.len().min(most);
    (0..rows).map(|row| items[row * items.len() / rows].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_sorted_by_step_and_group_and_thinned() {
        let rows: Vec<Vec<f64>> = (0..30_000).map(|row| vec![f64::from(row * 7 % 30_000), 1.0]).collect();
        let groups: Vec<String> =
            (0..30_000).map(|row| if row % 3 == 0 { "a" } else { "b" }.to_owned()).collect();
        let all = sealed_scores(&rows, &[]);
        assert_eq!((all.all.rows, all.all.steps.len(), all.all.steps[0].len()), (30_000, 2, 5_000));
        assert!(all.all.steps[0].windows(2).all(|pair| pair[0] <= pair[1]));
        let grouped = sealed_scores(&rows, &groups);
        assert_eq!(grouped.groups["a"].rows, 10_000);
        assert_eq!(grouped.groups["b"].steps[0].len(), 1_666);
        let few = sealed_scores(&rows[..9], &[]);
        assert_eq!((few.all.steps[0].len(), few.all.largest.len()), (9, 0));
        assert_eq!(all.all.largest, [29_999.0, 1.0]);
    }
}
