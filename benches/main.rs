//! Timings of training steps, forward passes and predictions as JSON lines; `scripts/bench` compares them with `PyTorch`.
//!
//! `cargo bench -- --test` runs each benchmark once, as a smoke test.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark reports a failure by panicking")]

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Prediction of one row: preprocessing plan and engine.
mod predict_row;
/// Whole training step: gather, forward, backward, optimiser.
mod train_step;
/// Networks and synthetic data, equal to those of `benches/peers/torch_bench.py`.
mod workload;

fn main() {
    let quick = std::env::args().any(|arg| arg == "--test");
    let home = cupola_testkit::temporary();
    let home = cupola_registry::Home::new(home.path().to_owned());
    for workload in workload::all(quick) {
        train_step::run(&home, &workload);
        predict_row::run(&home, &workload, quick);
    }
}

/// Prints one measurement as a JSON line.
fn report(stage: &str, workload: &str, by: &str, mut seconds: Vec<f64>) {
    seconds.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let index = ((seconds.len() - 1) as f64 * share) as usize;
        seconds[index] * 1e6
    };
    let line = serde_json::json!({ "stage": stage, "workload": workload, "by": by,
        "median_us": at(0.5), "p90_us": at(0.9), "n": seconds.len() });
    println!("{line}");
}
