//! Intervals of metrics that are functions of sums over the rows.

use cupola_eval::{Bootstrap, ClassCounts, RANKING_METRICS, RankedGroups, RowSums};

use super::super::outputs::likeliest;
use super::{Bounds, named};

/// Classes up to which precision and recall of each are summed.
const CLASSES: usize = 200;

/// Names of the metrics of [`class_values`].
const CLASS_NAMES: [&str; 12] = [
    "accuracy",
    "log_loss",
    "brier",
    "balanced_accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "mcc",
    "kappa",
    "precision",
    "recall",
    "f1",
];

/// Intervals of a classifier. With more than 200 classes only accuracy, log loss and Brier score.
pub(super) fn of_classes(
    bootstrap: &Bootstrap,
    classes: usize,
    targets: &[usize],
    probabilities: &[f32],
) -> Bounds {
    let counted = if classes <= CLASSES { classes } else { 0 };
    let mut sums = RowSums::new(4 + 3 * counted, bootstrap.seed);
    let mut row = vec![0.0; 4 + 3 * counted];
    for (target, own) in targets.iter().zip(probabilities.chunks_exact(classes.max(1))) {
        row.fill(0.0);
        let predicted = likeliest(own);
        let squared: f64 = own
            .iter()
            .enumerate()
            .map(|(class, p)| (f64::from(*p) - f64::from(u8::from(class == *target))).powi(2))
            .sum();
        row[0] = 1.0;
        row[1] = f64::from(u8::from(predicted == *target));
        row[2] = -f64::from(own[*target]).max(f64::from(f32::EPSILON)).ln();
        row[3] = if classes == 2 { squared / 2.0 } else { squared };
        if counted > 0 {
            row[4 + *target] = row[1];
            row[4 + counted + predicted] = 1.0;
            row[4 + 2 * counted + *target] = 1.0;
        }
        sums.push(&row);
    }
    let found = bootstrap.intervals_of_sums(&sums, |sums| class_values(sums, counted));
    named(&CLASS_NAMES, found)
}

fn class_values(sums: &[f64], classes: usize) -> Vec<Option<f64>> {
    let mean = |at: usize| (sums[0] > 0.0).then(|| sums[at] / sums[0]);
    let mut values = vec![mean(1), mean(2), mean(3)];
    if classes == 0 {
        values.resize(CLASS_NAMES.len(), None);
        return values;
    }
    let part = |index: usize| sums[4 + index * classes..4 + (index + 1) * classes].to_vec();
    let counts = ClassCounts { hits: part(0), predicted: part(1), actual: part(2) };
    let each = |metric: &dyn Fn(usize) -> f64| -> Option<f64> {
        #[allow(clippy::cast_precision_loss, reason = "a few classes")]
        let mean = (0..classes).map(metric).sum::<f64>() / classes as f64;
        Some(mean)
    };
    values.extend([
        counts.balanced_accuracy().ok(),
        each(&|class| counts.precision(class).unwrap_or(0.0)),
        each(&|class| counts.recall(class).unwrap_or(0.0)),
        each(&|class| counts.f_beta(class, 1.0).unwrap_or(0.0)),
        counts.mcc().ok(),
        counts.kappa().ok(),
    ]);
    if classes == 2 {
        values.extend([counts.precision(1).ok(), counts.recall(1).ok(), counts.f_beta(1, 1.0).ok()]);
    } else {
        values.extend([None, None, None]);
    }
    values
}

/// Intervals of a ranking. Groups are resampled, since the rows of one share its query.
pub(super) fn of_ranks(bootstrap: &Bootstrap, groups: &[u64], grades: &[f64], scores: &[f64]) -> Bounds {
    let Ok(ranked) = RankedGroups::of_grades(groups, grades, scores) else { return Bounds::new() };
    let mut sums = RowSums::new(1 + RANKING_METRICS.len(), bootstrap.seed);
    for values in ranked.values_by_group() {
        sums.push(&[1.0, values[0], values[1], values[2], values[3], values[4]]);
    }
    let means = |sums: &[f64]| -> Vec<Option<f64>> {
        sums[1..].iter().map(|sum| (sums[0] > 0.0).then(|| sum / sums[0])).collect()
    };
    named(&RANKING_METRICS, bootstrap.intervals_of_sums(&sums, means))
}

/// Intervals of a regression.
pub(super) fn of_numbers(bootstrap: &Bootstrap, targets: &[f64], predicted: &[f64]) -> Bounds {
    // Sums of squares of large numbers lose digits.
    let shift = targets.first().copied().unwrap_or_default();
    let mut sums = RowSums::new(6, bootstrap.seed);
    for (target, predicted) in targets.iter().zip(predicted) {
        let (error, target) = (target - predicted, target - shift);
        sums.push(&[1.0, error.abs(), error * error, target, target * target, error]);
    }
    let values = |sums: &[f64]| {
        let rows = sums[0];
        let total = sums[4] - sums[3] * sums[3] / rows;
        let spread = sums[2] - sums[5] * sums[5] / rows;
        let share = |rest: f64| (total > 0.0).then(|| 1.0 - rest / total);
        let mean = |at: usize| (rows > 0.0).then(|| sums[at] / rows);
        vec![mean(1), mean(2).map(f64::sqrt), share(sums[2]), share(spread)]
    };
    named(&["mae", "rmse", "r2", "explained_variance"], bootstrap.intervals_of_sums(&sums, values))
}
