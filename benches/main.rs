//! Times of the stages, as JSON lines for `scripts/bench`, which runs the peers beside them.
//!
//! `cargo bench -- --test` runs everything once, to see that it works.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench says what went wrong by stopping")]

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One row through the sealed plan and an engine.
mod predict_row;
/// A whole training step: gather, forward, backward, optimiser.
mod train_step;
/// The networks and data that the peers have too.
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

/// Prints one measurement.
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
