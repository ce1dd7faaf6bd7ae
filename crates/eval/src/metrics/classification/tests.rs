use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::golden::{close, compare, list, metrics};
use crate::metrics::{ScoreRanking, Undefined};

/// Classes, targets and probabilities of a case.
fn rows(case: &Value) -> (Vec<String>, Vec<usize>, Vec<f64>) {
    let classes: Vec<String> = serde_json::from_value(case["classes"].clone()).unwrap();
    let targets: Vec<usize> = serde_json::from_value(case["truth"].clone()).unwrap();
    (classes, targets, list(case, "probabilities"))
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|class| format!("c{class}")).collect()
}

#[test]
fn metrics_equal_scikit_learn_with_and_without_weights() {
    for case in metrics()["classification"].as_array().unwrap() {
        let (classes, targets, probabilities) = rows(case);
        let weights = list(case, "weights");
        for prepared in [
            ClassifiedRows::new(classes.len(), &targets, &probabilities),
            ClassifiedRows::new(classes.len(), &targets, &probabilities).ranked(),
        ] {
            compare(&prepared.metrics(None), &case["expected"]);
            compare(&prepared.metrics(Some(&weights)), &case["weighted"]);
        }
        let found = classification(&classes, &targets, &probabilities, None, MetricSet::All);
        for (name, expected) in case["expected"].as_object().unwrap() {
            close(name, found.values[name.as_str()], expected.as_f64().unwrap());
        }
        assert_eq!(serde_json::to_value(&found.confusion).unwrap(), case["confusion"]);
        assert!(found.undefined.is_empty(), "{:?}", found.undefined);
    }
}

#[test]
fn f_beta_and_micro_averages_equal_scikit_learn() {
    for case in metrics()["classification"].as_array().unwrap() {
        let (classes, targets, probabilities) = rows(case);
        let mut sums = ClassificationSums::new(classes.len());
        for (target, own) in targets.iter().zip(probabilities.chunks(classes.len())) {
            sums.add(*target, own, 1.0);
        }
        for (class, expected) in list(case, "f2").into_iter().enumerate() {
            // scikit-learn gives 0 to an absent class.
            close("f2", sums.counts().f_beta(class, 2.0).unwrap_or(0.0), expected);
        }
        let micro = sums.counts().micro(&(1..classes.len()).collect::<Vec<_>>());
        let found = [micro.precision(0), micro.recall(0), micro.f_beta(0, 1.0)];
        for (found, expected) in found.into_iter().zip(list(case, "micro")) {
            close("micro", found.unwrap(), expected);
        }
    }
}

#[test]
fn single_precision_is_computed_as_double_but_for_the_clipping() {
    let (classes, targets, probabilities) = rows(&metrics()["classification"][4]);
    #[allow(clippy::cast_possible_truncation)]
    let narrow: Vec<f32> = probabilities.iter().map(|p| *p as f32).collect();
    let widened: Vec<f64> = narrow.iter().map(|p| f64::from(*p)).collect();
    let wide = classification(&classes, &targets, &widened, None, MetricSet::All);
    let found = classification(&classes, &targets, &narrow, None, MetricSet::All);
    for (name, value) in found.values.iter().filter(|(name, _)| *name != "log_loss") {
        assert_eq!(value.to_bits(), wide.values[name].to_bits(), "{name}");
    }
    // A wrong class of certainty counts by the epsilon of the type.
    let loss = |found: Metrics| found.values["log_loss"];
    let two = names(2);
    let narrow = loss(classification(&two, &[1], &[1.0_f32, 0.0], None, MetricSet::Training));
    let wide = loss(classification(&two, &[1], &[1.0_f64, 0.0], None, MetricSet::Training));
    close("f32", narrow, -f64::from(f32::EPSILON).ln());
    close("f64", wide, -f64::EPSILON.ln());
}

#[test]
fn undefined_metrics_are_listed_with_their_reasons() {
    // All rows have the first class and are predicted to have it.
    let found = classification(&names(2), &[0, 0], &[0.9, 0.1, 0.8, 0.2], None, MetricSet::All);
    let listed: Vec<(&str, &str)> =
        found.undefined.iter().map(|(n, why)| (n.as_str(), why.as_str())).collect();
    assert_eq!(
        listed,
        [
            ("precision", "no row is predicted to have the positive class"),
            ("recall", "no row has the positive class"),
            ("f1", "no row has the positive class or is predicted to have it"),
            ("roc_auc", "all rows have one class"),
            ("mcc", "the targets or the predictions have one class"),
            ("kappa", "the targets or the predictions have one class"),
            ("pr_auc", "no row has the positive class"),
            ("lift_at_10", "no row has the positive class"),
        ]
    );
    for name in found.undefined.keys() {
        assert!(!found.values.contains_key(name), "{name}");
    }
    assert!(found.values.contains_key("accuracy") && found.values.contains_key("brier"));

    // No rows, also by their weights.
    let none = classification::<f64>(&names(3), &[], &[], None, MetricSet::All);
    let without = classification(&names(2), &[1], &[0.5, 0.5], Some(&[0.0]), MetricSet::All);
    for found in [none, without] {
        assert!(found.values.is_empty(), "{:?}", found.values);
        assert!(found.undefined.values().all(|why| why == "there are no rows"), "{:?}", found.undefined);
    }

    // One probability that is no number: scikit-learn raises an error.
    let found =
        classification(&names(3), &[0, 1], &[0.2, 0.3, 0.5, f64::NAN, 0.1, 0.2], None, MetricSet::All);
    assert!(found.values.is_empty() && found.undefined.contains_key("accuracy"), "{found:?}");
}

#[test]
fn the_training_set_has_the_first_of_all_metrics() {
    for case in metrics()["classification"].as_array().unwrap() {
        let (classes, targets, probabilities) = rows(case);
        let of = |set| classification(&classes, &targets, &probabilities, None, set).values;
        let (few, all) = (of(MetricSet::Training), of(MetricSet::All));
        assert!(few.len() < all.len() && few.iter().zip(&all).all(|(a, b)| a == b), "{few:?} {all:?}");
    }
}

proptest! {
    /// A weight is a number of copies, as in a bootstrap, and parts are merged to the same sums.
    #[test]
    fn weights_count_copies_and_parts_are_merged(
        drawn in prop::collection::vec((0_usize..3, 0_u8..5, 0_u8..5, 1_u8..5, 0_u8..3), 1..40),
        cut in 0_usize..40,
    ) {
        let normal = |row: &(usize, u8, u8, u8, u8)| {
            let sum = f64::from(row.1) + f64::from(row.2) + f64::from(row.3);
            [row.1, row.2, row.3].map(|value| f64::from(value) / sum)
        };
        let targets: Vec<usize> = drawn.iter().map(|row| row.0).collect();
        let probabilities: Vec<f64> = drawn.iter().flat_map(normal).collect();
        let weights: Vec<f64> = drawn.iter().map(|row| f64::from(row.4)).collect();
        let copies: Vec<_> = drawn.iter().flat_map(|row| std::iter::repeat_n(row, usize::from(row.4))).collect();
        let copied_targets: Vec<usize> = copies.iter().map(|row| row.0).collect();
        let copied: Vec<f64> = copies.iter().flat_map(|row| normal(row)).collect();
        let weighted = ClassifiedRows::new(3, &targets, &probabilities).ranked().metrics(Some(&weights));
        let repeated = ClassifiedRows::new(3, &copied_targets, &copied).metrics(None);
        let mut parts = [ClassificationSums::new(3), ClassificationSums::new(3)];
        for (row, target) in targets.iter().enumerate() {
            parts[usize::from(row >= cut)].add(*target, &probabilities[3 * row..3 * row + 3], weights[row]);
        }
        let [mut merged, second] = parts;
        merged.merge(&second);
        for ((name, a), (_, b)) in weighted.iter().zip(&repeated) {
            let streamed = merged.values().into_iter().find(|(own, _)| own == name).map(|(_, value)| value);
            for other in [Some(b.clone()), streamed].into_iter().flatten() {
                match (a, &other) {
                    (Ok(a), Ok(b)) => prop_assert!((a - b).abs() < 1e-9, "{name}: {a} {b}"),
                    (a, b) => prop_assert_eq!(a, b, "{}", name),
                }
            }
        }
    }

    #[test]
    fn the_area_is_the_share_of_ordered_pairs(
        rows in prop::collection::vec((any::<bool>(), 0_u8..10, 0_u8..4), 2..60),
    ) {
        let positive: Vec<bool> = rows.iter().map(|row| row.0).collect();
        let scores: Vec<f32> = rows.iter().map(|row| f32::from(row.1)).collect();
        let weights: Vec<f64> = rows.iter().map(|row| f64::from(row.2)).collect();
        let (mut won, mut pairs) = (0.0, 0.0);
        for a in rows.iter().filter(|row| row.0) {
            for b in rows.iter().filter(|row| !row.0) {
                let weight = f64::from(a.2) * f64::from(b.2);
                pairs += weight;
                won += weight * match a.1.cmp(&b.1) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
        let ranking = ScoreRanking::new(&positive, &scores).unwrap();
        match ranking.roc_auc(Some(&weights)) {
            Ok(area) => prop_assert!((area - won / pairs).abs() < 1e-9),
            Err(why) => {
                prop_assert!(pairs < 0.5);
                prop_assert!(matches!(why, Undefined::OneClass | Undefined::NoRows));
            }
        }
    }

    /// The bin of a probability is that of NumPy's borders, also on a border.
    #[test]
    fn bins_have_the_borders_of_linspace(place in 0_u8..=15, off in -1_i8..=1, bins in 1_usize..20) {
        let border = f64::from(place) * (1.0 / 15.0);
        let value = (border + f64::from(off) * f64::EPSILON).clamp(0.0, 1.0);
        let borders = (1..bins).map(|index| index as f64 * (1.0 / bins as f64));
        let expected = borders.filter(|border| *border < value).count();
        prop_assert_eq!(sums::bin_of(value, bins), expected);
    }
}
