use statrs::function::erf::erfc;

use crate::bootstrap::quantile_of_normal;

/// DeLong's test of two areas under the ROC curve on the same rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeLongTest {
    /// Area of the first model.
    pub first: f64,
    /// Area of the second model.
    pub second: f64,
    /// Second less first.
    pub difference: f64,
    /// Standard error of the difference.
    pub standard_error: f64,
    /// Bounds of the normal confidence interval of the difference.
    pub interval: (f64, f64),
    /// Two-sided p-value of no difference.
    pub p_value: f64,
}

/// DeLong's test (DeLong, DeLong and Clarke-Pearson 1988) from the labels and both models' scores of each row, in time
/// `n log n` by midranks (Sun and Xu 2014). `None` with fewer than two rows of either class, different numbers of rows, a
/// score that is not a number, and a level outside (0, 1). Areas that differ without any variance (a perfect model and
/// its reverse) have the p-value 0, equal ones 1.
pub fn delong(labels: &[bool], first: &[f64], second: &[f64], level: f64) -> Option<DeLongTest> {
    let positives = labels.iter().filter(|label| **label).count();
    let negatives = labels.len() - positives;
    let numbers = first.iter().chain(second).all(|score| !score.is_nan());
    let level_is_valid = level > 0.0 && level < 1.0;
    let lengths = first.len() == labels.len() && second.len() == labels.len();
    if positives < 2 || negatives < 2 || !numbers || !level_is_valid || !lengths {
        return None;
    }
    let (first, second) = (placements(labels, first), placements(labels, second));
    let (mut variance, mut areas) = (0.0, (0.0, 0.0));
    for (class, size) in [(true, positives as f64), (false, negatives as f64)] {
        let rows =
            || labels.iter().enumerate().filter(move |(_, label)| **label == class).map(|(row, _)| row);
        let mean = |placed: &[f64]| rows().map(|row| placed[row]).sum::<f64>() / size;
        areas = (mean(&first), mean(&second));
        let spread = |row: usize| (second[row] - areas.1) - (first[row] - areas.0);
        variance += rows().map(|row| spread(row).powi(2)).sum::<f64>() / (size - 1.0) / size;
    }
    let difference = areas.1 - areas.0;
    let standard_error = variance.sqrt();
    let half = quantile_of_normal(f64::midpoint(1.0, level)) * standard_error;
    let p_value = if difference.abs() < f64::EPSILON {
        1.0
    } else {
        erfc(difference.abs() / standard_error * std::f64::consts::FRAC_1_SQRT_2)
    };
    Some(DeLongTest {
        first: areas.0,
        second: areas.1,
        difference,
        standard_error,
        interval: (difference - half, difference + half),
        p_value,
    })
}

/// Share of the rows of the other class that each row stands on the right side of, equal scores counting half.
#[allow(clippy::float_cmp)]
fn placements(labels: &[bool], scores: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[a].partial_cmp(&scores[b]).unwrap_or(std::cmp::Ordering::Equal));
    let positives = labels.iter().filter(|label| **label).count() as f64;
    let negatives = labels.len() as f64 - positives;
    let (mut placed, mut from) = (vec![0.0; scores.len()], 0);
    let (mut positives_below, mut negatives_below) = (0.0, 0.0);
    while from < order.len() {
        let to = from + order[from..].iter().take_while(|&&row| scores[row] == scores[order[from]]).count();
        let equal = &order[from..to];
        let equal_positives = equal.iter().filter(|&&row| labels[row]).count() as f64;
        let equal_negatives = equal.len() as f64 - equal_positives;
        for &row in equal {
            placed[row] = if labels[row] {
                (negatives_below + 0.5 * equal_negatives) / negatives
            } else {
                1.0 - (positives_below + 0.5 * equal_positives) / positives
            };
        }
        positives_below += equal_positives;
        negatives_below += equal_negatives;
        from = to;
    }
    placed
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn areas_errors_and_p_values_equal_the_definition() {
        let golden: Value = serde_json::from_str(include_str!("../golden/statistics.json")).unwrap();
        for case in golden["delong"].as_array().unwrap() {
            let scores = |name: &str| serde_json::from_value::<Vec<f64>>(case[name].clone()).unwrap();
            let labels: Vec<bool> = serde_json::from_value(case["labels"].clone()).unwrap();
            let found = delong(&labels, &scores("first_scores"), &scores("second_scores"), 0.95).unwrap();
            for (name, found) in [
                ("first", found.first),
                ("second", found.second),
                ("standard_error", found.standard_error),
                ("p_value", found.p_value),
                ("low", found.interval.0),
                ("high", found.interval.1),
            ] {
                assert!((found - case[name].as_f64().unwrap()).abs() < 1e-9, "{name}: {found}");
            }
        }
    }

    #[test]
    #[allow(clippy::float_cmp)]
    fn degenerate_scores_have_a_result() {
        let labels = [true, true, false, false];
        let (right, wrong) = ([0.9, 0.8, 0.2, 0.1], [0.1, 0.2, 0.8, 0.9]);
        let same = delong(&labels, &right, &right, 0.95).unwrap();
        assert_eq!((same.difference, same.p_value, same.interval), (0.0, 1.0, (0.0, 0.0)));
        let reverse = delong(&labels, &right, &wrong, 0.95).unwrap();
        assert_eq!((reverse.first, reverse.second, reverse.p_value), (1.0, 0.0, 0.0));
        let infinite = [f64::INFINITY, 1.0, 0.0, f64::NEG_INFINITY];
        assert_eq!(delong(&labels, &infinite, &right, 0.95).unwrap().first, 1.0);
        assert_eq!(delong(&labels, &[f64::NAN; 4], &right, 0.95), None);
        assert_eq!(delong(&[true; 4], &right, &wrong, 0.95), None);
        assert_eq!(delong(&labels, &right[..3], &wrong, 0.95), None);
        assert_eq!(delong(&labels, &right, &wrong, 1.0), None);
        assert_eq!(delong(&[], &[], &[], 0.95), None);
    }
}
