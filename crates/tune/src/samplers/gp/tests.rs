use indexmap::IndexMap;
use serde_json::json;

use crate::{
    GpSampler, ParamDistribution, ParamValues, SampleRequest, Sampler, SearchSpace, SpaceParam,
    StudyDirection, TrialState, TrialView,
};

const MAXIMIZE: [StudyDirection; 1] = [StudyDirection::Maximize];

fn space() -> SearchSpace {
    let params = json!({
        "kind": {"distribution": {"type": "categorical", "choices": ["a", "b"]}},
        "x": {"distribution": {"type": "float", "low": -1.0, "high": 3.0}},
        "n": {"distribution": {"type": "int", "low": 1, "high": 9}},
        "rate": {
            "distribution": {"type": "float", "low": 1e-4, "high": 1.0, "log": true},
            "condition": {"param": "kind", "values": ["b"]}
        }
    });
    let params: IndexMap<String, SpaceParam> = serde_json::from_value(params).expect("params");
    SearchSpace::new(params).expect("a space")
}

fn score(p: &ParamValues) -> f64 {
    let rate = p.get("rate").map_or(2.0, |rate| (rate.log10() + 2.0).powi(2));
    -((p["x"] - 1.0).powi(2) + 0.1 * (p["n"] - 6.0).powi(2) + rate)
}

fn trial(number: u64, params: ParamValues, state: TrialState) -> TrialView {
    let values = if state == TrialState::Complete { vec![score(&params)] } else { vec![] };
    TrialView { number, state, params, values, intermediate: vec![] }
}

fn suggest(sampler: &GpSampler, space: &SearchSpace, history: &[TrialView], trial: u64) -> ParamValues {
    sampler.sample(&SampleRequest { space, directions: &MAXIMIZE, history, trial, seed: 4 }).expect("values")
}

#[test]
#[allow(clippy::float_cmp, reason = "the values are exact")]
fn a_conditional_function_is_solved_and_the_cache_does_not_show() {
    let space = space();
    let sampler = GpSampler::default();
    let mut history = Vec::new();
    for number in 0..50 {
        let params = suggest(&sampler, &space, &history, number);
        assert_eq!(params.contains_key("rate"), params["kind"] == 1.0);
        if number % 7 == 0 {
            assert_eq!(params, suggest(&GpSampler::default(), &space, &history, number), "trial {number}");
        }
        history.push(trial(number, params, TrialState::Complete));
    }
    let best = history.iter().map(|trial| trial.values[0]).fold(f64::NEG_INFINITY, f64::max);
    assert!(best > -0.01, "{best}");
}

#[test]
fn running_trials_keep_parallel_workers_apart() {
    let mut params = IndexMap::new();
    params.insert("x".to_owned(), ParamDistribution::float(-1.0, 3.0).into());
    params.insert("n".to_owned(), ParamDistribution::float(1.0, 9.0).into());
    let space = SearchSpace::new(params).expect("a space");
    let sampler = GpSampler::default();
    let mut history = Vec::new();
    for number in 0..14 {
        let params = suggest(&sampler, &space, &history, number);
        history.push(trial(number, params, TrialState::Complete));
    }
    let alone = suggest(&sampler, &space, &history, 15);
    let first = suggest(&sampler, &space, &history, 14);
    history.push(trial(14, first.clone(), TrialState::Running));
    let second = suggest(&sampler, &space, &history, 15);
    let distance =
        |a: &ParamValues, b: &ParamValues| ((a["x"] - b["x"]) / 4.0).abs() + ((a["n"] - b["n"]) / 8.0).abs();
    assert!(distance(&first, &second) > distance(&first, &alone), "{first:?} {alone:?} {second:?}");
}
