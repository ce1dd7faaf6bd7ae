//! Properties of all samplers.

use indexmap::IndexMap;
use proptest::prelude::*;
use serde_json::json;

use super::{SAMPLERS, SampleRequest, sampler};
use crate::{ParamValues, SearchSpace, SpaceParam, StudyDirection, TrialState, TrialView, TuneError};

/// A space with every kind of parameter, all finite so that a grid can enumerate it.
fn space(low: i64, width: i64, log_low: f64) -> SearchSpace {
    let params = json!({
        "kind": {"distribution": {"type": "categorical", "choices": ["a", 2, true]}},
        "n": {"distribution": {"type": "int", "low": low, "high": low + width, "step": 3}},
        "drop": {"distribution": {"type": "float", "low": 0.0, "high": 0.5, "step": 0.25}},
        "fixed": {"distribution": {"type": "float", "low": 2.5, "high": 2.5}},
        "depth": {
            "distribution": {"type": "int", "low": 1, "high": 4, "log": true},
            "condition": {"param": "kind", "values": ["a", true]}
        },
        "mode": {
            "distribution": {"type": "categorical", "choices": ["x", "y"]},
            "condition": {"param": "kind", "values": [2]}
        },
        "rate": {
            "distribution": {"type": "float", "low": log_low, "high": log_low, "log": true},
            "condition": {"param": "mode", "values": ["y"]}
        }
    });
    let params: IndexMap<String, SpaceParam> = serde_json::from_value(params).expect("params");
    SearchSpace::new(params).expect("a space")
}

/// The same space with continuous parameters.
fn continuous(log_low: f64) -> SearchSpace {
    let mut params = space(-4, 9, log_low).params().clone();
    let float = |low: f64, high: f64, log: bool| {
        serde_json::from_value(json!({"type": "float", "low": low, "high": high, "log": log}))
            .expect("a distribution")
    };
    params["drop"].distribution = float(-1.0, 2.0, false);
    params["rate"].distribution = float(log_low, 1.0, true);
    SearchSpace::new(params).expect("a space")
}

/// Asserts that all active parameters and no others have a possible value.
#[track_caller]
fn check(space: &SearchSpace, values: &ParamValues, name: &str) {
    let active: Vec<&String> = space.params().keys().filter(|key| space.is_active(key, values)).collect();
    assert_eq!(values.keys().collect::<Vec<_>>(), active, "{name}");
    for (key, value) in values {
        let distribution = space.distribution(key).expect("a parameter of the space");
        let external = distribution.to_external(*value);
        assert_eq!(distribution.to_internal(&external), Some(*value), "{name}: {key} is {external}");
        assert!((distribution.clip(*value) - value).abs() < 1e-12, "{name}: {key} is {value}");
    }
}

/// Trials of a sampler, of which some fail, run, are pruned or have values that are not finite.
fn walk(name: &str, space: &SearchSpace, trials: u64, seed: u64) -> Vec<TrialView> {
    let directions = [StudyDirection::Minimize];
    let sampler = sampler(name).expect("a known name");
    let mut history: Vec<TrialView> = Vec::new();
    for number in 0..trials {
        let request =
            SampleRequest { space, directions: &directions, history: &history, trial: number, seed };
        let params = match sampler.sample(&request) {
            Ok(params) => params,
            Err(TuneError::GridExhausted { .. }) => break,
            Err(error) => panic!("{name}: {error}"),
        };
        check(space, &params, name);
        assert_eq!(sampler.sample(&request).expect("values"), params, "{name}: not a function of its inputs");
        let loss =
            params["n"].powi(2) + params["drop"] + params.get("rate").map_or(0.5, |rate| rate.ln().abs());
        let (state, values) = match number % 11 {
            3 => (TrialState::Failed, vec![]),
            5 => (TrialState::Complete, vec![f64::NAN]),
            7 => (TrialState::Running, vec![]),
            8 => (TrialState::Pruned, vec![]),
            9 => (TrialState::Complete, vec![f64::INFINITY]),
            _ => (TrialState::Complete, vec![loss]),
        };
        history.push(TrialView { number, state, params, values, intermediate: vec![(1, loss)] });
    }
    history
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn values_are_possible_and_conditions_hold(low in -50_i64..50, width in 0_i64..9, log_low in 1e-6..0.5_f64, seed: u64) {
        for name in SAMPLERS {
            walk(name, &space(low, width, log_low), 30, seed);
            if name != "grid" {
                walk(name, &continuous(log_low), 30, seed);
            }
        }
    }
}

#[test]
fn fixed_seeds_have_fixed_suggestions() {
    let mut suggestions: IndexMap<&str, Vec<String>> = IndexMap::new();
    for name in SAMPLERS {
        let space = if name == "grid" { space(1, 6, 0.1) } else { continuous(1e-3) };
        let trials = walk(name, &space, 26, 7);
        let text = |trial: &TrialView| {
            let pairs = trial.params.iter().map(|(key, value)| format!("{key}={value:.4}"));
            pairs.collect::<Vec<_>>().join(" ")
        };
        suggestions
            .insert(name, [0, 1, 12, 20, 25].iter().filter_map(|k| trials.get(*k)).map(text).collect());
    }
    insta::assert_json_snapshot!(suggestions);
}

#[test]
fn unknown_names_are_refused_with_the_known_ones() {
    let error = sampler("bayes").err().expect("an error").to_string();
    assert_eq!(error, "unknown sampler `bayes`; expected one of cmaes, gp, grid, nsga2, random, sobol, tpe");
}
