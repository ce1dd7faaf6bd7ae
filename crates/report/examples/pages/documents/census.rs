//! Two classes of rows with subgroups, explanations and profiles of the columns.

use super::{bell, learning, line, metric, model, split};
use cupola_report::{
    Bar, ClassificationDetail, ColumnSummary, DataSection, Dependence, Detail, Distribution, ErrorSlice,
    Evaluation, Histogram, Importance, Metric, OperatingPoint, Subgroup, SubgroupTable, TargetEvaluation,
    WorstContent, WorstError,
};

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

pub fn census() -> Evaluation {
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
        rows: 200,
        mean: Some(0.21),
        accumulated: line("", 20, |x| -0.09 + 0.25 * x * (1.5 - x))
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
                interval: Some((0.5021, 0.5809)),
            },
            ErrorSlice {
                condition: "capital.gain in 5178 to 7688 and hours.per.week > 50".into(),
                rows: 118,
                error: 0.433,
                overall: 0.279,
                interval: Some((0.3312, 0.5401)),
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
                rows: 200,
                mean: Some(0.21),
                partial: vec![(0.0, 0.34), (1.0, 0.19), (2.0, 0.13), (3.0, 0.11)],
                accumulated: Vec::new(),
                categories: ["Husband", "Not-in-family", "Own-child", "Unmarried"].map(Into::into).to_vec(),
            },
        ],
    };
    let number = |name: &str, missing: [f64; 3], plot: fn(f64) -> Histogram| ColumnSummary {
        name: name.into(),
        kind: "number".into(),
        role: "input".into(),
        missing: missing.to_vec(),
        distributions: [8.0, 2.0, 2.0].map(|rows| Distribution::Numbers(plot(rows))).to_vec(),
    };
    let values = |name: &str, role: &str, top: &[(&str, f64)], other: f64| ColumnSummary {
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
