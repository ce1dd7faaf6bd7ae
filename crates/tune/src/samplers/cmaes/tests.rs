use indexmap::IndexMap;

use crate::{
    CmaEsSampler, ParamDistribution, SampleRequest, Sampler, SearchSpace, StudyDirection, TrialState,
    TrialView, TuneError,
};

fn minimize(space: &SearchSpace, trials: u64, loss: impl Fn(&crate::ParamValues) -> f64) -> Vec<TrialView> {
    let mut history = Vec::new();
    for trial in 0..trials {
        let directions = &[StudyDirection::Minimize];
        let request = SampleRequest { space, directions, history: &history, trial, seed: 1 };
        let params = CmaEsSampler.sample(&request).expect("values");
        let values = vec![loss(&params)];
        history.push(TrialView {
            number: trial,
            state: TrialState::Complete,
            params,
            values,
            intermediate: vec![],
        });
    }
    history
}

#[test]
fn a_rotated_ellipsoid_is_solved_to_high_accuracy() {
    let mut params = IndexMap::new();
    for name in ["a", "b", "c"] {
        params.insert(name.to_owned(), ParamDistribution::float(-4.0, 6.0).into());
    }
    let space = SearchSpace::new(params).expect("a space");
    let trials = minimize(&space, 600, |p| {
        let (u, v, w) = (p["a"] + p["b"], p["a"] - p["b"] + 1.0, p["c"] - p["a"]);
        u * u + 30.0 * v * v + 5.0 * w * w
    });
    let best = trials.iter().map(|trial| trial.values[0]).fold(f64::INFINITY, f64::min);
    assert!(best < 1e-6, "{best}");
}

#[test]
fn integers_reach_their_optimum_and_categories_are_sampled_too() {
    let mut params = IndexMap::new();
    params.insert("n".to_owned(), ParamDistribution::int(0, 20).into());
    params.insert("x".to_owned(), ParamDistribution::float(0.0, 1.0).into());
    params.insert("k".to_owned(), ParamDistribution::categorical(&["a", "b"]).into());
    let space = SearchSpace::new(params).expect("a space");
    let trials = minimize(&space, 200, |p| (p["n"] - 17.0).powi(2) + (p["x"] - 0.2).powi(2) + p["k"]);
    let best = trials.iter().min_by(|a, b| a.values[0].total_cmp(&b.values[0])).expect("a trial");
    assert_eq!((best.params["n"], best.params["k"]), (17.0, 0.0));
    assert!(best.values[0] < 1e-2);
}

#[test]
fn several_objectives_are_refused() {
    let mut params = IndexMap::new();
    params.insert("x".to_owned(), ParamDistribution::float(0.0, 1.0).into());
    let space = SearchSpace::new(params).expect("a space");
    let directions = &[StudyDirection::Minimize; 2];
    let request = SampleRequest { space: &space, directions, history: &[], trial: 0, seed: 0 };
    assert_eq!(CmaEsSampler.sample(&request), Err(TuneError::Objectives { sampler: "cmaes", objectives: 2 }));
}
