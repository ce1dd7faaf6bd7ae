use serde_json::Value;

use super::*;

/// Vectors as `scripts/golden/embeddings.py` makes them.
#[allow(clippy::cast_precision_loss)]
fn rows(spec: &Value) -> EmbeddingRows {
    const MODULUS: u64 = 1_000_003;
    let [n, width, a, b] = ["n", "width", "a", "b"].map(|name| spec[name].as_u64().unwrap());
    let [scale, shift] = ["scale", "shift"].map(|name| spec[name].as_f64().unwrap());
    let mut rows = EmbeddingRows::new(usize::try_from(width).unwrap(), usize::MAX);
    for row in 0..n {
        let unit = |at: u64| ((row * a + at * 7919 + row * at * 31 + b) % MODULUS) as f64 / MODULUS as f64;
        rows.push((0..width).map(|at| (unit(at) - 0.5) * scale + if at % 3 == 0 { shift } else { 0.0 }));
    }
    rows
}

#[test]
fn scores_and_verdicts_are_those_of_evidently() {
    let golden: Value = serde_json::from_str(include_str!("../golden/embeddings.json")).unwrap();
    for case in golden.as_array().unwrap() {
        let (reference, current) = (rows(&case["reference"]), rows(&case["current"]));
        for (name, expected) in case["scores"].as_object().unwrap() {
            let method = EmbeddingMethod::parse(name).unwrap();
            let found = EmbeddingDrift::between(&reference, &current, method, None);
            let (score, wanted) = (found.score.unwrap(), expected[0].as_f64().unwrap());
            assert!((score - wanted).abs() < 1e-9, "{name}: {score}, expected {wanted}: {case}");
            assert_eq!(Value::from(found.drifted), expected[1], "{name}: {case}");
        }
    }
}

#[test]
fn many_rows_are_thinned_evenly_and_empty_sides_have_no_score() {
    let mut rows = EmbeddingRows::new(1, 4);
    (0..20u8).for_each(|row| rows.push([f64::from(row)]));
    assert_eq!((rows.every(), rows.component(0).collect::<Vec<_>>()), (8, vec![0.0, 8.0, 16.0]));
    let empty = EmbeddingRows::new(1, 4);
    for method in EmbeddingMethod::ALL {
        assert_eq!(EmbeddingDrift::between(&rows, &empty, method, None).score, None);
        assert!(!EmbeddingDrift::between(&empty, &rows, method, None).drifted);
    }
    assert!(
        EmbeddingMethod::parse("modell").unwrap_err().to_string().contains("expected one of model, ratio")
    );
}
