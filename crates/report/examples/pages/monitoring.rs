//! Made-up drift of a model.

use cupola_report::{MonitoredChunk, MonitoredColumn, MonitoredRelations, MonitoredShape, MonitoringPage};

/// Drift of four columns.
pub fn page() -> MonitoringPage {
    let bell =
        |middle: f64| (0..24).map(|bin| (-(f64::from(bin) - middle).powi(2) / 20.0).exp() / 8.0).collect();
    let edges: Vec<f64> = (0..=24).map(f64::from).collect();
    let number = |name: &str, role: &str, shift: f64| MonitoredColumn {
        name: name.into(),
        role: role.into(),
        kind: "number".into(),
        method: "wasserstein".into(),
        score: Some(0.04 + shift / 8.0),
        threshold: 0.1,
        drifted: shift > 1.0,
        mean: [Some(10.0), Some(10.0 + shift)],
        unseen: Some(shift / 100.0),
        shape: MonitoredShape::Bins(edges.clone(), [bell(10.0), bell(10.0 + shift)]),
        ..MonitoredColumn::default()
    };
    let mut category = MonitoredColumn {
        name: "contract".into(),
        kind: "category".into(),
        method: "chisquare".into(),
        is_p_value: true,
        score: Some(0.0003),
        threshold: 0.05,
        missing: [0.0, 0.12],
        shape: MonitoredShape::Values(
            ["month-to-month", "one year", "two years", "a value with a long name"].map(String::from).into(),
            [vec![0.6, 0.25, 0.15, 0.0], vec![0.4, 0.3, 0.2, 0.1]],
        ),
        ..number("contract", "input", 2.0)
    };
    category.mean = [None, None];
    let columns = vec![category, number("age", "input", 4.0), number("income", "input", 0.2)];
    MonitoringPage {
        package: "churn:3".into(),
        data: "today.csv".into(),
        rows: 12_345,
        reference: "the 9000 rows that the model was trained with".into(),
        compared: 4,
        drifted: 2,
        max_share: 0.5,
        verdict: "The data has drifted.".into(),
        columns: columns.into_iter().chain([number("churn = yes", "probability", 0.5)]).collect(),
        relations: Some(relations()),
        embeddings: None,
        notes: vec!["the data has no target `churn`, so its drift is not known".into()],
    }
}

/// Chunks whose relations change after the sixth.
fn relations() -> MonitoredRelations {
    let chunk = |at: u32, error: f64| MonitoredChunk {
        name: format!("[{}:{}]", at * 500, at * 500 + 499),
        rows: 500,
        error,
        confidence: Some((error - 0.04, error + 0.04)),
        alert: error > 1.2,
    };
    let wave = |at: u32| 1.1 + f64::from(at * 7 % 5) * 0.01;
    MonitoredRelations {
        columns: 3,
        components: 2,
        explained: 0.71,
        thresholds: [Some(1.05), Some(1.2)],
        reference: (0..10).map(|at| chunk(at, wave(at))).collect(),
        current: (0..10).map(|at| chunk(at, wave(at) + if at > 5 { 0.2 } else { 0.0 })).collect(),
    }
}
