use indexmap::IndexMap;

use super::parzen::ParzenMixture;
use crate::golden;
use crate::numeric::DrawStream;
use crate::{
    ParamDistribution, SampleRequest, Sampler, SearchSpace, StudyDirection, TpeSampler, TrialState, TrialView,
};

const MINIMIZE: [StudyDirection; 1] = [StudyDirection::Minimize];

fn square() -> SearchSpace {
    let mut params = IndexMap::new();
    params.insert("x".to_owned(), ParamDistribution::float(0.0, 1.0).into());
    params.insert("k".to_owned(), ParamDistribution::categorical(&["a", "b", "c"]).into());
    SearchSpace::new(params).expect("a space")
}

/// Trials of `(x - 0.7)^2`, to which the choice `b` adds nothing and the others 0.1.
#[allow(clippy::float_cmp, reason = "the values are exact")]
fn history(space: &SearchSpace, count: u64) -> Vec<TrialView> {
    let mut history = Vec::new();
    for trial in 0..count {
        let request = SampleRequest { space, directions: &MINIMIZE, history: &history, trial, seed: 3 };
        let params = TpeSampler::default().sample(&request).expect("values");
        let penalty = if params["k"] == 1.0 { 0.0 } else { 0.1 };
        let values = vec![(params["x"] - 0.7).powi(2) + penalty];
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
#[allow(clippy::float_cmp, reason = "the values are exact")]
fn suggestions_depend_on_the_trials_and_not_on_their_order() {
    let space = square();
    let trials = history(&space, 40);
    let mut reversed = trials.clone();
    reversed.reverse();
    let sample = |history: &[TrialView]| {
        let request = SampleRequest { space: &space, directions: &MINIMIZE, history, trial: 40, seed: 3 };
        TpeSampler::default().sample(&request).expect("values")
    };
    assert_eq!(sample(&trials), sample(&reversed));
    let best = trials.iter().filter_map(|trial| trial.loss(MINIMIZE[0])).fold(f64::INFINITY, f64::min);
    assert!(best < 1e-3, "{best}");
    assert!(trials[20..].iter().filter(|trial| trial.params["k"] == 1.0).count() > 10);
}

#[test]
fn trials_without_a_finite_value_count_as_failed() {
    let space = square();
    let trials = history(&space, 20);
    let mut with_failures = trials.clone();
    for (number, value) in [(20, f64::NAN), (21, f64::INFINITY), (22, f64::NEG_INFINITY)] {
        let mut failed = trials[0].clone();
        failed.number = number;
        failed.values = vec![value];
        with_failures.push(failed);
    }
    let sample = |history: &[TrialView]| {
        let request = SampleRequest { space: &space, directions: &MINIMIZE, history, trial: 23, seed: 3 };
        TpeSampler::default().sample(&request).expect("values")
    };
    assert_eq!(sample(&trials), sample(&with_failures));
}

#[test]
fn running_trials_keep_parallel_workers_apart() {
    let space = square();
    let trials = history(&space, 30);
    // Sum over pairs of suggestions that lie closer than a twentieth of the range, of many groups of parallel workers.
    let crowded = |liar: bool| {
        let mut close = 0;
        for group in 0..40 {
            let mut all = trials.clone();
            let mut xs: Vec<f64> = Vec::new();
            for trial in 30..36 {
                let request =
                    SampleRequest { space: &space, directions: &MINIMIZE, history: &all, trial, seed: group };
                let params = TpeSampler::default().sample(&request).expect("values");
                let x = params["x"];
                close += xs.iter().filter(|other| (x - **other).abs() < 0.05).count();
                xs.push(x);
                if liar {
                    let state = TrialState::Running;
                    all.push(TrialView {
                        number: trial,
                        state,
                        params,
                        values: vec![],
                        intermediate: vec![],
                    });
                }
            }
        }
        close
    };
    let (with, without) = (crowded(true), crowded(false));
    assert!(with * 10 < without * 8, "{with} {without}");
}

#[test]
fn densities_equal_optunas() {
    let float = |low, high, log, step| ParamDistribution::Float { low, high, log, step };
    let distributions = [
        float(-5.0, 10.0, false, None),
        float(1e-5, 1.0, true, None),
        float(0.0, 0.5, false, Some(0.1)),
        ParamDistribution::Int { low: 1, high: 19, log: false, step: 3 },
        ParamDistribution::Int { low: 8, high: 512, log: true, step: 1 },
        ParamDistribution::categorical(&["a", "b", "c"]),
    ];
    let distributions: Vec<&ParamDistribution> = distributions.iter().collect();
    for case in golden::samplers()["parzen"].as_array().expect("cases") {
        let mixture = ParzenMixture::new(&distributions, &golden::columns(&case["observations"]), true);
        let points = golden::columns(&case["points"]);
        for (place, expected) in case["densities"].as_array().expect("densities").iter().enumerate() {
            let point: Vec<f64> = points.iter().map(|column| column[place]).collect();
            let (found, expected) = (mixture.ln_density(&point), expected.as_f64().expect("a number"));
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}

#[test]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the numbers are small")]
fn samples_of_a_mixture_follow_its_density() {
    let distribution = ParamDistribution::int(0, 4);
    let kinds = ParamDistribution::categorical(&["a", "b", "c"]);
    let mixture =
        ParzenMixture::new(&[&distribution, &kinds], &[vec![0.0, 3.0, 3.0], vec![2.0, 0.0, 0.0]], true);
    let mut stream = DrawStream::new(1, 2, 3);
    let mut counts = [[0_u32; 3]; 5];
    for _ in 0..20_000 {
        let point = mixture.sample(&mut stream);
        counts[point[0] as usize][point[1] as usize] += 1;
    }
    for (value, row) in counts.iter().enumerate() {
        for (kind, count) in row.iter().enumerate() {
            let expected = mixture.ln_density(&[value as f64, kind as f64]).exp();
            let share = f64::from(*count) / 20_000.0;
            assert!((share - expected).abs() < 0.015, "{value} {kind}: {share} {expected}");
        }
    }
}

#[test]
fn pruned_trials_are_learned_from() {
    let space = square();
    let mut trials = history(&space, 30);
    for trial in &mut trials {
        trial.state = TrialState::Pruned;
        trial.intermediate = vec![(1, 9.0), (2, trial.values[0])];
        trial.values.clear();
    }
    let request =
        SampleRequest { space: &space, directions: &MINIMIZE, history: &trials, trial: 30, seed: 5 };
    let near = (30..50).filter(|trial| {
        let params =
            TpeSampler::default().sample(&SampleRequest { trial: *trial, ..request }).expect("values");
        (params["x"] - 0.7).abs() < 0.25
    });
    let near = near.count();
    assert!(near > 10, "{near}");
}
