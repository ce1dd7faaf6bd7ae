//! Accuracy, precision, recall, F1, log loss, ROC-AUC and the confusion matrix.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::Metrics;

/// Metrics of one class against the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// Name of the class.
    pub class: String,
    /// True positives over predicted positives; 0 without predicted positives.
    pub precision: f64,
    /// True positives over actual positives; 0 without actual positives.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Number of rows of this class.
    pub support: u64,
}

/// Metrics of a classifier.
///
/// `targets` holds class indices, `probabilities` is `[rows, classes]`, row-major. The predicted
/// class is the most probable one, the first of equals. With two classes, `precision`, `recall` and
/// `f1` are those of the second class, the positive one; `macro_*` are unweighted means over the classes. `roc_auc` of
/// more than two classes is the one-against-rest mean over the classes that occur.
pub fn classification(classes: &[String], targets: &[usize], probabilities: &[f32]) -> Metrics {
    let k = classes.len();
    let mut confusion = vec![vec![0_u64; k]; k];
    let mut log_loss = 0.0;
    for (row, &class) in targets.iter().enumerate() {
        let p = &probabilities[row * k..(row + 1) * k];
        confusion[class][argmax(p)] += 1;
        log_loss -= f64::from(p[class]).max(f64::from(f32::EPSILON)).ln();
    }
    let reports: Vec<ClassReport> =
        classes.iter().enumerate().map(|(index, name)| report(name, index, &confusion)).collect();
    let rows = targets.len();
    let correct: u64 = (0..k).map(|i| confusion[i][i]).sum();
    let mean = |value: fn(&ClassReport) -> f64| reports.iter().map(value).sum::<f64>() / count(k);
    let mut values = IndexMap::new();
    let mut put = |name: &str, value: f64| {
        if value.is_finite() {
            values.insert(name.to_owned(), value);
        }
    };
    put("accuracy", real(correct) / count(rows));
    put("macro_precision", mean(|r| r.precision));
    put("macro_recall", mean(|r| r.recall));
    put("macro_f1", mean(|r| r.f1));
    if let [_, positive] = reports.as_slice() {
        put("precision", positive.precision);
        put("recall", positive.recall);
        put("f1", positive.f1);
    }
    put("roc_auc", auc(k, targets, probabilities));
    put("log_loss", log_loss / count(rows));
    let positive = (k == 2).then(|| classes[1].clone());
    Metrics { rows, values, positive, classes: reports, confusion, steps: Vec::new() }
}

fn auc(k: usize, targets: &[usize], probabilities: &[f32]) -> f64 {
    let one = |class: usize| {
        let scores: Vec<f32> = probabilities.iter().skip(class).step_by(k).copied().collect();
        let positive: Vec<bool> = targets.iter().map(|&target| target == class).collect();
        roc_auc(&positive, &scores)
    };
    if k == 2 {
        return one(1).unwrap_or(f64::NAN);
    }
    let each: Vec<f64> = (0..k).filter_map(one).collect();
    each.iter().sum::<f64>() / count(each.len())
}

/// Area under the ROC curve from ranks, ties at their mean rank (Mann-Whitney U); `None` if only one
/// class occurs.
pub fn roc_auc(positive: &[bool], scores: &[f32]) -> Option<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let positives = count(positive.iter().filter(|&&p| p).count());
    let negatives = count(positive.len()) - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let (mut rank_sum, mut start) = (0.0, 0);
    while start < order.len() {
        let same = |&&i: &&usize| scores[i].total_cmp(&scores[order[start]]).is_eq();
        let tied = order[start..].iter().take_while(same).count();
        // Ranks count from 1: the mean of start+1 ..= start+tied.
        let rank = count(2 * start + tied + 1) / 2.0;
        rank_sum += rank * count(order[start..start + tied].iter().filter(|&&i| positive[i]).count());
        start += tied;
    }
    Some((rank_sum - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}

fn report(name: &str, index: usize, confusion: &[Vec<u64>]) -> ClassReport {
    let hit = real(confusion[index][index]);
    let support: u64 = confusion[index].iter().sum();
    let predicted: u64 = confusion.iter().map(|row| row[index]).sum();
    let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
    let (precision, recall) = (ratio(hit, real(predicted)), ratio(hit, real(support)));
    let f1 = ratio(2.0 * precision * recall, precision + recall);
    ClassReport { class: name.to_owned(), precision, recall, f1, support }
}

fn argmax(values: &[f32]) -> usize {
    (0..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

#[allow(clippy::cast_precision_loss)]
fn count(n: usize) -> f64 {
    n as f64
}

#[allow(clippy::cast_precision_loss)]
fn real(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "ties are exact")]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn metrics_equal_scikit_learn() {
        let golden: Value = serde_json::from_str(include_str!("golden/metrics.json")).unwrap();
        for case in golden["classification"].as_array().unwrap() {
            let targets: Vec<usize> = serde_json::from_value(case["truth"].clone()).unwrap();
            let p: Vec<f32> = serde_json::from_value(case["probabilities"].clone()).unwrap();
            let classes: Vec<String> = serde_json::from_value(case["classes"].clone()).unwrap();
            let found = classification(&classes, &targets, &p);
            for (name, expected) in case["expected"].as_object().unwrap() {
                let (a, b) = (found.values[name.as_str()], expected.as_f64().unwrap());
                assert!((a - b).abs() < 1e-6, "{name}: {a}, scikit-learn {b}");
            }
            assert_eq!(serde_json::to_value(&found.confusion).unwrap(), case["confusion"]);
        }
    }

    #[test]
    fn one_class_has_no_auc() {
        assert_eq!(roc_auc(&[true, true], &[0.1, 0.2]), None);
        let metrics = classification(&["a".into(), "b".into()], &[0, 0], &[0.9, 0.1, 0.8, 0.2]);
        assert!(!metrics.values.contains_key("roc_auc"));
    }

    proptest! {
        #[test]
        fn auc_is_the_share_of_ordered_pairs(rows in prop::collection::vec((any::<bool>(), 0_u8..10), 2..60)) {
            let positive: Vec<bool> = rows.iter().map(|r| r.0).collect();
            let scores: Vec<f32> = rows.iter().map(|r| f32::from(r.1)).collect();
            let (mut won, mut pairs) = (0.0, 0.0);
            for a in rows.iter().filter(|r| r.0) {
                for b in rows.iter().filter(|r| !r.0) {
                    pairs += 1.0;
                    won += match a.1.cmp(&b.1) {
                        Ordering::Greater => 1.0,
                        Ordering::Equal => 0.5,
                        Ordering::Less => 0.0,
                    };
                }
            }
            if let Some(auc) = roc_auc(&positive, &scores) { prop_assert!((auc - won / pairs).abs() < 1e-9) } else { prop_assert_eq!(pairs, 0.0) }
        }
    }
}
