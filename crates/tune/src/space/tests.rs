use indexmap::IndexMap;
use proptest::prelude::*;
use serde_json::json;

use crate::{
    ParamCondition, ParamDistribution, ParamValues, RandomSampler, SampleRequest, Sampler, SearchSpace,
    SpaceParam, StudyDirection,
};

fn space(params: serde_json::Value) -> Result<SearchSpace, String> {
    let params: IndexMap<String, SpaceParam> = serde_json::from_value(params).map_err(|e| e.to_string())?;
    SearchSpace::new(params).map_err(|e| e.to_string())
}

#[allow(clippy::needless_pass_by_value, reason = "it takes what its callers have made")]
fn one(distribution: serde_json::Value) -> String {
    space(json!({ "train.lr": { "distribution": distribution } })).expect_err("an error")
}

#[test]
fn invalid_spaces_name_the_key_and_the_remedy() {
    assert_eq!(
        space(json!({})).expect_err("an error"),
        "the search space is empty; name at least one parameter in `[tune.space]`"
    );
    let float =
        |low: f64, high: f64, log: bool| json!({"type": "float", "low": low, "high": high, "log": log});
    assert_eq!(one(float(2.0, 1.0, false)), "`tune.space.train.lr`: `low` 2 is above `high` 1; swap them");
    assert_eq!(
        one(float(0.0, 1.0, true)),
        "`tune.space.train.lr`: `log` requires a positive `low`, found 0; raise `low` or remove `log`"
    );
    assert!(
        one(json!({"type": "int", "low": 0, "high": 9, "step": 0}))
            .contains("`step` must be positive, found 0")
    );
    assert!(
        one(json!({"type": "int", "low": 1, "high": 9, "step": 2, "log": true}))
            .contains("exclude each other")
    );
    assert!(one(json!({"type": "categorical", "choices": []})).contains("`choices` is empty"));
    assert!(one(json!({"type": "categorical", "choices": [1, 1]})).contains("occurs twice"));
    assert!(one(json!({"type": "categorical", "choices": [[1]]})).contains("no scalar"));
}

#[test]
fn invalid_conditions_are_refused() {
    let conditional = |param: &str, value: serde_json::Value| {
        space(json!({
            "kind": {"distribution": {"type": "categorical", "choices": ["a", "b"]}},
            "width": {"distribution": {"type": "int", "low": 1, "high": 4}},
            "rate": {
                "distribution": {"type": "float", "low": 0.0, "high": 1.0},
                "condition": {"param": param, "values": [value]}
            }
        }))
    };
    assert!(conditional("kind", json!("a")).is_ok());
    assert!(conditional("kind", json!("c")).expect_err("an error").contains("not a choice of `kind`"));
    assert!(conditional("width", json!(1)).expect_err("an error").contains("categorical"));
    assert!(conditional("other", json!(1)).expect_err("an error").contains("not in the space"));
    assert!(conditional("rate", json!(1)).is_err());
}

#[test]
fn conditional_params_follow_their_parent_and_are_absent_where_inactive() {
    let mut params = IndexMap::new();
    let condition = ParamCondition { param: "kind".to_owned(), values: vec![json!("b")] };
    params.insert(
        "depth".to_owned(),
        SpaceParam { distribution: ParamDistribution::int(1, 8), condition: Some(condition) },
    );
    params.insert("kind".to_owned(), ParamDistribution::categorical(&["a", "b"]).into());
    let space = SearchSpace::new(params).expect("a space");
    assert_eq!(space.groups(), [["kind"], ["depth"]]);
    let mut seen = [0; 2];
    for trial in 0..100 {
        let request = SampleRequest {
            space: &space,
            directions: &[StudyDirection::Minimize],
            history: &[],
            trial,
            seed: 1,
        };
        let values = RandomSampler.sample(&request).expect("values");
        seen[usize::from(values["kind"] > 0.5)] += 1;
        assert_eq!(values.contains_key("depth"), values["kind"] > 0.5);
    }
    assert!(seen.iter().all(|count| *count > 30), "{seen:?}");
    assert!(!space.is_active("depth", &ParamValues::new()));
}

#[test]
fn the_order_of_a_list_changes_nothing() {
    let listed = |names: [&str; 4]| {
        let condition = ParamCondition { param: "kind".to_owned(), values: vec![json!("b")] };
        let params = names.map(|name| {
            let param = match name {
                "kind" => ParamDistribution::categorical(&["a", "b"]).into(),
                "depth" => SpaceParam {
                    distribution: ParamDistribution::int(1, 8),
                    condition: Some(condition.clone()),
                },
                _ => ParamDistribution::float(0.0, 1.0).into(),
            };
            (name.to_owned(), param)
        });
        SearchSpace::new(params.into_iter().collect()).expect("a space")
    };
    let space = listed(["x", "kind", "a", "depth"]);
    assert_eq!(space.params().keys().collect::<Vec<_>>(), ["a", "kind", "x", "depth"]);
    assert!(space.params().iter().eq(listed(["depth", "a", "x", "kind"]).params().iter()));
}

#[test]
fn steps_lower_the_upper_bound_as_in_optuna() {
    let mut float = ParamDistribution::Float { low: 0.0, high: 1.0, log: false, step: Some(0.3) };
    float.validate("x").expect("valid");
    assert_eq!(float.count(), Some(4));
    assert!((float.from_unit(1.0) - 0.9).abs() < 1e-12);
    let mut int = ParamDistribution::Int { low: 1, high: 10, log: false, step: 4 };
    int.validate("x").expect("valid");
    assert_eq!(int, ParamDistribution::Int { low: 1, high: 9, log: false, step: 4 });
}

proptest! {
    #[test]
    #[allow(clippy::float_cmp, reason = "the values are exact")]
    fn values_respect_bounds_and_steps(low in -100_i64..100, width in 0_i64..100, step in 1_i64..7, unit in 0.0..1.0_f64) {
        let mut int = ParamDistribution::Int { low, high: low + width, log: false, step };
        int.validate("x").expect("valid");
        let value = int.from_unit(unit);
        prop_assert_eq!((value - low as f64) % step as f64, 0.0);
        prop_assert!(value >= low as f64 && value <= (low + width) as f64);
        prop_assert_eq!(int.from_unit(int.to_unit(value)), value);
        prop_assert_eq!(int.to_internal(&int.to_external(value)), Some(value));
    }

    #[test]
    fn logarithmic_values_stay_within_bounds(low in 1e-9..1.0_f64, factor in 1.0..1e6_f64, unit in 0.0..=1.0_f64) {
        let high = low * factor;
        let float = ParamDistribution::Float { low, high, log: true, step: None };
        let value = float.from_unit(unit);
        prop_assert!(value >= low && value <= high);
        prop_assert!(float.to_internal(&float.to_external(value)).is_some());
    }
}
