use super::{GroupGap, GroupedRows, gap, ratio};

/// Decisions of a classifier about one class: its two classes' positive, or one class against the rest.
#[derive(Debug, Clone, Copy)]
pub struct BinaryDecision<'a> {
    /// `true` if a row belongs to the class.
    pub target: &'a [bool],
    /// `true` if a row is predicted to.
    pub predicted: &'a [bool],
    /// Predicted probability of the class.
    pub probability: Option<&'a [f64]>,
    /// Weight of each row; all are 1 if `None`.
    pub weights: Option<&'a [f64]>,
}

/// Fairness metrics of a decision, as in fairlearn 0.15: differences and ratios between groups of
///
/// - the share of rows that are predicted to belong to the class (demographic parity),
/// - the true and the false positive rate, the worse of the two (equalised odds),
/// - the true positive rate (equal opportunity),
/// - with probabilities, their mean less the share of the class (calibration gap, a difference alone).
///
/// A group without rows of the class has no true positive rate and is left out, where fairlearn counts it as 0; the same for
/// the false positive rate. A ratio of rates that are all 0 is undefined, as in fairlearn. Rows outside the slices are
/// ignored.
pub fn fairness(grouped: &GroupedRows, decision: &BinaryDecision<'_>) -> Vec<(&'static str, GroupGap)> {
    let rates: Vec<Rates> = grouped.groups.iter().map(|group| Rates::new(&group.rows, decision)).collect();
    let column = |rate: fn(&Rates) -> Option<f64>| -> Vec<Option<f64>> { rates.iter().map(rate).collect() };
    let selected = column(|rates| rates.selected);
    let (recall, false_positive) = (column(|rates| rates.recall), column(|rates| rates.false_positive));
    let (gap, ratio) = (|values: &[_]| gap(grouped, values), |values: &[_]| ratio(grouped, values));
    let mut found = vec![
        ("demographic_parity_difference", gap(&selected)),
        ("demographic_parity_ratio", ratio(&selected)),
        ("equalized_odds_difference", worse(gap(&recall), gap(&false_positive), |a, b| a >= b)),
        ("equalized_odds_ratio", worse(ratio(&recall), ratio(&false_positive), |a, b| a <= b)),
        ("equal_opportunity_difference", gap(&recall)),
        ("equal_opportunity_ratio", ratio(&recall)),
    ];
    if decision.probability.is_some() {
        found.push(("calibration_gap", gap(&column(|rates| rates.excess))));
    }
    found
}

/// The worse of two gaps; undefined if either is.
fn worse(first: GroupGap, second: GroupGap, is_worse: impl Fn(f64, f64) -> bool) -> GroupGap {
    match (first.value, second.value) {
        (Some(a), Some(b)) => {
            if is_worse(a, b) {
                first
            } else {
                second
            }
        }
        (None, _) => first,
        (_, None) => second,
    }
}

/// Rates of one group; `None` where there are no rows to divide by.
struct Rates {
    /// Share of rows that are predicted to belong to the class.
    selected: Option<f64>,
    recall: Option<f64>,
    false_positive: Option<f64>,
    /// Mean probability less the share of the class.
    excess: Option<f64>,
}

impl Rates {
    fn new(rows: &[u32], decision: &BinaryDecision<'_>) -> Self {
        // Weights by target and prediction.
        let mut cells = [[0.0; 2]; 2];
        let mut probability = 0.0;
        for row in rows.iter().map(|row| *row as usize) {
            let (Some(target), Some(predicted)) = (decision.target.get(row), decision.predicted.get(row))
            else {
                continue;
            };
            let weight = decision.weights.map_or(1.0, |weights| weights.get(row).copied().unwrap_or(0.0));
            cells[usize::from(*target)][usize::from(*predicted)] += weight;
            probability +=
                weight * decision.probability.and_then(|all| all.get(row).copied()).unwrap_or(f64::NAN);
        }
        let [[true_negatives, false_positives], [false_negatives, true_positives]] = cells;
        let (negatives, positives) = (true_negatives + false_positives, false_negatives + true_positives);
        let all = negatives + positives;
        let share = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        Self {
            selected: share(false_positives + true_positives, all),
            recall: share(true_positives, positives),
            false_positive: share(false_positives, negatives),
            excess: share(probability - positives, all).filter(|excess| excess.is_finite()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::subgroups::{GroupColumn, group_rows};

    #[test]
    fn metrics_equal_fairlearn() {
        let golden: Value = serde_json::from_str(include_str!("../golden/fairness.json")).unwrap();
        for case in golden.as_array().unwrap() {
            let flags = |name: &str| serde_json::from_value::<Vec<bool>>(case[name].clone()).unwrap();
            let numbers = |name: &str| serde_json::from_value::<Vec<f64>>(case[name].clone()).unwrap();
            let columns: Vec<GroupColumn> = case["columns"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, values)| {
                    GroupColumn::new(name, values.as_array().unwrap().iter().map(Value::as_str))
                })
                .collect();
            let grouped = group_rows(&columns.iter().collect::<Vec<_>>(), 1);
            let (target, predicted) = (flags("target"), flags("predicted"));
            let (probability, weights) = (numbers("probability"), numbers("weights"));
            let decision = BinaryDecision {
                target: &target,
                predicted: &predicted,
                probability: Some(&probability),
                weights: (!weights.is_empty()).then_some(&weights),
            };
            let found = fairness(&grouped, &decision);
            assert_eq!(found.len(), case["expected"].as_object().unwrap().len());
            for (name, found) in found {
                let (found, expected) = (found.value.unwrap(), case["expected"][name].as_f64().unwrap());
                assert!((found - expected).abs() < 1e-9, "{name}: {found}, expected {expected}");
            }
        }
    }

    #[test]
    fn rates_without_rows_are_undefined() {
        let column = GroupColumn::new("g", [Some("a"), Some("a"), Some("b"), Some("b")]);
        let grouped = group_rows(&[&column], 1);
        // Group b has no row of the class.
        let decision = BinaryDecision {
            target: &[true, false, false, false],
            predicted: &[true, true, false, true],
            probability: Some(&[0.9, 0.6, f64::NAN, 0.7]),
            weights: None,
        };
        let found = fairness(&grouped, &decision);
        let of = |name: &str| &found.iter().find(|(found, _)| *found == name).unwrap().1;
        assert_eq!(of("demographic_parity_difference").value, Some(0.5));
        for name in ["equal_opportunity_difference", "equalized_odds_ratio", "calibration_gap"] {
            let reason = of(name).undefined.as_deref();
            assert_eq!(reason, Some("g has only one group in which the metric is defined"), "{name}");
        }
        // Rows beyond the slices, and no groups at all.
        let short = BinaryDecision { target: &[true], predicted: &[], probability: None, weights: None };
        assert!(fairness(&grouped, &short).iter().all(|(_, gap)| gap.value.is_none()));
        assert!(fairness(&group_rows(&[], 1), &decision).iter().all(|(_, gap)| gap.undefined.is_some()));
    }
}
