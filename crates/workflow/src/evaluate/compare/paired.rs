//! Metrics of two models with the tests of their differences.

use cupola_eval::{
    Bootstrap, ClassCounts, PairedDifference, RANKING_METRICS, RankedGroups, RowSums, delong, mcnemar,
};
use cupola_report::ComparedMetric;

use super::LEVEL;
use crate::evaluate::EvaluationOptions;
use crate::evaluate::target::{TargetOutputs, decided};

/// Classes up to which precision and recall of each are summed.
const CLASSES: usize = 100;
/// Resamples where none are asked for: a comparison without intervals says nothing.
const RESAMPLES: usize = 1000;

/// Metrics of a target of two models on the same rows. Empty for kinds of target that have no error of each row.
pub(super) fn compared(
    first: &TargetOutputs,
    second: &TargetOutputs,
    options: &EvaluationOptions,
) -> Vec<ComparedMetric> {
    let resamples = if options.resamples == 0 { RESAMPLES } else { options.resamples };
    let bootstrap = Bootstrap { resamples, seed: options.seed, ..Bootstrap::default() };
    match (first, second) {
        (
            TargetOutputs::Classes { names, targets, probabilities, threshold },
            TargetOutputs::Classes { probabilities: other, threshold: other_threshold, .. },
        ) => {
            let thresholds = [*threshold, *other_threshold];
            of_classes(&bootstrap, names.len(), targets, [probabilities, other], thresholds)
        }
        (TargetOutputs::Numbers { targets, predicted }, TargetOutputs::Numbers { predicted: other, .. }) => {
            of_numbers(&bootstrap, 1, targets, [predicted, other])
        }
        (
            TargetOutputs::Forecast { horizon, targets, predicted, .. },
            TargetOutputs::Forecast { predicted: other, .. },
        ) => of_numbers(&bootstrap, *horizon, targets, [predicted, other]),
        (TargetOutputs::Ranks { groups, grades, scores }, TargetOutputs::Ranks { scores: other, .. }) => {
            of_ranks(&bootstrap, groups, grades, [scores, other])
        }
        _ => Vec::new(),
    }
}

/// Metrics of rankings, whose groups are resampled.
fn of_ranks(
    bootstrap: &Bootstrap,
    groups: &[u64],
    grades: &[f64],
    scores: [&[f64]; 2],
) -> Vec<ComparedMetric> {
    let [Ok(first), Ok(second)] = scores.map(|own| RankedGroups::of_grades(groups, grades, own)) else {
        return Vec::new();
    };
    let metrics = RANKING_METRICS.len();
    let mut sums = RowSums::new(1 + 2 * metrics, bootstrap.seed);
    for (first, second) in first.values_by_group().zip(second.values_by_group()) {
        let row: Vec<f64> = std::iter::once(1.0).chain(first).chain(second).collect();
        sums.push(&row);
    }
    let found = RANKING_METRICS.iter().enumerate().map(|(at, name)| {
        let means =
            |sums: &[f64]| pair(|model| (sums[0] > 0.0).then(|| sums[1 + model * metrics + at] / sums[0]));
        metric(name, bootstrap.paired_of_sums(&sums, means), None)
    });
    found.collect()
}

/// Sums of one model's rows: `[hits, log loss, Brier score, hits of classes, predicted classes]`.
fn class_width(classes: usize) -> usize {
    3 + 2 * classes
}

fn of_classes(
    bootstrap: &Bootstrap,
    classes: usize,
    targets: &[usize],
    probabilities: [&[f32]; 2],
    thresholds: [Option<f64>; 2],
) -> Vec<ComparedMetric> {
    let counted = if classes <= CLASSES { classes } else { 0 };
    let width = class_width(counted);
    // Rows and actual classes are those of both models.
    let mut sums = RowSums::new(1 + counted + 2 * width, bootstrap.seed);
    let mut row = vec![0.0; 1 + counted + 2 * width];
    let mut right = [Vec::with_capacity(targets.len()), Vec::with_capacity(targets.len())];
    for (index, target) in targets.iter().enumerate() {
        row.fill(0.0);
        row[0] = 1.0;
        if counted > 0 {
            row[1 + target] = 1.0;
        }
        for (model, probabilities) in probabilities.iter().enumerate() {
            let own = &probabilities[index * classes..(index + 1) * classes];
            let predicted = decided(own, thresholds[model]);
            right[model].push(predicted == *target);
            let at = 1 + counted + model * width;
            let hit = f64::from(u8::from(predicted == *target));
            row[at] = hit;
            row[at + 1] = -f64::from(own[*target]).max(f64::from(f32::EPSILON)).ln();
            row[at + 2] = brier(own, *target);
            if counted > 0 {
                row[at + 3 + target] = hit;
                row[at + 3 + counted + predicted] = 1.0;
            }
        }
        sums.push(&row);
    }
    let mean = |at: usize| {
        move |sums: &[f64]| {
            pair(|model| (sums[0] > 0.0).then(|| sums[1 + counted + model * width + at] / sums[0]))
        }
    };
    let counts = |sums: &[f64], model: usize| {
        let at = 1 + counted + model * width + 3;
        ClassCounts {
            hits: sums[at..at + counted].to_vec(),
            predicted: sums[at + counted..at + 2 * counted].to_vec(),
            actual: sums[1..=counted].to_vec(),
        }
    };
    let mcnemar = mcnemar(&right[0], &right[1]).map(|test| (test.p_exact, "McNemar"));
    let mut found = vec![metric("accuracy", bootstrap.paired_of_sums(&sums, mean(0)), mcnemar)];
    if classes == 2 {
        found.push(roc_auc(targets, probabilities));
        found.push(metric(
            "f1",
            bootstrap.paired_of_sums(&sums, |sums| pair(|model| counts(sums, model).f_beta(1, 1.0).ok())),
            None,
        ));
    } else if counted > 0 {
        #[allow(clippy::cast_precision_loss, reason = "at most a hundred classes")]
        let f1 = |sums: &[f64], model: usize| {
            let counts = counts(sums, model);
            let each = (0..counted).map(|class| counts.f_beta(class, 1.0).unwrap_or(0.0));
            (sums[0] > 0.0).then(|| each.sum::<f64>() / counted as f64)
        };
        found.push(metric(
            "macro_f1",
            bootstrap.paired_of_sums(&sums, |sums| pair(|model| f1(sums, model))),
            None,
        ));
    }
    if counted > 0 {
        let balanced = bootstrap
            .paired_of_sums(&sums, |sums| pair(|model| counts(sums, model).balanced_accuracy().ok()));
        found.push(metric("balanced_accuracy", balanced, None));
    }
    found.push(metric("log_loss", bootstrap.paired_of_sums(&sums, mean(1)), None));
    found.push(metric("brier", bootstrap.paired_of_sums(&sums, mean(2)), None));
    found
}

/// Squared distance of the probabilities from the class, halved for two classes.
fn brier(own: &[f32], target: usize) -> f64 {
    let squared = own
        .iter()
        .enumerate()
        .map(|(class, p)| (f64::from(*p) - f64::from(u8::from(class == target))).powi(2));
    squared.sum::<f64>() / if own.len() == 2 { 2.0 } else { 1.0 }
}

fn roc_auc(targets: &[usize], probabilities: [&[f32]; 2]) -> ComparedMetric {
    let labels: Vec<bool> = targets.iter().map(|target| *target == 1).collect();
    let [first, second] =
        probabilities.map(|all| all.iter().skip(1).step_by(2).map(|p| f64::from(*p)).collect::<Vec<_>>());
    let name = "roc_auc".to_owned();
    match delong(&labels, &first, &second, LEVEL) {
        Some(test) => ComparedMetric {
            name,
            first: Some(test.first),
            second: Some(test.second),
            difference: Some(test.difference),
            interval: Some(test.interval),
            p_value: Some(test.p_value),
            test: Some("DeLong".to_owned()),
        },
        None => ComparedMetric { name, ..ComparedMetric::default() },
    }
}

/// Metrics of numbers, `[rows, horizon]`.
fn of_numbers(
    bootstrap: &Bootstrap,
    horizon: usize,
    targets: &[f64],
    predicted: [&[f64]; 2],
) -> Vec<ComparedMetric> {
    // Sums of squares of large numbers lose digits.
    let shift = targets.first().copied().unwrap_or_default();
    let mut sums = RowSums::new(7, bootstrap.seed);
    for start in (0..targets.len()).step_by(horizon) {
        let mut row = [0.0; 7];
        for at in start..start + horizon {
            let target = targets[at] - shift;
            row[0] += 1.0;
            row[1] += target;
            row[2] += target * target;
            for (model, predicted) in predicted.iter().enumerate() {
                let error = targets[at] - predicted[at];
                row[3 + 2 * model] += error.abs();
                row[4 + 2 * model] += error * error;
            }
        }
        sums.push(&row);
    }
    let mean = |sums: &[f64], at: usize| (sums[0] > 0.0).then(|| sums[at] / sums[0]);
    let rmse = |sums: &[f64]| pair(|model| mean(sums, 4 + 2 * model).map(f64::sqrt));
    let mae = |sums: &[f64]| pair(|model| mean(sums, 3 + 2 * model));
    let r2 = |sums: &[f64]| {
        let total = sums[2] - sums[1] * sums[1] / sums[0];
        pair(|model| (total > 0.0).then(|| 1.0 - sums[4 + 2 * model] / total))
    };
    vec![
        metric("rmse", bootstrap.paired_of_sums(&sums, rmse), None),
        metric("mae", bootstrap.paired_of_sums(&sums, mae), None),
        metric("r2", bootstrap.paired_of_sums(&sums, r2), None),
    ]
}

fn pair(value: impl Fn(usize) -> Option<f64>) -> (Option<f64>, Option<f64>) {
    (value(0), value(1))
}

fn metric(name: &str, found: Option<PairedDifference>, test: Option<(f64, &str)>) -> ComparedMetric {
    let name = name.to_owned();
    let Some(found) = found else { return ComparedMetric { name, ..ComparedMetric::default() } };
    let (p_value, test) = test.unwrap_or((found.p_value, "bootstrap"));
    ComparedMetric {
        name,
        first: Some(found.first),
        second: Some(found.second),
        difference: Some(found.difference.value),
        interval: Some((found.difference.low, found.difference.high)),
        p_value: Some(p_value),
        test: Some(test.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> EvaluationOptions {
        EvaluationOptions { subgroups: Vec::new(), min_support: 1, resamples: 500, seed: 1 }
    }

    fn find<'a>(found: &'a [ComparedMetric], name: &str) -> &'a ComparedMetric {
        found.iter().find(|metric| metric.name == name).unwrap()
    }

    #[test]
    fn a_better_classifier_is_better_in_all_metrics() {
        let names = vec!["no".to_owned(), "yes".to_owned()];
        let targets: Vec<usize> = (0..600).map(|row| row % 2).collect();
        // The first is right in 2 of 3 rows, the second in 9 of 10.
        let model = |wrong: usize| {
            let right = |row: usize| if row.is_multiple_of(wrong) { 1 - row % 2 } else { row % 2 };
            let rows = (0..600).flat_map(|row| if right(row) == 1 { [0.3, 0.7] } else { [0.7, 0.3] });
            TargetOutputs::Classes {
                names: names.clone(),
                targets: targets.clone(),
                probabilities: rows.collect(),
                threshold: None,
            }
        };
        let found = compared(&model(3), &model(10), &options());
        let accuracy = find(&found, "accuracy");
        assert!(
            (accuracy.first.unwrap() - 2.0 / 3.0).abs() < 1e-9
                && (accuracy.second.unwrap() - 0.9).abs() < 1e-9
        );
        assert_eq!(accuracy.test.as_deref(), Some("McNemar"));
        assert_eq!(find(&found, "roc_auc").test.as_deref(), Some("DeLong"));
        for metric in &found {
            let (low, high) = metric.interval.unwrap();
            let larger = !["log_loss", "brier"].contains(&metric.name.as_str());
            assert!(if larger { low > 0.0 } else { high < 0.0 }, "{metric:?}");
            assert!(metric.p_value.unwrap() < 0.01, "{metric:?}");
        }
    }

    #[test]
    fn a_model_is_no_better_than_itself() {
        let targets: Vec<f64> = (0..200_u32).map(f64::from).collect();
        let predicted: Vec<f64> = targets.iter().map(|target| target + (target * 9.7).sin()).collect();
        let outputs = TargetOutputs::Numbers { targets, predicted };
        let found = compared(&outputs, &outputs, &options());
        assert_eq!(found.len(), 3);
        for metric in found {
            assert_eq!(metric.difference, Some(0.0), "{metric:?}");
            assert!(metric.interval.is_none_or(|(low, high)| low <= 0.0 && high >= 0.0));
        }
        assert!(compared(&TargetOutputs::Other, &TargetOutputs::Other, &options()).is_empty());
    }
}
