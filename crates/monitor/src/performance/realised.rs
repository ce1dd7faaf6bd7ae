//! Realised metrics of a classifier, undefined (NaN) under the conditions of `NannyML`.

use cupola_eval::ScoreRanking;

use super::classified::{ClassifierMetric, ClassifierRows};

/// Value of a metric over the rows with a target; NaN where it is undefined.
pub(super) fn realised(metric: ClassifierMetric, rows: &ClassifierRows, chunk: &[usize]) -> f64 {
    let labelled: Vec<(usize, usize)> = rows.labelled(chunk).collect();
    if labelled.is_empty() {
        return f64::NAN;
    }
    match metric {
        ClassifierMetric::RocAuc | ClassifierMetric::AveragePrecision => ranked(metric, rows, &labelled),
        _ => counted(metric, rows, &labelled),
    }
}

fn ranked(metric: ClassifierMetric, rows: &ClassifierRows, labelled: &[(usize, usize)]) -> f64 {
    let of_class = |class: usize| {
        let positive: Vec<bool> = labelled.iter().map(|(_, target)| *target == class).collect();
        let scores: Vec<f64> = labelled.iter().map(|(row, _)| rows.probabilities(*row)[class]).collect();
        let ranking = ScoreRanking::new(&positive, &scores);
        let value = ranking.and_then(|ranking| match metric {
            ClassifierMetric::RocAuc => ranking.roc_auc(None),
            _ => ranking.average_precision(None),
        });
        value.unwrap_or(f64::NAN)
    };
    mean(rows.one_against_rest().map(of_class))
}

/// Counts of a class against the rest.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    tp: f64,
    fp: f64,
    fn_: f64,
    tn: f64,
}

fn counted(metric: ClassifierMetric, rows: &ClassifierRows, labelled: &[(usize, usize)]) -> f64 {
    let varies = |of: &dyn Fn(&(usize, usize)) -> usize| {
        labelled.first().is_some_and(|first| labelled.iter().any(|row| of(row) != of(first)))
    };
    let of_target = |row: &(usize, usize)| row.1;
    let of_predicted = |row: &(usize, usize)| rows.predicted(row.0);
    let tolerant = matches!(metric, ClassifierMetric::Accuracy | ClassifierMetric::Specificity);
    let is_defined = (rows.classes() == 2 && tolerant) || (varies(&of_target) && varies(&of_predicted));
    if !is_defined {
        return f64::NAN;
    }
    if metric == ClassifierMetric::Accuracy {
        return mean(labelled.iter().map(|row| f64::from(u8::from(of_target(row) == of_predicted(row)))));
    }
    let of_class = |class: usize| {
        let mut counts = Counts::default();
        for row in labelled {
            let cell = match (of_target(row) == class, of_predicted(row) == class) {
                (true, true) => &mut counts.tp,
                (false, true) => &mut counts.fp,
                (true, false) => &mut counts.fn_,
                (false, false) => &mut counts.tn,
            };
            *cell += 1.0;
        }
        let Counts { tp, fp, fn_, tn } = counts;
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        match metric {
            ClassifierMetric::Precision => share(tp, tp + fp),
            ClassifierMetric::Recall => share(tp, tp + fn_),
            // Undefined without negatives: 0 / 0.
            ClassifierMetric::Specificity => tn / (tn + fp),
            _ => share(tp, tp + 0.5 * (fp + fn_)),
        }
    };
    mean(rows.one_against_rest().map(of_class))
}

/// Mean; NaN without values.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    sum / n
}
