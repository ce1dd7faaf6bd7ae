//! Runs a sampler on a test function and prints the best value of each seed as JSON.
//!
//! `cargo run --release -p cupola-tune --example samplers -- FUNCTION SAMPLER TRIALS SEEDS`; for functions with two
//! objectives the hypervolume below (1.1, 1.1) is printed in place of the best value.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs)]

use std::time::Instant;

use cupola_tune::{SampleRequest, Sampler, StudyDirection, TrialState, TrialView, hypervolume_2d, sampler};

#[path = "../tests/support/functions.rs"]
mod functions;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [function, name, trials, seeds] = &args[..] else {
        panic!("usage: samplers FUNCTION SAMPLER TRIALS SEEDS; functions: {}", functions::NAMES.join(", "));
    };
    let function = functions::function(function).expect("a known function");
    let trials: u64 = trials.parse().expect("a number of trials");
    let seeds: u64 = seeds.parse().expect("a number of seeds");
    let mut best = Vec::new();
    let start = Instant::now();
    for seed in 0..seeds {
        let sampler = sampler(name).expect("a known sampler");
        best.push(run(&function, sampler.as_ref(), trials, seed));
    }
    let result = serde_json::json!({
        "function": function.name,
        "sampler": name,
        "trials": trials,
        "best": best,
        "seconds": start.elapsed().as_secs_f64() / seeds as f64,
    });
    println!("{result}");
}

/// Best value after all trials, or the hypervolume.
fn run(function: &functions::TestFunction, sampler: &dyn Sampler, trials: u64, seed: u64) -> f64 {
    let mut history: Vec<TrialView> = Vec::new();
    for trial in 0..trials {
        let request = SampleRequest {
            space: &function.space,
            directions: &function.directions,
            history: &history,
            trial,
            seed,
        };
        let params = sampler.sample(&request).expect("parameters");
        let values = (function.evaluate)(&function.space, &params);
        history.push(TrialView {
            number: trial,
            state: TrialState::Complete,
            params,
            values,
            intermediate: Vec::new(),
        });
    }
    if function.directions.len() == 2 {
        let points: Vec<[f64; 2]> = history.iter().map(|trial| [trial.values[0], trial.values[1]]).collect();
        return hypervolume_2d(&points, [1.1, 1.1]);
    }
    let losses = history.iter().filter_map(|trial| trial.loss(StudyDirection::Minimize));
    losses.fold(f64::INFINITY, f64::min)
}
