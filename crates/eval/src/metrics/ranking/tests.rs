use proptest::prelude::*;

use super::*;
use crate::golden::{close, list, metrics};

#[test]
fn metrics_equal_scikit_learn_over_groups_with_a_relevant_row() {
    let case = &metrics()["ranking"];
    let groups: Vec<u64> = serde_json::from_value(case["groups"].clone()).unwrap();
    let ranked = RankedGroups::new(&groups, &list(case, "relevance"), &list(case, "scores")).unwrap();
    let weights = list(case, "weights");
    for (weights, index) in [(None, 0), (Some(weights.as_slice()), 1)] {
        close("ndcg", ranked.ndcg(None, weights).unwrap(), list(case, "ndcg")[index]);
        close("ndcg_at_3", ranked.ndcg(Some(3), weights).unwrap(), list(case, "ndcg_at_3")[index]);
        close("map", ranked.mean_average_precision(weights).unwrap(), list(case, "map")[index]);
    }
}

#[test]
fn groups_without_relevant_rows_are_left_out() {
    let ranked = |relevance: &[f64]| RankedGroups::new(&[1, 1, 2, 2], relevance, &[0.9, 0.1, 0.9, 0.1]);
    // scikit-learn gives 0 to the second group.
    close("mrr", ranked(&[0.0, 1.0, 0.0, 0.0]).unwrap().mean_reciprocal_rank(None).unwrap(), 0.5);
    let none = ranked(&[0.0; 4]).unwrap();
    assert_eq!(none.ndcg(None, None), Err(Undefined::NoRelevantGroup));
    assert_eq!(none.mean_average_precision(None), Err(Undefined::NoRelevantGroup));
    assert_eq!(none.mean_reciprocal_rank(None), Err(Undefined::NoRelevantGroup));
    assert_eq!(ranked(&[0.0, -1.0, 0.0, 0.0]).unwrap_err(), Undefined::NegativeRelevance);
    assert_eq!(ranked(&[0.0, f64::NAN, 0.0, 0.0]).unwrap_err(), Undefined::NotFinite);
}

#[test]
fn grades_gain_exponentially_and_groups_have_values_of_their_own() {
    // Two groups; the first has its best row at the second place.
    let (groups, grades, scores) = ([1, 1, 1, 2, 2], [0.0, 3.0, 1.0, 0.0, 1.0], [0.9, 0.8, 0.1, 0.2, 0.7]);
    let found = ranking(&groups, &grades, &scores);
    let discount = |place: f64| 1.0 / (place + 1.0).log2();
    let first = (7.0 * discount(2.0) + discount(3.0)) / (7.0 + discount(2.0));
    close("ndcg", found.values["ndcg"], f64::midpoint(first, 1.0));
    close("map", found.values["map"], f64::midpoint(f64::midpoint(0.5, 2.0 / 3.0), 1.0));
    close("mrr", found.values["mrr"], 0.75);
    assert_eq!(found.rows, 5);
    assert!(found.values.keys().eq(RANKING_METRICS.iter()), "{:?}", found.values);
    let ranked = RankedGroups::of_grades(&groups, &grades, &scores).unwrap();
    for (at, name) in RANKING_METRICS.iter().enumerate() {
        let mean = ranked.values_by_group().map(|values| values[at]).sum::<f64>() / 2.0;
        close(name, mean, found.values[*name]);
    }
    let none = ranking(&groups, &[0.0; 5], &scores);
    assert!(none.values.is_empty() && none.undefined.len() == RANKING_METRICS.len());
}

/// All orders of the indices.
fn orders(rows: usize) -> Vec<Vec<usize>> {
    if rows == 0 {
        return vec![Vec::new()];
    }
    let mut out = Vec::new();
    for order in orders(rows - 1) {
        for place in 0..rows {
            let mut order = order.clone();
            order.insert(place, rows - 1);
            out.push(order);
        }
    }
    out
}

proptest! {
    /// Rows with equal scores: the mean over all of their orders.
    #[test]
    fn ties_have_the_mean_over_their_orders(rows in prop::collection::vec((0_u8..3, 0_u8..3), 1..6)) {
        let relevance: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
        let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.1)).collect();
        prop_assume!(relevance.iter().any(|value| *value > 0.0));
        let discount = |place: usize| 1.0 / (place as f64 + 2.0).log2();
        let mut ideal = relevance.clone();
        ideal.sort_by(|a, b| b.total_cmp(a));
        let best: f64 = ideal.iter().enumerate().map(|(place, own)| own * discount(place)).sum();
        let valid: Vec<Vec<usize>> = orders(rows.len())
            .into_iter()
            .filter(|order| order.windows(2).all(|pair| scores[pair[0]] >= scores[pair[1]]))
            .collect();
        let mean = |value: &dyn Fn(&Vec<usize>) -> f64| valid.iter().map(value).sum::<f64>() / valid.len() as f64;
        let reciprocal = mean(&|order| {
            1.0 / (order.iter().position(|row| relevance[*row] > 0.0).unwrap() + 1) as f64
        });
        let gain = mean(&|order| {
            order.iter().enumerate().map(|(place, row)| relevance[*row] * discount(place)).sum::<f64>() / best
        });
        let ranked = RankedGroups::new(&vec![7; rows.len()], &relevance, &scores).unwrap();
        prop_assert!((ranked.mean_reciprocal_rank(None).unwrap() - reciprocal).abs() < 1e-12);
        prop_assert!((ranked.ndcg(None, None).unwrap() - gain).abs() < 1e-12);
    }

    /// Without ties: precision at each relevant row.
    #[test]
    fn average_precision_is_the_mean_over_the_relevant_rows(relevant in prop::collection::vec(any::<bool>(), 1..12)) {
        prop_assume!(relevant.contains(&true));
        let scores: Vec<f64> = (0..relevant.len()).map(|row| -(row as f64)).collect();
        let relevance: Vec<f64> = relevant.iter().map(|own| f64::from(u8::from(*own))).collect();
        let places: Vec<usize> = (0..relevant.len()).filter(|place| relevant[*place]).collect();
        let sum: f64 = places.iter().enumerate().map(|(hit, place)| (hit + 1) as f64 / (place + 1) as f64).sum();
        let ranked = RankedGroups::new(&vec![0; relevant.len()], &relevance, &scores).unwrap();
        prop_assert!((ranked.mean_average_precision(None).unwrap() - sum / places.len() as f64).abs() < 1e-12);
    }
}
