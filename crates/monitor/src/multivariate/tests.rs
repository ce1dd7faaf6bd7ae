use serde_json::Value;

use super::*;
use crate::performance::Chunking;

fn table(columns: &Value) -> FeatureTable {
    let column = |(name, values): (&String, &Value)| {
        let values = values.as_array().unwrap();
        let values = if values.iter().any(Value::is_string) {
            FeatureValues::Categories(values.iter().map(Value::as_str).collect())
        } else {
            FeatureValues::Numbers(values.iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect())
        };
        FeatureColumn { name: name.clone(), values }
    };
    FeatureTable { columns: columns.as_object().unwrap().iter().map(column).collect() }
}

fn between(reference: &FeatureTable, current: &FeatureTable, size: usize) -> MultivariateDrift {
    let chunks = |table: &FeatureTable| Chunking::Size(size).split(table.rows(), None).unwrap();
    MultivariateDrift::between((reference, &chunks(reference)), (current, &chunks(current))).unwrap()
}

fn close(found: Option<f64>, expected: &Value) -> bool {
    match (found, expected.as_f64()) {
        (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
        (found, expected) => found.is_none() && expected.is_none(),
    }
}

#[test]
fn errors_thresholds_and_alerts_equal_those_of_nannyml() {
    let golden: Value = serde_json::from_str(include_str!("../golden/multivariate.json")).unwrap();
    let size = usize::try_from(golden["chunk_size"].as_u64().unwrap()).unwrap();
    let found = between(&table(&golden["reference"]), &table(&golden["analysis"]), size);
    assert_eq!(found.components as u64, golden["components"]);
    assert!(close(Some(found.explained), &golden["explained"]));
    let expected = golden["chunks"].as_array().unwrap();
    let chunks: Vec<&ReconstructionChunk> = found.reference.iter().chain(&found.chunks).collect();
    assert_eq!(chunks.len(), expected.len());
    for (chunk, expected) in chunks.into_iter().zip(expected) {
        assert_eq!(chunk.key, expected["key"]);
        assert_eq!(chunk.alert, expected["alert"], "{expected}");
        let pairs = [
            ("error", Some(chunk.error)),
            ("sampling_error", chunk.sampling_error),
            ("lower_confidence", chunk.lower_confidence),
            ("upper_confidence", chunk.upper_confidence),
            ("lower_threshold", found.thresholds.lower),
            ("upper_threshold", found.thresholds.upper),
        ];
        for (name, own) in pairs {
            assert!(close(own, &expected[name]), "{name}: {own:?}, {expected}");
        }
    }
    assert!(found.alerts > 0 && found.alerts < found.chunks.len());
}

fn numbers(columns: Vec<Vec<f64>>) -> FeatureTable {
    let column =
        |(at, values)| FeatureColumn { name: format!("c{at}"), values: FeatureValues::Numbers(values) };
    FeatureTable { columns: columns.into_iter().enumerate().map(column).collect() }
}

#[test]
fn a_relation_that_breaks_is_seen_where_the_distributions_stay() {
    let wave = |row: u32| (f64::from(row) * 0.7).sin();
    let noise = |row: u32| (f64::from(row) * 12.9).sin() * 0.05;
    let x: Vec<f64> = (0..1000).map(wave).collect();
    let y: Vec<f64> = (0..1000).map(|row| wave(row) + noise(row)).collect();
    let mut turned = y.clone();
    turned.reverse();
    let reference = numbers(vec![x.clone(), y.clone()]);
    assert_eq!(between(&reference, &reference, 100).alerts, 0);
    let found = between(&reference, &numbers(vec![x, turned]), 100);
    assert_eq!((found.components, found.alerts), (1, 10));
}

#[test]
fn hostile_columns_neither_panic_nor_count() {
    let odd = numbers(vec![
        vec![f64::NAN; 4],
        vec![5.0; 4],
        vec![f64::MAX, f64::MIN, 1.0, f64::INFINITY],
        vec![1.0, 2.0, 3.0, 4.0],
    ]);
    let found = between(&odd, &odd, 3);
    assert_eq!(found.left_out, ["c0"]);
    assert!(found.chunks.iter().all(|chunk| chunk.error.is_finite()));
    // Values beyond all bounds are drift, not a missing number.
    let x: Vec<f64> = (0..50).map(f64::from).collect();
    let far = numbers(vec![vec![f64::MAX; 50], vec![f64::MIN; 50]]);
    let found = between(&numbers(vec![x.clone(), x]), &far, 10);
    assert!(found.alerts == 5 && found.chunks.iter().all(|chunk| chunk.error.is_finite()));
    let single = numbers(vec![vec![1.0, 2.0]]);
    let chunks = Chunking::Size(2).split(2, None).unwrap();
    let few = MultivariateDrift::between((&single, &chunks), (&single, &chunks)).unwrap_err();
    assert!(few.to_string().contains("two columns"), "{few}");
    let current = numbers(vec![vec![1.0, 2.0]]);
    let lacking = MultivariateDrift::between((&odd, &chunks), (&current, &chunks)).unwrap_err();
    assert!(lacking.to_string().contains("`c1`"), "{lacking}");
    let mut halved = odd;
    halved.halve();
    assert_eq!(halved.rows(), 2);
}
