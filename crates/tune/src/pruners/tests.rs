use serde_json::Value;

use super::*;
use crate::storage::JournalTrialState;

/// Learning curves and the steps of each trial under Optuna 5.0.0; `scripts/golden/studies.py` makes them.
const GOLDEN: &str = include_str!("golden/pruners.json");

fn pruner(name: &str) -> Pruner {
    match name {
        "median" => Pruner::median(),
        "median_warm" => Pruner::Percentile {
            percentile: 50.0,
            startup_trials: 2,
            warmup_steps: 3,
            interval_steps: 4,
            min_trials: 3,
        },
        "percentile" => Pruner::percentile(25.0),
        "halving" => Pruner::halving(),
        "halving_late" => {
            Pruner::Halving { min_resource: Some(2), reduction_factor: 2, min_early_stopping_rate: 1 }
        }
        "hyperband" => Pruner::Hyperband { min_resource: 1, max_resource: Some(12), reduction_factor: 3 },
        "hyperband_auto" => Pruner::Hyperband { min_resource: 1, max_resource: None, reduction_factor: 3 },
        "patience" => Pruner::Patience { patience: 2, min_delta: 0.01, inner: None },
        "patience_median" => {
            Pruner::Patience { patience: 0, min_delta: 0.0, inner: Some(Box::new(Pruner::median())) }
        }
        other => panic!("{other}"),
    }
}

/// Steps of each trial; negative if the pruner ended it.
#[allow(clippy::cast_possible_wrap, reason = "the numbers are small")]
fn steps(pruner: &Pruner, direction: StudyDirection, curves: &[Vec<f64>]) -> Vec<i64> {
    let mut trials: Vec<TrialRecord> = Vec::new();
    let mut found = Vec::new();
    for (number, curve) in curves.iter().enumerate() {
        trials.push(TrialRecord { id: number, number, ..TrialRecord::default() });
        let mut pruned = false;
        for (step, value) in (1..).zip(curve) {
            trials[number].intermediate.insert(step, *value);
            let all: Vec<&TrialRecord> = trials.iter().collect();
            let request = PruneRequest { study: "golden", direction, trials: &all, trial: &trials[number] };
            let decision = pruner.decide(&request);
            for (key, value) in decision.rungs {
                trials[number].system_attrs.insert(key, value.into());
            }
            pruned = decision.prune;
            if pruned {
                found.push(-step);
                break;
            }
        }
        let state = if pruned { JournalTrialState::Pruned } else { JournalTrialState::Complete };
        trials[number].state = state;
        trials[number].complete = Some(format!("{number:09}"));
        if !pruned {
            found.push(curve.len() as i64);
        }
    }
    found
}

#[test]
fn trials_end_where_optuna_ends_them() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let curves: Vec<Vec<f64>> = golden["curves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|curve| curve.as_array().unwrap().iter().map(number).collect())
        .collect();
    let mut pruned = 0;
    for (key, expected) in golden["steps"].as_object().unwrap() {
        let (name, direction) = key.split_once(' ').unwrap();
        let direction =
            if direction == "minimize" { StudyDirection::Minimize } else { StudyDirection::Maximize };
        let expected: Vec<i64> =
            expected.as_array().unwrap().iter().map(|steps| steps.as_i64().unwrap()).collect();
        let found = steps(&pruner(name), direction, &curves);
        assert_eq!(found, expected, "{key}");
        pruned += found.iter().filter(|steps| **steps < 0).count();
    }
    assert!(pruned > 100, "{pruned}");
    assert!(steps(&Pruner::None, StudyDirection::Minimize, &curves).iter().all(|steps| *steps == 12));
}
