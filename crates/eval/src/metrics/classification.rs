//! Metrics of predicted classes and of their probabilities.

mod areas;
pub(super) mod confusion;
mod counts;
mod rows;
pub(crate) mod sums;
#[cfg(test)]
mod tests;

pub use counts::ClassCounts;
pub use rows::ClassifiedRows;
pub use sums::ClassificationSums;

use serde::{Deserialize, Serialize};

use self::areas::{Areas, RankedRows};
use super::float::FloatValue;
use super::weights::RowWeights;
use super::{MetricSet, Metrics, NamedValues};

/// Metrics of one class against the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// Name of the class.
    pub class: String,
    /// True positives over predicted positives; 0 without predicted positives.
    pub precision: f64,
    /// True positives over actual positives; 0 without actual positives.
    pub recall: f64,
    /// Harmonic mean of precision and recall; 0 without either.
    pub f1: f64,
    /// Number of rows of this class.
    pub support: u64,
}

/// Metrics of a classifier.
///
/// `targets` holds class indices, `probabilities` is `[rows, classes]`, row-major, and `weights` has a weight for each
/// row or is `None` for equal ones. The predicted class is the most probable one, the first of equals. With two
/// classes, `precision`, `recall`, `f1`, `pr_auc` and `lift_at_10` are those of the second class, the positive one;
/// `macro_*` are unweighted means over all classes, and `roc_auc` and `pr_auc` of more than two classes are means over
/// the classes that occur. `log_loss` clips probabilities to the epsilon of their type, as scikit-learn does.
///
/// Values equal those of scikit-learn except where it gives a value to what is undefined: `precision`, `recall`, `f1`
/// and `pr_auc` without such rows (0 there), `mcc` of one class (0), and means over classes of which some are absent
/// (NaN). One probability that is NaN leaves all metrics undefined, where scikit-learn raises an error.
///
/// # Panics
/// If a target is not the index of a class.
pub fn classification<P: FloatValue>(
    classes: &[String],
    targets: &[usize],
    probabilities: &[P],
    weights: Option<&[f64]>,
    set: MetricSet,
) -> Metrics {
    let mut sums = ClassificationSums::new(classes.len());
    let rows = targets.iter().zip(probabilities.chunks_exact(classes.len().max(1)));
    for (row, (&target, own)) in rows.enumerate() {
        sums.add(target, own, RowWeights(weights).of(row));
    }
    let ranked = RankedRows { classes: classes.len(), targets, probabilities };
    let areas = ranked.areas(&[], weights, set);
    let confusion = sums.confusion();
    let positive = (classes.len() == 2).then(|| classes[1].clone());
    let mut support = vec![0_u64; classes.len()];
    for &target in targets {
        support[target] += 1;
    }
    let each = classes.iter().enumerate().zip(support);
    let reports = each.map(|((index, name), support)| report(name, index, sums.counts(), support)).collect();
    let named = named(&sums, &areas, classes.len(), set);
    Metrics { positive, classes: reports, confusion, ..Metrics::of(targets.len(), named) }
}

/// Metrics in the order of reports.
fn named(sums: &ClassificationSums, areas: &Areas, classes: usize, set: MetricSet) -> NamedValues {
    let mut values = sums.training_values();
    // The log loss is last.
    let at = values.len() - 1;
    values.insert(at, ("roc_auc", areas.roc_auc.clone()));
    if set == MetricSet::Training {
        return values;
    }
    values.extend(sums.other_values());
    values.push(("pr_auc", areas.pr_auc.clone()));
    if classes == 2 {
        values.push(("lift_at_10", areas.lift.clone()));
    } else {
        values.push(("roc_auc_ovo", areas.roc_auc_ovo.clone()));
    }
    values
}

fn report(name: &str, index: usize, counts: &ClassCounts, support: u64) -> ClassReport {
    ClassReport {
        class: name.to_owned(),
        precision: counts.precision(index).unwrap_or(0.0),
        recall: counts.recall(index).unwrap_or(0.0),
        f1: counts.f_beta(index, 1.0).unwrap_or(0.0),
        support,
    }
}
