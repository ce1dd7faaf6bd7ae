//! Made-up evaluations of each kind of target.

#[path = "documents/census.rs"]
mod census;
#[path = "documents/digits.rs"]
mod digits;
#[path = "documents/numbers.rs"]
mod numbers;

use cupola_report::{
    Evaluation, Histogram, Latency, LearningCurve, Line, Metric, ModelSection, SplitEvaluation,
    TargetEvaluation,
};

/// Documents by name.
pub fn all() -> Vec<(&'static str, Evaluation)> {
    vec![
        ("digits", digits::digits()),
        ("census", census::census()),
        ("diamonds", numbers::diamonds()),
        ("spam", numbers::spam()),
        ("forecast", numbers::forecast()),
        ("anomaly", numbers::anomaly()),
    ]
}

/// Metric with an interval and a baseline.
fn metric(name: &str, value: f64, spread: f64, baseline: f64, larger: bool) -> Metric {
    Metric {
        name: name.into(),
        value: Some(value),
        undefined: None,
        interval: Some((value - spread, value + spread)),
        baseline: Some(baseline),
        larger_is_better: Some(larger),
    }
}

/// Numbers from 0 to 1 that look random.
fn draws(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Sum of twelve draws, which is nearly normal.
fn normal(draw: &mut impl FnMut() -> f64) -> f64 {
    (0..12).map(|_| draw()).sum::<f64>() - 6.0
}

fn line(label: &str, count: u32, f: impl Fn(f64) -> f64) -> Line {
    let points = (0..=count).map(|at| f64::from(at) / f64::from(count)).map(|x| (x, f(x))).collect();
    Line { label: label.into(), points }
}

fn histogram(low: f64, high: f64, counts: Vec<f64>) -> Histogram {
    let width = (high - low) / counts.len() as f64;
    Histogram { edges: (0..=counts.len()).map(|at| low + width * at as f64).collect(), counts }
}

fn bell(low: f64, high: f64, middle: f64, width: f64, rows: f64) -> Histogram {
    let at = |index: usize| low + (high - low) * (index as f64 + 0.5) / 24.0;
    histogram(
        low,
        high,
        (0..24).map(|i| (rows * (-((at(i) - middle) / width).powi(2)).exp()).round()).collect(),
    )
}

fn model(package: &str, family: &str) -> ModelSection {
    ModelSection {
        package: package.into(),
        family: family.into(),
        parameters: Some(318_410),
        bytes: 1_273_640,
        engine: "kernels, 1 CPU".into(),
        latency: Some(Latency { p50_us: 41.3, p99_us: 88.0, passes: 2000 }),
        run: Some("2026-11-27-bright-anvil".into()),
        created: Some("2026-11-27T11:02:09Z".into()),
        goal: Some("valid/accuracy".into()),
        facts: vec![("calibration".into(), "temperature 1.31".into())],
    }
}

fn learning(metric: &str, from: f64, to: f64) -> Vec<LearningCurve> {
    let mut draw = draws(7);
    [("train", 0.0), ("valid", (from - to) * 0.08)]
        .map(|(split, gap)| LearningCurve {
            metric: metric.into(),
            split: split.into(),
            points: (0..60)
                .map(|at| f64::from(at) * 100.0)
                .map(|step| {
                    (step, to + gap + (from - to) * (-step / 900.0).exp() + (from - to) * 0.01 * draw())
                })
                .collect(),
        })
        .to_vec()
}

fn split(name: &str, rows: u64, target: TargetEvaluation) -> SplitEvaluation {
    SplitEvaluation { split: name.into(), rows, targets: vec![target] }
}
