use serde_json::Value;

use super::*;
use crate::profile::{
    ColumnCollector, ColumnRole, NamedColumn, ObservedColumn, ObservedKind, ReferenceProfile,
};

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/evidently.json")).unwrap()
}

/// Squares of evenly spread numbers between 0 and 1, as `scripts/golden/drift.py` makes them.
#[allow(clippy::cast_precision_loss)]
fn squares(spec: &Value) -> impl Iterator<Item = f64> {
    const MODULUS: u64 = 1_000_003;
    let [n, a, b] = ["n", "a", "b"].map(|name| spec[name].as_u64().unwrap());
    (0..n).map(move |i| ((i * a + b) % MODULUS) as f64 / MODULUS as f64).map(|x| x * x)
}

fn numbers(spec: &Value) -> ObservedColumn {
    let [scale, shift] = ["scale", "shift"].map(|name| spec[name].as_f64().unwrap());
    let mut collector = ColumnCollector::new(ObservedKind::Number, usize::MAX);
    for square in squares(spec) {
        let value = square * scale + shift;
        collector.push_number(Some(if spec["whole"] == true { value.floor() } else { value }));
    }
    collector.finish()
}

fn categories(spec: &Value) -> ObservedColumn {
    let [k, shift] = ["k", "shift"].map(|name| spec[name].as_f64().unwrap());
    let mut collector = ColumnCollector::new(ObservedKind::Category, 0);
    for square in squares(spec) {
        collector.push_text(Some(&format!("v{}", (square * k).floor() + shift)));
    }
    collector.finish()
}

fn key(name: &str) -> DriftColumnKey {
    DriftColumnKey { name: name.to_owned(), role: ColumnRole::Input, class: None }
}

fn check(case: &Value, make: fn(&Value) -> ObservedColumn) {
    let (reference, current) = (make(&case["reference"]), make(&case["current"]));
    let drift = |options: &DriftOptions| ColumnDrift::between(key("x"), &reference, &current, options);
    let label = format!("{} {}", case["reference"], case["current"]);
    assert_eq!(drift(&DriftOptions::default()).method.name(), case["default"], "{label}");
    for (name, expected) in case["scores"].as_object().unwrap() {
        let methods = vec![DriftMethod::parse(name).unwrap()];
        let found = drift(&DriftOptions { methods, threshold: None });
        // SciPy has no p-value for a single category; here it is one.
        if let Some(expected) = expected[0].as_f64() {
            let score = found.score.unwrap();
            assert!((score - expected).abs() < 1e-9, "{name}: {score}, expected {expected}: {label}");
        }
        assert_eq!(Value::from(found.drifted), expected[1], "{name}: {label}");
        assert_eq!(Value::from(found.threshold), expected[2], "{name}");
    }
}

#[test]
fn numbers_have_the_scores_of_evidently() {
    golden()["numbers"].as_array().unwrap().iter().for_each(|case| check(case, numbers));
}

#[test]
fn categories_have_the_scores_of_evidently() {
    golden()["categories"].as_array().unwrap().iter().for_each(|case| check(case, categories));
}

#[test]
fn a_data_set_has_the_share_of_evidently() {
    let golden = &golden()["preset"];
    let columns = golden["columns"].as_array().unwrap();
    let compared = columns.iter().map(|column| {
        let [reference, current] = [0, 1].map(|side| numbers(&column["specs"][side]));
        ColumnDrift::between(
            key(column["name"].as_str().unwrap()),
            &reference,
            &current,
            &DriftOptions::default(),
        )
    });
    let found = DatasetDrift::of(compared.collect(), MAX_DRIFTED_SHARE);
    assert_eq!(Value::from(found.share), golden["share"]);
    assert_eq!(Value::from(found.drifted as f64), golden["count"]);
    for column in columns {
        let own = found.columns.iter().find(|own| own.key.name == column["name"].as_str().unwrap()).unwrap();
        assert!((own.score.unwrap() - column["score"].as_f64().unwrap()).abs() < 1e-9);
    }
    assert!(found.columns.windows(2).all(|pair| pair[0].severity >= pair[1].severity));
}

#[test]
fn a_sealed_profile_gives_nearly_the_scores_of_the_rows() {
    let golden = golden();
    for case in golden["numbers"].as_array().unwrap() {
        let (reference, current) = (numbers(&case["reference"]), numbers(&case["current"]));
        let named = NamedColumn {
            name: "x".to_owned(),
            role: ColumnRole::Input,
            class: None,
            column: reference.clone(),
        };
        let profile = ReferenceProfile::build("", 1, None, &[named], false).unwrap();
        let profile = ReferenceProfile::parse(&profile.to_json()).unwrap();
        let sealed = profile.columns[0].observed();
        let [exact, near] = [&reference, &sealed]
            .map(|side| ColumnDrift::between(key("x"), side, &current, &DriftOptions::default()));
        assert_eq!((exact.method, exact.drifted), (near.method, near.drifted), "{case}");
        assert!((exact.score.unwrap() - near.score.unwrap()).abs() < 0.01, "{case}");
    }
}

#[test]
fn columns_without_values_have_no_score() {
    let full = numbers(&serde_json::json!({"n": 50, "a": 7, "b": 1, "scale": 1.0, "shift": 0.0}));
    let mut empty = ColumnCollector::new(ObservedKind::Number, 10);
    empty.push_number(None);
    let empty = empty.finish();
    let between = |a, b| {
        let found = ColumnDrift::between(key("x"), a, b, &DriftOptions::default());
        (found.score, found.drifted)
    };
    assert_eq!(between(&full, &empty), (None, true));
    assert_eq!(between(&empty, &full), (None, false));
    assert_eq!(between(&empty, &empty), (None, false));
}

#[test]
fn texts_drift_with_their_words() {
    let column = |texts: &[&str]| {
        let mut collector = ColumnCollector::new(ObservedKind::Text, 100);
        for text in texts {
            collector.push_text(Some(text));
        }
        collector.finish()
    };
    let reference = column(&["the red house", "a Red, red house"]);
    let same = ColumnDrift::between(key("t"), &reference, &reference, &DriftOptions::default());
    assert_eq!((same.score, same.unseen, same.drifted), (Some(0.0), Some(0.0), false));
    let other = column(&["ein rotes haus"]);
    let moved = ColumnDrift::between(key("t"), &reference, &other, &DriftOptions::default());
    assert!((moved.score.unwrap() - 2f64.ln().sqrt()).abs() < 1e-12 && moved.drifted);
    assert_eq!(moved.unseen, Some(1.0));
}

#[test]
fn numbers_whose_squares_overflow_still_have_a_distance() {
    use crate::profile::SortedNumbers;
    let huge = SortedNumbers::of((0..100).map(|n| if n % 2 == 0 { 1e308 } else { -1e308 }));
    let ages = SortedNumbers::of((18..80).map(f64::from));
    let found = distance::wasserstein(&huge, &ages);
    assert!((found - 1.0).abs() < 1e-6, "{found}");
    assert!(distance::wasserstein(&huge, &huge).abs() < 1e-12);
}
