use indexmap::IndexMap;

use crate::{
    ParamDistribution, SearchSpace, StudyDirection, TrialState, TrialView, golden, param_importances,
};

#[test]
fn shares_equal_optunas_as_means_over_seeds() {
    let mut params = IndexMap::new();
    for name in ["a", "b", "c", "d"] {
        params.insert(name.to_owned(), ParamDistribution::float(0.0, 1.0).into());
    }
    params.insert("n".to_owned(), ParamDistribution::int(1, 8).into());
    let space = SearchSpace::new(params).expect("a space");
    let case = &golden::samplers()["importance"];
    let names = ["a", "b", "c", "d", "n"];
    let rows = golden::columns(&case["points"]).into_iter().zip(golden::columns(&case["values"]));
    let history: Vec<TrialView> = (0..)
        .zip(rows)
        .map(|(number, (point, values))| TrialView {
            number,
            state: TrialState::Complete,
            params: names.iter().map(|name| (*name).to_owned()).zip(point).collect(),
            values,
            intermediate: vec![],
        })
        .collect();
    let mut means = [0.0; 5];
    for seed in 0..10 {
        for importance in param_importances(&space, &[StudyDirection::Minimize], &history, 0, seed) {
            let place = names.iter().position(|name| *name == importance.name).expect("a known name");
            means[place] += importance.share / 10.0;
        }
    }
    for (name, found) in names.iter().zip(means) {
        let expected = case["shares"][name].as_f64().expect("a share");
        assert!((found - expected).abs() < 0.02, "{name}: {found}, Optuna {expected}");
    }
}

#[test]
#[allow(clippy::float_cmp, reason = "the values are exact")]
fn a_category_and_a_conditional_parameter_have_their_share() {
    let params = serde_json::json!({
        "kind": {"distribution": {"type": "categorical", "choices": ["a", "b", "c"]}},
        "x": {"distribution": {"type": "float", "low": 0.0, "high": 1.0}},
        "only": {"distribution": {"type": "float", "low": 2.0, "high": 2.0}},
        "rate": {
            "distribution": {"type": "float", "low": 1e-4, "high": 1.0, "log": true},
            "condition": {"param": "kind", "values": ["c"]}
        }
    });
    let params: IndexMap<String, crate::SpaceParam> = serde_json::from_value(params).expect("params");
    let space = SearchSpace::new(params).expect("a space");
    let mut history = Vec::new();
    for number in 0..150 {
        let request = crate::SampleRequest {
            space: &space,
            directions: &[StudyDirection::Maximize],
            history: &[],
            trial: number,
            seed: 1,
        };
        let params = crate::Sampler::sample(&crate::RandomSampler, &request).expect("values");
        let values = vec![if params["kind"] == 1.0 { 1.0 } else { 0.0 } + 0.1 * params["x"]];
        history.push(TrialView { number, state: TrialState::Complete, params, values, intermediate: vec![] });
    }
    let found = param_importances(&space, &[StudyDirection::Maximize], &history, 0, 0);
    assert_eq!(found[0].name, "kind");
    assert!(found[0].share > 0.9, "{found:?}");
    let share = |name: &str| found.iter().find(|i| i.name == name).map(|i| i.share);
    assert_eq!(share("only"), Some(0.0));
    assert!(share("rate").is_some_and(|share| share < 0.02));
    assert!(param_importances(&space, &[StudyDirection::Maximize], &history[..9], 0, 0).is_empty());
    assert!(!param_importances(&space, &[StudyDirection::Maximize], &history[..10], 0, 0).is_empty());
}
