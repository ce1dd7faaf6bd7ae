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

/// Vectors of independent, roughly normal values.
fn noise(count: u64, width: u64, seed: u64, shift: f64) -> EmbeddingRows {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut unit = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f64::from(u32::try_from(state >> 32).unwrap()) / f64::from(u32::MAX)
    };
    let mut rows = EmbeddingRows::new(usize::try_from(width).unwrap(), usize::MAX);
    for _ in 0..count {
        rows.push((0..width).map(|_| (0..6).map(|_| unit()).sum::<f64>() - 3.0 + shift).collect::<Vec<_>>());
    }
    rows
}

#[test]
fn few_vectors_of_one_distribution_have_not_drifted_and_shifted_ones_have() {
    let reference = noise(300, 12, 1, 0.0);
    let (mut false_alarms, mut fixed) = (0, 0);
    for seed in 2..202 {
        let current = noise(150, 12, seed, 0.0);
        let found = EmbeddingDrift::between_samples(&reference, &current, EmbeddingMethod::Model);
        false_alarms += u32::from(found.drifted);
        fixed += u32::from(found.score.unwrap() > EmbeddingMethod::Model.threshold());
    }
    // One in a thousand is expected; the fixed threshold of Evidently is for more vectors.
    assert!(false_alarms <= 2 && fixed > 5, "{false_alarms} and {fixed} of 200");
    let shifted =
        EmbeddingDrift::between_samples(&reference, &noise(150, 12, 7, 0.5), EmbeddingMethod::Model);
    assert!(shifted.drifted && shifted.threshold > 0.55 && shifted.threshold < 0.65, "{shifted:?}");
    // With many vectors the threshold is that of Evidently.
    assert!(chance_area(5000, 5000) < 0.55 && (chance_area(0, 9) - 1.0).abs() < 1e-12);
}
