//! Scores of a few rounds against `LightGBM` (scripts/golden/boosting.py).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Golden {
    numbers: Vec<Option<f32>>,
    codes: Vec<i32>,
    targets: BTreeMap<String, Vec<f32>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    objective: String,
    categories: bool,
    options: BTreeMap<String, f64>,
    scores: Vec<f64>,
}

#[test]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the numbers are small")]
fn scores_are_those_of_lightgbm() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/lightgbm.json")).unwrap();
    for (index, case) in golden.cases.iter().enumerate() {
        let rows = Rows {
            numbers: golden.numbers.iter().map(|number| number.unwrap_or(f32::NAN)).collect(),
            categories: if case.categories { golden.codes.clone() } else { Vec::new() },
            values: golden.targets[&case.objective].clone(),
            weights: Vec::new(),
        };
        let objective = match case.objective.as_str() {
            "squared" => BoostObjective::Squared,
            "logistic" => BoostObjective::Logistic,
            _ => BoostObjective::Softmax { classes: 3 },
        };
        let option = |name: &str, otherwise: f64| case.options.get(name).copied().unwrap_or(otherwise);
        let options = BoostOptions {
            rounds: 3,
            learning_rate: 0.3,
            leaves: 8,
            leaf_rows: option("min_data_in_leaf", 5.0) as usize,
            leaf_weight: option("min_sum_hessian_in_leaf", 1e-3),
            depth: option("max_depth", 0.0) as usize,
            l1: option("lambda_l1", 0.0),
            l2: option("lambda_l2", 0.0),
            gain: option("min_gain_to_split", 0.0),
            category_rows: 20,
            ..BoostOptions::default()
        };
        let (_, scores) = rows.boost(objective, &options);
        let width = objective.width();
        let own: Vec<f64> = scores.chunks(width).step_by(5).flatten().copied().collect();
        let far = own.iter().zip(&case.scores).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert_eq!(own.len(), case.scores.len());
        assert!(far < 1e-4, "case {index}, {} {:?}: {far}", case.objective, case.options);
    }
}
