//! Intervals of CV+: residuals of the rows that the model of each fold has not seen.

use std::collections::BTreeMap;

use cupola_eval::conformal::{ConformalScores, possible_coverage, split_score};
use cupola_prep::{FittedTarget, GroupScores, NumberOutputs, Plan, SealedUncertainty, TargetScores};
use cupola_spec::Uncertainty;
use cupola_train::SplitOutputs;
use serde_json::{Value, json};

use super::intervals::{LEAST_SCORES, MOST_SCORES};
use super::offsets;
use crate::evaluate::coverage::{numbers_of, target_numbers};

/// Predictions of rows by the models that have not seen them.
pub(crate) struct UnseenRows<'a> {
    /// Logits `[rows, width]` of the plan, and the targets.
    pub outputs: &'a SplitOutputs,
    /// Indices of the rows of each model's fold. A model of another division into folds has none: each row counts once.
    pub folds: Vec<&'a [usize]>,
    /// Value of `uncertainty.by` of each row; empty without it.
    pub groups: &'a [String],
}

/// Plan with intervals of CV+.
pub(crate) struct FoldIntervals {
    /// Plan whose numbers are predicted by each model.
    pub plan: Plan,
    /// Entry of `metrics.json`.
    pub about: Value,
    /// Reason why a request for the coverage of the config has no interval.
    pub warning: Option<String>,
}

/// Seals the residuals in the plan of the averaged models. The reason why there are no intervals if predictions are not
/// finite.
pub(crate) fn seal_fold_intervals(
    plan: &Plan,
    uncertainty: &Uncertainty,
    rows: &UnseenRows<'_>,
) -> Result<FoldIntervals, String> {
    let mut sealed = SealedUncertainty {
        method: uncertainty.method,
        coverage: uncertainty.coverage,
        by: uncertainty.by.clone(),
        penalty: uncertainty.penalty,
        free: uncertainty.free,
        targets: BTreeMap::new(),
    };
    for index in 0..plan.targets.iter().count() {
        let Some((name, residuals)) = residuals(plan, index, rows.outputs) else { continue };
        if rows.folds.iter().copied().flatten().any(|row| !residuals[*row].is_finite()) {
            return Err(format!(
                "intervals are left out: predictions of `{name}` are not finite; train longer, or lower the learning rate"
            ));
        }
        sealed.targets.insert(name.to_owned(), target_scores(&residuals, rows));
    }
    let count: usize = rows.folds.iter().map(|own| own.len()).sum();
    let largest = possible_coverage(count);
    let warning = (uncertainty.coverage > largest).then(|| {
        format!("{count} rows allow intervals of a coverage up to {largest:.3}; lower `uncertainty.coverage`")
    });
    let mut about = json!({
        "method": uncertainty.method, "coverage": uncertainty.coverage, "rows": count,
    });
    if let Some(by) = &uncertainty.by {
        about["by"] = by.as_str().into();
    }
    let mut plan = plan.clone();
    for target in &mut plan.targets {
        if let FittedTarget::Number { outputs, .. } = target {
            *outputs = NumberOutputs::Folds(rows.folds.len());
        }
    }
    plan.uncertainty = Some(sealed);
    Ok(FoldIntervals { plan, about, warning })
}

/// Name of a number and the residual of each row; `None` for another target.
fn residuals<'a>(plan: &'a Plan, index: usize, outputs: &SplitOutputs) -> Option<(&'a str, Vec<f64>)> {
    let target = plan.targets.iter().nth(index)?;
    let targets = outputs.examples.targets.iter().nth(index)?;
    let at = *offsets(plan).get(index)?;
    if !matches!(target, FittedTarget::Number { .. }) {
        return None;
    }
    let logits = outputs.logits.chunks_exact(plan.width().max(1));
    let of_row = |(row, logits): (usize, &[f32])| {
        let predicted = numbers_of(&target.decode(&logits[at..at + target.width()], &[]).value);
        let each = target_numbers(target, targets, row).into_iter().zip(predicted);
        each.map(|(target, predicted)| split_score(target, predicted)).next().unwrap_or(f64::NAN)
    };
    Some((target.name(), logits.enumerate().map(of_row).collect()))
}

/// Residuals of all rows and of those of each group, by fold.
fn target_scores(residuals: &[f64], rows: &UnseenRows<'_>) -> TargetScores {
    let mut names: Vec<&String> =
        rows.folds.iter().copied().flatten().filter_map(|row| rows.groups.get(*row)).collect();
    names.sort_unstable();
    names.dedup();
    let most = (MOST_SCORES / (rows.folds.len().max(1) * (1 + names.len()))).max(LEAST_SCORES);
    let scores = |group: Option<&String>| {
        let is_own = |row: &&usize| group.is_none_or(|group| rows.groups.get(**row) == Some(group));
        let each: Vec<ConformalScores> = rows
            .folds
            .iter()
            .map(|fold| ConformalScores::new(fold.iter().filter(is_own).map(|row| residuals[*row]).collect()))
            .collect();
        GroupScores {
            rows: each.iter().map(ConformalScores::len).sum(),
            steps: each.iter().map(|scores| scores.thinned(most).sorted().to_vec()).collect(),
            largest: Vec::new(),
        }
    };
    let groups = names.iter().map(|name| ((*name).clone(), scores(Some(name)))).collect();
    TargetScores { all: scores(None), groups }
}

#[cfg(test)]
mod tests {
    use cupola_eval::conformal::{CrossFold, cross_interval};
    use cupola_prep::{Column, Frame, PredictedValue, SplitPart, Targets, prepare};
    use cupola_runtime::add_intervals;

    use super::*;

    /// Rows of two shops, each predicted 3 too high or too low in units of the standardised target.
    #[test]
    fn residuals_of_each_fold_bound_the_predictions_of_its_model() {
        let text = "name='t'\nseed=1\n[data]\nsource='none'\n[model]\nfamily='mlp'\nhidden=[3]\n[split]\nvalid=0.1\ntest=0.5\n[uncertainty]\nmethod='cv_plus'\nby='shop'\n[[inputs]]\nname='shop'\nkind='category'\n[[targets]]\nname='y'\nkind='number'";
        let run = cupola_spec::parse("t", text, &[], &|_| Err(String::new())).unwrap();
        let frame = Frame::default()
            .with("shop", Column::texts((0..200).map(|row| Some(["a", "b"][row % 2]))))
            .with("y", Column::numbers((0..200).map(|row| f64::from(row * 37 % 101)).collect()));
        let prepared = prepare(&run, &frame, None, None).unwrap();
        assert_eq!(prepared.rows(SplitPart::Calibrate), 0, "no rows are set aside");
        let examples = prepared.part(SplitPart::Test).memory().unwrap();
        let rows = examples.examples.rows;
        let FittedTarget::Number { factor, .. } = prepared.plan.targets.first() else { unreachable!() };
        let Targets::Number(targets) = examples.targets.first() else { unreachable!() };
        #[allow(clippy::cast_possible_truncation)]
        let off = |row: usize| ((row % 7) as f64 - 3.0) * factor;
        #[allow(clippy::cast_possible_truncation)]
        let logits = targets.iter().enumerate().map(|(row, y)| y + off(row) as f32).collect();
        let outputs = SplitOutputs { logits, examples };
        let folds: Vec<Vec<usize>> = (0..3).map(|fold| (fold..rows).step_by(3).collect()).collect();
        let unseen = UnseenRows {
            outputs: &outputs,
            folds: folds.iter().map(Vec::as_slice).chain([[].as_slice()]).collect(),
            groups: &prepared.test_groups,
        };
        let uncertainty = run.uncertainty.as_ref().unwrap();
        let sealed = seal_fold_intervals(&prepared.plan, uncertainty, &unseen).unwrap();
        sealed.plan.check().unwrap();
        assert_eq!((sealed.plan.width(), sealed.warning.as_deref()), (4, None));
        assert_eq!(sealed.about["rows"], rows);
        let again: Plan = serde_json::from_value(serde_json::to_value(&sealed.plan).unwrap()).unwrap();
        let mut found = [again.decode(&[0.1, 0.2, 0.3, 0.4], &[])];
        add_intervals(&again, 0.8, &["b".to_owned()], &mut found).unwrap();
        let prediction = &found[0]["y"];
        // The same by the residuals as they are.
        let of_fold = |fold: &Vec<usize>| {
            let own = fold.iter().filter(|row| prepared.test_groups[**row] == "b");
            own.map(|row| (off(*row) / factor).abs()).collect::<Vec<f64>>()
        };
        let residuals: Vec<Vec<f64>> = folds.iter().map(of_fold).collect();
        let each = residuals.iter().zip(&prediction.outputs);
        let each: Vec<CrossFold<'_>> =
            each.map(|(residuals, predicted)| CrossFold { residuals, predicted: *predicted }).collect();
        let (low, high) = cross_interval(&each, 0.8).unwrap();
        let interval = prediction.interval.as_ref().unwrap();
        let (PredictedValue::Number(own_low), PredictedValue::Number(own_high)) =
            (&interval.low, &interval.high)
        else {
            unreachable!()
        };
        assert!((low - own_low).abs() < 1e-4 && (high - own_high).abs() < 1e-4, "{interval:?} {low} {high}");
        let error = add_intervals(&again, 0.999, &[], &mut found).unwrap_err().to_string();
        assert!(error.contains("ask for at most 0.9"), "{error}");
    }
}
