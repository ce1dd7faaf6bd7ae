//! Made-up evaluations of each kind of target.

use cupola_report::{
    Bar, ClassificationDetail, ColumnProfile, ComparedMetric, Comparison, DataSection, Dependence, Detail,
    Distribution, ErrorSlice, Evaluation, ForecastDetail, Histogram, Importance, Latency, LearningCurve,
    Line, Metric, ModelSection, OperatingPoint, RegressionDetail, ScoreDetail, SplitEvaluation, Subgroup,
    SubgroupTable, TargetEvaluation, WorstContent, WorstError,
};

/// Handwritten digits of 8 by 8 pixels as PNG in Base64.
const DIGITS: [&str; 3] = [
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAN0lEQVR42mNgYDiwgAECHvz//wDMuPD/wwIBEGPD//8FEDmHAjjr/wQQFeBw4L8DiDHh/3+gAQD29hVXLeWtDgAAAABJRU5ErkJggg==",
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAPElEQVR42mNgCDhw4f9/BQYGhg3/PzQ4AGmGhgcbBBjAjP//H4AZAgkJ/xkgIOC/AVgk4MMFMN/hA1gzAFIXFJmdkK3RAAAAAElFTkSuQmCC",
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAOUlEQVR42mNgYHjw/0ECAwgULPj/3wDMCvj/XwDMUPjfwAABBy5ARBgc/heAlUx4AGFc+P9/gQADANDcFFcTlFZLAAAAAElFTkSuQmCC",
];

/// Documents by name.
pub fn all() -> Vec<(&'static str, Evaluation)> {
    vec![
        ("digits", digits()),
        ("census", census()),
        ("diamonds", diamonds()),
        ("spam", spam()),
        ("forecast", forecast()),
        ("anomaly", anomaly()),
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

fn digits() -> Evaluation {
    let classes: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    let mut draw = draws(3);
    let confusion: Vec<Vec<u64>> = (0..10)
        .map(|target| {
            (0..10).map(|p| if p == target { 97 } else { (draw() * draw() * 2.6) as u64 }).collect()
        })
        .collect();
    let curve = |f: &dyn Fn(f64, f64) -> f64| {
        (0..10).map(|at| line(&at.to_string(), 60, |x| f(x, 0.02 + 0.01 * f64::from(at)))).collect::<Vec<_>>()
    };
    let detail = ClassificationDetail {
        reports: (0..10)
            .map(|at| {
                (0.99 - 0.004 * f64::from(at), 0.98, 0.985 - 0.003 * f64::from(at), 98 + u64::from(at as u8))
            })
            .collect(),
        confusion,
        roc: curve(&|x, k| x.powf(k)),
        precision_recall: curve(&|x, k| 1.0 - k * x.powi(8) * 8.0),
        calibration: curve(&|x, k| (x + k * (x * 9.0).sin()).clamp(0.0, 1.0)),
        scores: classes
            .iter()
            .map(|class| (class.clone(), bell(0.0, 1.0, 1.0, 0.1, 90.0), bell(0.0, 1.0, 0.0, 0.08, 800.0)))
            .collect(),
        gain: curve(&|x, k| (x * (9.0 - k)).min(1.0)),
        lift: curve(&|x, _| if x < 0.1 { 10.0 } else { 1.0 / x }),
        classes,
        operating_point: None,
    };
    let worst = (0..24)
        .map(|at| WorstError {
            row: 11 + 37 * at,
            target: ((at * 7) % 10).to_string(),
            predicted: ((at * 3 + 1) % 10).to_string(),
            error: 6.1 - 0.2 * at as f64,
            content: WorstContent::Picture(DIGITS[at as usize % DIGITS.len()].into()),
        })
        .collect();
    let target = TargetEvaluation {
        target: "label".into(),
        metrics: vec![
            metric("accuracy", 0.9733, 0.0091, 0.1017, true),
            metric("balanced_accuracy", 0.9729, 0.0095, 0.1, true),
            metric("f1_macro", 0.9731, 0.0093, 0.0185, true),
            metric("roc_auc_ovr", 0.9991, 0.0006, 0.5, true),
            metric("log_loss", 0.0912, 0.0214, 2.3026, false),
            metric("ece", 0.0112, 0.004, 0.0017, false),
            metric("mcc", 0.9703, 0.0101, 0.0, true),
        ],
        detail: Detail::Classification(Box::new(detail)),
        worst,
        ..TargetEvaluation::default()
    };
    let valid = TargetEvaluation { worst: Vec::new(), detail: Detail::None, ..target.clone() };
    let mut curves = learning("loss", 2.3, 0.04);
    curves.extend(learning("accuracy", 0.1, 0.985));
    Evaluation {
        model: model("digits:3", "mlp"),
        data: None,
        learning: curves,
        splits: vec![split("valid", 898, valid), split("test", 899, target)],
        comparison: Some(Comparison {
            first: "digits:2".into(),
            second: "digits:3".into(),
            rows: 899,
            metrics: vec![
                ComparedMetric {
                    name: "accuracy".into(),
                    first: Some(0.9611),
                    second: Some(0.9733),
                    difference: Some(0.0122),
                    interval: Some((0.0022, 0.0223)),
                    p_value: Some(0.0192),
                    test: Some("McNemar".into()),
                },
                ComparedMetric {
                    name: "log_loss".into(),
                    first: Some(0.1313),
                    second: Some(0.0912),
                    difference: Some(-0.0401),
                    interval: Some((-0.0622, -0.0193)),
                    p_value: Some(0.0002),
                    test: Some("bootstrap".into()),
                },
            ],
            verdict: "digits:3 is better: accuracy +0.0122 (95 % interval +0.0022 to +0.0223).".into(),
        }),
    }
}

fn group(values: &[&str], rows: u64, shift: f64) -> Subgroup {
    let spread = 0.9 / (rows as f64).sqrt();
    Subgroup {
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        rows,
        metrics: vec![
            metric("accuracy", 0.86 + shift, spread, 0.7, true),
            metric("recall", 0.61 + shift * 1.7, spread * 1.8, 0.0, true),
            Metric {
                value: None,
                undefined: Some("one class only".into()),
                ..metric("roc_auc", 0.9, 0.0, 0.5, true)
            },
        ],
    }
}

fn census() -> Evaluation {
    let detail = ClassificationDetail {
        classes: vec!["<=50K".into(), ">50K".into()],
        reports: vec![(0.894, 0.943, 0.918, 11_360), (0.781, 0.652, 0.711, 3700)],
        confusion: vec![vec![10_712, 648], vec![1288, 2412]],
        roc: vec![line(">50K", 100, |x| x.powf(0.11))],
        precision_recall: vec![line(">50K", 100, |x| 1.0 - 0.75 * x.powi(4))],
        calibration: vec![line(">50K", 10, |x| (x - 0.04 * (x * 6.0).sin()).clamp(0.0, 1.0))],
        scores: vec![(">50K".into(), bell(0.0, 1.0, 0.8, 0.3, 320.0), bell(0.0, 1.0, 0.05, 0.2, 3100.0))],
        gain: vec![line(">50K", 40, |x| (x * 3.1).min(1.0).powf(0.8))],
        lift: vec![line(">50K", 40, |x| 1.0 + 3.0 * (1.0 - x).powi(2))],
        operating_point: Some(OperatingPoint {
            threshold: 0.44,
            false_positive_rate: 0.057,
            recall: 0.73,
            precision: 0.79,
        }),
    };
    let gap = |name: &str, value: f64| Metric {
        baseline: None,
        larger_is_better: Some(false),
        ..metric(name, value, 0.021, 0.0, false)
    };
    let subgroups = vec![
        SubgroupTable {
            columns: vec!["sex".into()],
            groups: vec![group(&["Male"], 10_020, -0.02), group(&["Female"], 5040, 0.05)],
            left_out: 0,
            gaps: vec![gap("demographic_parity_difference", 0.182), gap("equalized_odds_difference", 0.091)],
        },
        SubgroupTable {
            columns: vec!["sex".into(), "age_band".into()],
            groups: vec![
                group(&["Male", "30 to 39"], 2810, -0.03),
                group(&["Male", "40 to 49"], 2401, -0.05),
                group(&["Female", "below 30"], 1890, 0.09),
                group(&["Male", "below 30"], 2450, 0.07),
                group(&["Female", "60 and above, not retired"], 131, 0.01),
            ],
            left_out: 2,
            gaps: vec![gap("demographic_parity_difference", 0.341)],
        },
    ];
    let importance = [
        ("capital.gain", 0.062),
        ("relationship", 0.047),
        ("education.num", 0.041),
        ("age", 0.026),
        ("hours.per.week", 0.013),
        ("occupation", 0.0121),
        ("race", 0.0004),
        ("native.country", -0.0003),
    ];
    let numbers = |column: &str| Dependence {
        column: column.into(),
        class: Some(">50K".into()),
        partial: line("", 20, |x| 0.1 + 0.3 * x * (1.6 - x))
            .points
            .into_iter()
            .map(|(x, y)| (17.0 + 70.0 * x, y))
            .collect(),
        accumulated: line("", 20, |x| 0.12 + 0.25 * x * (1.5 - x))
            .points
            .into_iter()
            .map(|(x, y)| (17.0 + 70.0 * x, y))
            .collect(),
        categories: Vec::new(),
    };
    let target = TargetEvaluation {
        target: "income".into(),
        metrics: vec![
            metric("roc_auc", 0.9214, 0.0046, 0.5, true),
            metric("accuracy", 0.8716, 0.0053, 0.7543, true),
            metric("precision", 0.7882, 0.0141, 0.0, true),
            metric("recall", 0.6519, 0.0153, 0.0, true),
            metric("f1", 0.7136, 0.0122, 0.0, true),
            metric("average_precision", 0.8102, 0.0117, 0.2457, true),
            metric("log_loss", 0.2794, 0.0073, 0.5574, false),
            metric("brier", 0.0891, 0.0026, 0.1853, false),
            metric("ece", 0.0081, 0.0021, 0.0003, false),
            Metric {
                name: "top_5_accuracy".into(),
                undefined: Some("there are two classes".into()),
                larger_is_better: Some(true),
                ..Metric::default()
            },
        ],
        detail: Detail::Classification(Box::new(detail)),
        subgroups,
        slices: vec![
            ErrorSlice {
                condition: "relationship = Husband and education.num > 12 and age > 44".into(),
                rows: 1022,
                error: 0.541,
                overall: 0.279,
            },
            ErrorSlice {
                condition: "capital.gain in 5178 to 7688 and hours.per.week > 50".into(),
                rows: 118,
                error: 0.433,
                overall: 0.279,
            },
        ],
        worst: (0..6)
            .map(|at| WorstError {
                row: 118 + at * 991,
                target: ">50K".into(),
                predicted: "<=50K".into(),
                error: 5.2 - 0.3 * at as f64,
                content: WorstContent::Columns(
                    [
                        ("age", "23"),
                        ("workclass", "Private"),
                        ("education", "HS-grad"),
                        ("occupation", "Handlers-cleaners"),
                        ("capital.gain", "0"),
                        ("hours.per.week", "40"),
                        ("native.country", "United-States"),
                    ]
                    .map(|(column, value)| (column.into(), value.into()))
                    .to_vec(),
                ),
            })
            .collect(),
        importance: importance
            .map(|(column, increase)| Importance {
                column: column.into(),
                increase,
                interval: Some((increase - 0.003, increase + 0.003)),
            })
            .to_vec(),
        dependence: vec![
            numbers("age"),
            numbers("hours.per.week"),
            Dependence {
                column: "relationship".into(),
                class: Some(">50K".into()),
                partial: vec![(0.0, 0.34), (1.0, 0.19), (2.0, 0.13), (3.0, 0.11)],
                accumulated: Vec::new(),
                categories: ["Husband", "Not-in-family", "Own-child", "Unmarried"].map(Into::into).to_vec(),
            },
        ],
    };
    let number = |name: &str, missing: [f64; 3], plot: fn(f64) -> Histogram| ColumnProfile {
        name: name.into(),
        kind: "number".into(),
        role: "input".into(),
        missing: missing.to_vec(),
        distributions: [8.0, 2.0, 2.0].map(|rows| Distribution::Numbers(plot(rows))).to_vec(),
    };
    let values = |name: &str, role: &str, top: &[(&str, f64)], other: f64| ColumnProfile {
        name: name.into(),
        kind: "category".into(),
        role: role.into(),
        missing: vec![0.056, 0.054, 0.061],
        distributions: vec![
            Distribution::Values {
                top: top.iter().map(|(label, value)| Bar { label: (*label).into(), value: *value }).collect(),
                other,
            };
            3
        ],
    };
    Evaluation {
        model: model("census:1", "gbdt"),
        data: Some(DataSection {
            source: "data/census.csv".into(),
            splits: vec![("train".into(), 26_049), ("valid".into(), 3256), ("test".into(), 15_060)],
            columns: vec![
                number("age", [0.0; 3], |rows| bell(17.0, 90.0, 36.0, 18.0, rows * 100.0)),
                number("hours.per.week", [0.0, 0.0, 0.002], |rows| bell(1.0, 99.0, 40.0, 8.0, rows * 300.0)),
                values(
                    "workclass",
                    "input",
                    &[
                        ("Private", 22_696.0),
                        ("Self-emp-not-inc", 2541.0),
                        ("Local-gov", 2093.0),
                        ("State-gov", 1298.0),
                    ],
                    412.0,
                ),
                values("income", "target", &[("<=50K", 24_720.0), (">50K", 7841.0)], 0.0),
            ],
        }),
        learning: learning("log_loss", 0.69, 0.26),
        splits: vec![split("test", 15_060, target)],
        comparison: None,
    }
}

fn diamonds() -> Evaluation {
    let mut draw = draws(5);
    let mut predicted = Vec::new();
    for _ in 0..2000 {
        let price = 400.0 + 18_000.0 * draw().powi(3);
        predicted.push((price, price + normal(&mut draw) * (60.0 + price * 0.06)));
    }
    let residuals: Vec<(f64, f64)> = predicted.iter().map(|(target, p)| (*p, target - p)).collect();
    let mut sorted: Vec<f64> = residuals.iter().map(|(_, residual)| residual / 480.0).collect();
    sorted.sort_by(f64::total_cmp);
    let mut ideal: Vec<f64> = (0..2000).map(|_| normal(&mut draw)).collect();
    ideal.sort_by(f64::total_cmp);
    let detail = RegressionDetail {
        unit: "USD".into(),
        residual_histogram: bell(-2400.0, 2400.0, 0.0, 420.0, 310.0),
        qq: ideal.into_iter().zip(sorted).collect(),
        predicted,
        residuals,
    };
    let target = TargetEvaluation {
        target: "price".into(),
        metrics: vec![
            metric("rmse", 541.2, 22.4, 3989.4, false),
            metric("mae", 272.1, 6.1, 3020.1, false),
            metric("mape", 0.0672, 0.0011, 1.8931, false),
            metric("r2", 0.9816, 0.0016, 0.0, true),
        ],
        detail: Detail::Regression(Box::new(detail)),
        slices: vec![ErrorSlice {
            condition: "carat > 2.1 and clarity = SI2".into(),
            rows: 211,
            error: 1210.4,
            overall: 272.1,
        }],
        ..TargetEvaluation::default()
    };
    Evaluation {
        model: model("diamonds:2", "gbdt"),
        splits: vec![split("test", 5394, target)],
        ..Evaluation::default()
    }
}

fn spam() -> Evaluation {
    let texts = [
        "Congratulations ur awarded 500 of CD vouchers or 125gift guaranteed & Free entry 2 100 wkly draw txt MUSIC to 87066 <a href=\"http://www.txt87.com\">TnCs</a>",
        "Sorry, I'll call later",
        "מבצע מיוחד! לחץ כאן כדי לקבל הנחה של 50% \u{202e}evil",
    ];
    let target = TargetEvaluation {
        target: "label".into(),
        metrics: vec![
            metric("f1", 0.9511, 0.0312, 0.0, true),
            metric("accuracy", 0.9871, 0.0081, 0.8661, true),
        ],
        worst: texts
            .iter()
            .enumerate()
            .map(|(at, text)| WorstError {
                row: 5 + at as u64,
                target: "spam".into(),
                predicted: "ham".into(),
                error: 4.1,
                content: WorstContent::Text((*text).into()),
            })
            .collect(),
        ..TargetEvaluation::default()
    };
    Evaluation {
        model: model("spam:1", "text"),
        splits: vec![split("test", 1115, target)],
        ..Evaluation::default()
    }
}

fn forecast() -> Evaluation {
    let wave = |phase: f64, noise: f64| {
        let mut draw = draws(11);
        (0..24)
            .map(|step| {
                (f64::from(step), 300.0 + 120.0 * (f64::from(step) / 3.8 + phase).sin() + noise * draw())
            })
            .collect()
    };
    let windows = (0..4)
        .map(|at| {
            let phase = f64::from(at);
            let of = |label: &str, noise| Line { label: label.into(), points: wave(phase, noise) };
            (format!("{}", at + 1), of("expected", 60.0), of("forecast", 10.0))
        })
        .collect();
    let steps = (1..=24).map(|step| (f64::from(step), 12.0 + 9.0 * f64::from(step).sqrt())).collect();
    let detail = ForecastDetail { by_step: vec![Line { label: "rmse".into(), points: steps }], windows };
    let target = TargetEvaluation {
        target: "passengers".into(),
        metrics: vec![metric("mase", 0.71, 0.06, 1.0, false), metric("smape", 0.081, 0.007, 0.113, false)],
        detail: Detail::Forecast(Box::new(detail)),
        ..TargetEvaluation::default()
    };
    Evaluation {
        model: model("airline:4", "gru"),
        splits: vec![split("test", 96, target)],
        ..Evaluation::default()
    }
}

fn anomaly() -> Evaluation {
    let detail = ScoreDetail {
        normal: bell(0.0, 1.0, 0.2, 0.12, 410.0),
        anomalies: Some(bell(0.0, 1.0, 0.7, 0.2, 60.0)),
        threshold: Some(0.52),
        precision_recall: vec![line("anomaly", 60, |x| 1.0 - 0.6 * x.powi(6))],
    };
    let target = TargetEvaluation {
        target: "anomaly".into(),
        metrics: vec![
            metric("average_precision", 0.871, 0.03, 0.1, true),
            metric("precision_at_100", 0.93, 0.04, 0.1, true),
        ],
        detail: Detail::Score(Box::new(detail)),
        ..TargetEvaluation::default()
    };
    Evaluation {
        model: model("pumps:1", "autoencoder"),
        splits: vec![split("test", 4100, target)],
        ..Evaluation::default()
    }
}
