//! Functions to compare samplers on. `scripts/samplers/functions.py` has the same ones for the peers.

use std::f64::consts::PI;

use cupola_tune::{ParamCondition, ParamDistribution, ParamValues, SearchSpace, SpaceParam, StudyDirection};
use serde_json::Value;

/// One function with its space.
pub struct TestFunction {
    pub name: &'static str,
    pub space: SearchSpace,
    pub directions: Vec<StudyDirection>,
    pub evaluate: fn(&SearchSpace, &ParamValues) -> Vec<f64>,
}

pub const NAMES: [&str; 7] =
    ["branin", "hartmann6", "rosenbrock2", "rosenbrock5", "mixed", "conditional", "zdt1"];

/// Function of a name.
pub fn function(name: &str) -> Option<TestFunction> {
    let minimize = vec![StudyDirection::Minimize];
    let known = NAMES.iter().find(|known| **known == name)?;
    let (space, directions, evaluate): (_, _, fn(&SearchSpace, &ParamValues) -> Vec<f64>) = match *known {
        "branin" => (space(&[("x0", float(-5.0, 10.0)), ("x1", float(0.0, 15.0))]), minimize, branin),
        "hartmann6" => (cube(6, 0.0, 1.0), minimize, hartmann6),
        "rosenbrock2" => (cube(2, -5.0, 10.0), minimize, rosenbrock),
        "rosenbrock5" => (cube(5, -5.0, 10.0), minimize, rosenbrock),
        "mixed" => (mixed_space(), minimize, mixed),
        "conditional" => (conditional_space(), minimize, conditional),
        _ => (cube(5, 0.0, 1.0), vec![StudyDirection::Minimize; 2], zdt1),
    };
    Some(TestFunction { name: known, space, directions, evaluate })
}

fn float(low: f64, high: f64) -> SpaceParam {
    ParamDistribution::float(low, high).into()
}

fn log(low: f64, high: f64) -> SpaceParam {
    ParamDistribution::Float { low, high, log: true, step: None }.into()
}

fn space(params: &[(&str, SpaceParam)]) -> SearchSpace {
    let params = params.iter().map(|(name, param)| ((*name).to_owned(), param.clone())).collect();
    SearchSpace::new(params).expect("a valid space")
}

fn cube(width: usize, low: f64, high: f64) -> SearchSpace {
    let params = (0..width).map(|place| (format!("x{place}"), float(low, high))).collect();
    SearchSpace::new(params).expect("a valid space")
}

fn branin(_: &SearchSpace, values: &ParamValues) -> Vec<f64> {
    let (x, y) = (values["x0"], values["x1"]);
    let parabola = y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0;
    vec![parabola.powi(2) + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0]
}

fn hartmann6(_: &SearchSpace, values: &ParamValues) -> Vec<f64> {
    const ALPHA: [f64; 4] = [1.0, 1.2, 3.0, 3.2];
    const A: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const P: [[f64; 6]; 4] = [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ];
    let term = |row: usize| {
        let sum: f64 = (0..6).map(|c| A[row][c] * (values[&format!("x{c}")] - P[row][c]).powi(2)).sum();
        ALPHA[row] * (-sum).exp()
    };
    vec![-(0..4).map(term).sum::<f64>()]
}

fn rosenbrock(_: &SearchSpace, values: &ParamValues) -> Vec<f64> {
    let x: Vec<f64> = values.values().copied().collect();
    vec![x.windows(2).map(|w| 100.0 * (w[1] - w[0] * w[0]).powi(2) + (1.0 - w[0]).powi(2)).sum()]
}

fn mixed_space() -> SearchSpace {
    space(&[
        ("x", float(-5.0, 5.0)),
        ("n", ParamDistribution::int(-10, 10).into()),
        ("rate", log(1e-5, 1.0)),
        ("width", ParamDistribution::Int { low: 8, high: 512, log: true, step: 1 }.into()),
        ("drop", ParamDistribution::Float { low: 0.0, high: 0.5, log: false, step: Some(0.1) }.into()),
        ("kind", ParamDistribution::categorical(&["a", "b", "c", "d"]).into()),
    ])
}

/// Each kind has its own optimum of `x`; the best value is zero.
fn mixed(_: &SearchSpace, values: &ParamValues) -> Vec<f64> {
    let kind = values["kind"];
    let x = values["x"] - (kind - 1.5);
    vec![
        x * x
            + 0.1 * (values["n"] - 3.0).powi(2)
            + (values["rate"].log10() + 2.5).powi(2)
            + (values["width"] / 64.0).log2().powi(2)
            + 10.0 * (values["drop"] - 0.2).powi(2)
            + if kind < 0.5 {
                1.0
            } else if kind < 1.5 {
                0.0
            } else if kind < 2.5 {
                2.0
            } else {
                0.5
            },
    ]
}

fn conditional_space() -> SearchSpace {
    let when = |kind: &str, mut param: SpaceParam| {
        param.condition = Some(ParamCondition { param: "kind".to_owned(), values: vec![Value::from(kind)] });
        param
    };
    space(&[
        ("kind", ParamDistribution::categorical(&["forest", "svm", "linear"]).into()),
        ("shift", float(0.0, 1.0)),
        ("depth", when("forest", ParamDistribution::int(1, 32).into())),
        ("trees", when("forest", ParamDistribution::Int { low: 10, high: 500, log: true, step: 1 }.into())),
        ("c", when("svm", log(1e-3, 1e3))),
        ("gamma", when("svm", log(1e-4, 10.0))),
        ("l2", when("linear", log(1e-6, 1.0))),
    ])
}

/// The kind with the lowest bound, `svm`, is the hardest to tune; the best value is zero.
fn conditional(space: &SearchSpace, values: &ParamValues) -> Vec<f64> {
    let shift = (values["shift"] - 0.3).powi(2);
    let kind = space.params()["kind"].distribution.to_external(values["kind"]);
    let rest = match kind.as_str() {
        Some("forest") => {
            0.3 + 0.002 * (values["depth"] - 12.0).powi(2) + 0.2 * (values["trees"] / 200.0).ln().powi(2)
        }
        Some("svm") => {
            let (c, gamma) = (values["c"].log10() - 1.0, values["gamma"].log10() + 2.0);
            0.3 * (c + gamma).powi(2) + 0.1 * (c - gamma).powi(2)
        }
        _ => 0.6 + 0.05 * (values["l2"].log10() + 4.0).powi(2),
    };
    vec![shift + rest]
}

fn zdt1(_: &SearchSpace, values: &ParamValues) -> Vec<f64> {
    let x: Vec<f64> = values.values().copied().collect();
    let g = 1.0 + 9.0 * x[1..].iter().sum::<f64>() / (x.len() - 1) as f64;
    vec![x[0], g * (1.0 - (x[0] / g).sqrt())]
}
