//! Classes of pictures, compared with another version.

use super::{bell, draws, learning, line, metric, model, split};
use cupola_report::{
    ClassificationDetail, ComparedMetric, Comparison, Detail, Evaluation, TargetEvaluation, WorstContent,
    WorstError,
};

/// Handwritten digits of 8 by 8 pixels as PNG in Base64.
const DIGITS: [&str; 3] = [
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAN0lEQVR42mNgYDiwgAECHvz//wDMuPD/wwIBEGPD//8FEDmHAjjr/wQQFeBw4L8DiDHh/3+gAQD29hVXLeWtDgAAAABJRU5ErkJggg==",
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAPElEQVR42mNgCDhw4f9/BQYGhg3/PzQ4AGmGhgcbBBjAjP//H4AZAgkJ/xkgIOC/AVgk4MMFMN/hA1gzAFIXFJmdkK3RAAAAAElFTkSuQmCC",
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAOUlEQVR42mNgYHjw/0ECAwgULPj/3wDMCvj/XwDMUPjfwAABBy5ARBgc/heAlUx4AGFc+P9/gQADANDcFFcTlFZLAAAAAElFTkSuQmCC",
];

pub fn digits() -> Evaluation {
    let classes: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    let mut draw = draws(3);
    let confusion: Vec<Vec<u64>> = (0..10)
        .map(|target| {
            (0..10)
                .map(|p| {
                    if p == target {
                        97
                    } else {
                        [0, 0, 0, 0, 0, 1, 1, 2].into_iter().find(|_| draw() > 0.8).unwrap_or(0)
                    }
                })
                .collect()
        })
        .collect();
    let curve = |f: &dyn Fn(f64, f64) -> f64| {
        (0..10).map(|at| line(&at.to_string(), 60, |x| f(x, 0.02 + 0.01 * f64::from(at)))).collect::<Vec<_>>()
    };
    let detail = ClassificationDetail {
        reports: (0..10_u32)
            .map(|at| (0.99 - 0.004 * f64::from(at), 0.98, 0.985 - 0.003 * f64::from(at), 98 + u64::from(at)))
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
    let worst = (0..24_u8)
        .map(|at| WorstError {
            row: 11 + 37 * u64::from(at),
            target: ((at * 7) % 10).to_string(),
            predicted: ((at * 3 + 1) % 10).to_string(),
            error: 6.1 - 0.2 * f64::from(at),
            content: WorstContent::Picture(DIGITS[usize::from(at) % DIGITS.len()].into()),
        })
        .collect();
    let target = TargetEvaluation {
        target: "label".into(),
        metrics: vec![
            metric("accuracy", 0.9733, 0.0091, 0.1017, true),
            metric("balanced_accuracy", 0.9729, 0.0095, 0.1, true),
            metric("f1_macro", 0.9731, 0.0093, 0.0185, true),
            metric("roc_auc_ovr", 0.9991, 0.0006, 0.5, true),
            metric("log_loss", 0.0912, 0.0214, 2.31, false),
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
