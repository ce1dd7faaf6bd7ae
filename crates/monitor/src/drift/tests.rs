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
            // Distances of two permutations that are equal but for rounding, which depends on the order of a set in Python.
            let tolerance = if name == "TVD" { 0.002 } else { 1e-9 };
            assert!((score - expected).abs() < tolerance, "{name}: {score}, expected {expected}: {label}");
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

/// Texts as `scripts/golden/embeddings.py` makes them.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn texts(spec: &Value) -> ObservedColumn {
    const MODULUS: u64 = 1_000_003;
    let list: Vec<&str> = "the late train was cancelled at night refund please pay back ticket price seat window friendly \
         staff coffee cold warm station delay hour minute platform luggage lost found phone app crash login password order"
        .split(' ')
        .collect();
    let [n, words, from, a, b] = ["n", "words", "from", "a", "b"].map(|name| spec[name].as_u64().unwrap());
    let mut collector = ColumnCollector::new(ObservedKind::Text, usize::MAX);
    for row in 0..n {
        let unit = |at: u64| ((row * a + at * 7919 + row * at * 31 + b) % MODULUS) as f64 / MODULUS as f64;
        let count = 2 + (unit(99) * 9.0) as u64;
        let place = |at| ((unit(at) * unit(at) * words as f64) as u64 + from) as usize % list.len();
        let text: Vec<&str> = (0..count).map(|at| list[place(at)]).collect();
        collector.push_text(Some(&text.join(" ")));
    }
    collector.finish()
}

#[test]
fn texts_have_the_scores_and_verdicts_of_evidently() {
    let golden: Value = serde_json::from_str(include_str!("golden/texts.json")).unwrap();
    for case in golden.as_array().unwrap() {
        let (reference, current) = (texts(&case["reference"]), texts(&case["current"]));
        let drift = |options: &DriftOptions| ColumnDrift::between(key("t"), &reference, &current, options);
        assert_eq!(drift(&DriftOptions::default()).method.name(), case["default"], "{case}");
        for (name, expected) in case["scores"].as_object().unwrap() {
            let found =
                drift(&DriftOptions { methods: vec![DriftMethod::parse(name).unwrap()], threshold: None });
            let (score, wanted) = (found.score.unwrap(), expected[0].as_f64().unwrap());
            assert!((score - wanted).abs() < 1e-9, "{name}: {score}, expected {wanted}: {case}");
            assert_eq!(Value::from(found.drifted), expected[1], "{name}: {case}");
            if name.starts_with("perc") {
                assert!(
                    (found.threshold - case["limit"].as_f64().unwrap()).abs() < 1e-12,
                    "{}",
                    found.threshold
                );
            }
        }
    }
}

#[test]
fn texts_are_compared_with_the_words_that_a_profile_has() {
    let list: Vec<String> = (0..60).map(|word| format!("word{word}")).collect();
    let column = |rows: u64, from: u64| {
        let mut collector = ColumnCollector::new(ObservedKind::Text, usize::MAX);
        let mut state = 17 + rows;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..rows {
            let text: Vec<&str> =
                (0..8).map(|_| list[usize::try_from(from + draw(30)).unwrap()].as_str()).collect();
            collector.push_text(Some(&text.join(" ")));
        }
        collector.finish()
    };
    let (name, role, class) = ("t".to_owned(), ColumnRole::Input, None);
    let named = NamedColumn { name, role, class, column: column(3000, 0) };
    let profile = ReferenceProfile::build("", 1, None, &[named], false).unwrap();
    assert!(profile.to_json().len() < 100_000);
    let profile = ReferenceProfile::parse(&profile.to_json()).unwrap();
    let sealed = profile.columns[0].observed();
    let drift = |from: u64| {
        let found = ColumnDrift::between(key("t"), &sealed, &column(500, from), &DriftOptions::default());
        (found.method, found.drifted, found.score.unwrap())
    };
    let same = drift(0);
    assert!(same.0 == DriftMethod::TextContentPercentile && (0.4..0.6).contains(&same.2), "{same:?}");
    let moved = drift(20);
    assert!(moved.1 && moved.2 > 0.8, "{moved:?}");
}
