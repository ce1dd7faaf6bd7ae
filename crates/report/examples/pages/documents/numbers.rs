//! A regression, texts, a forecast and an anomaly score.

use super::{bell, draws, line, metric, model, normal, split};
use cupola_report::{
    Detail, ErrorSlice, Evaluation, ForecastDetail, Line, RegressionDetail, ScoreDetail, TargetEvaluation,
    WorstContent, WorstError,
};

pub fn diamonds() -> Evaluation {
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
            interval: Some((1077.0, 1361.2)),
        }],
        ..TargetEvaluation::default()
    };
    Evaluation {
        model: model("diamonds:2", "gbdt"),
        splits: vec![split("test", 5394, target)],
        ..Evaluation::default()
    }
}

pub fn spam() -> Evaluation {
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

pub fn forecast() -> Evaluation {
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
            (format!("window {}", at + 1), of("expected", 60.0), of("forecast", 10.0))
        })
        .collect();
    let steps = (1..=24).map(|step| (f64::from(step), 12.0 + 9.0 * f64::from(step).sqrt())).collect();
    let windows: Vec<(String, Line, Line)> = windows;
    let band = |(_, _, forecast): &(String, Line, Line)| {
        forecast
            .points
            .iter()
            .map(|(step, value)| (*step, value - 60.0 - step, value + 60.0 + step))
            .collect()
    };
    let detail = ForecastDetail {
        by_step: vec![Line { label: "rmse".into(), points: steps }],
        bands: windows.iter().map(band).collect(),
        windows,
        coverage: Some(0.9),
    };
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

pub fn anomaly() -> Evaluation {
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
