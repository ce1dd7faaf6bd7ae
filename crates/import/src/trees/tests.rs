//! Tests against the libraries' own predictions and contributions.

use std::path::PathBuf;

use cupola_prep::{Column, Frame, PredictedValue};
use serde::Deserialize;
use serde_json::Value;

use super::*;

mod hostile;

/// Rows with the library's predictions, one number per output, and the contributions of the first rows.
#[derive(Deserialize)]
struct Case {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
    predictions: Vec<Vec<f64>>,
    contributions: Vec<Vec<f64>>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/golden/trees")
}

fn bytes(file: &str) -> Vec<u8> {
    std::fs::read(folder().join(file)).unwrap()
}

fn imported(file: &str) -> Result<ImportedTrees, Error> {
    let target = TreeTarget::default();
    if file.starts_with("xgboost") {
        ImportedTrees::from_xgboost(&bytes(file), &target)
    } else {
        ImportedTrees::from_lightgbm(&bytes(file), &target)
    }
}

impl Case {
    fn read(file: &str) -> Self {
        let name = file.split('.').next().unwrap();
        serde_json::from_slice(&bytes(&format!("{name}.golden.json"))).unwrap()
    }

    /// Rows as JSON requests and files deliver them: texts stay texts.
    fn frame(&self) -> Frame {
        let column = |(at, name): (usize, &String)| {
            let values = self.rows.iter().map(|row| &row[at]);
            let column = if values.clone().any(Value::is_string) {
                Column::texts(values.map(Value::as_str))
            } else {
                Column::numbers(values.map(|value| value.as_f64().unwrap_or(f64::NAN)).collect())
            };
            (name.clone(), column)
        };
        Frame::new(self.columns.iter().enumerate().map(column).collect())
    }
}

/// All models of the golden script.
const FILES: [&str; 16] = [
    "xgboost_binary.json",
    "xgboost_classes.ubj",
    "xgboost_dart.json",
    "xgboost_poisson.json",
    "xgboost_gamma_forest.json",
    "xgboost_share.json",
    "xgboost_categories.json",
    "lightgbm_binary.txt",
    "lightgbm_classes.txt",
    "lightgbm_zero.txt",
    "lightgbm_forest.txt",
    "lightgbm_dart.txt",
    "lightgbm_gamma.txt",
    "lightgbm_root.txt",
    "lightgbm_share.txt",
    "lightgbm_categories.txt",
];

#[test]
fn predictions_are_those_of_the_library() {
    for file in FILES {
        let (model, case) = (imported(file).unwrap(), Case::read(file));
        let examples = model.plan.apply(&case.frame()).unwrap();
        let logits = model.trees.logits(&examples).unwrap();
        let width = model.plan.width();
        for (row, (logits, expected)) in logits.chunks(width).zip(&case.predictions).enumerate() {
            let prediction = model.plan.decode(logits, &[]).swap_remove("target").unwrap();
            let found: Vec<f64> = match (&prediction.value, &prediction.probabilities) {
                (_, Some(probabilities)) => {
                    let all = probabilities.values().map(|p| f64::from(*p));
                    all.skip(usize::from(expected.len() == 1)).collect()
                }
                (PredictedValue::Number(number), None) => vec![*number],
                other => panic!("{other:?}"),
            };
            assert_eq!(found.len(), expected.len(), "{file}");
            for (found, expected) in found.iter().zip(expected) {
                let close = (found - expected).abs() <= 1e-6 * expected.abs().max(1.0);
                assert!(close, "{file}, row {row}: {found} instead of {expected}");
            }
        }
    }
}

#[test]
fn contributions_are_those_of_the_library() {
    for file in FILES {
        let (model, case) = (imported(file).unwrap(), Case::read(file));
        let examples = model.plan.apply(&case.frame()).unwrap();
        let places = model.plan.column_places();
        let columns = model.trees.columns();
        let plain = model.trees.plain_outputs().unwrap();
        let trees = cupola_trees::Trees::from(model.trees);
        let features = trees.features(&examples).unwrap();
        // LightGBM's contributions have neither the factor of the sigmoid nor the mean of a forest of five trees.
        let factor = match file {
            "lightgbm_binary.txt" => 0.7,
            "lightgbm_forest.txt" => 0.2,
            _ => 1.0,
        };
        for (row, (features, expected)) in features.iter().zip(&case.contributions).enumerate() {
            for (output, expected) in plain.iter().zip(expected.chunks(columns + 1)) {
                let shares = output.trees.shapley(features, columns, &mut || true).unwrap();
                for (name, expected) in case.columns.iter().zip(expected) {
                    let own = places.iter().find(|places| places.column == *name).unwrap();
                    let dense = examples.layout.dense_width();
                    let at = own.dense.first().copied().unwrap_or_else(|| dense + own.indices[0]);
                    let (found, expected) = (shares[at], factor * expected);
                    assert!(
                        (found - expected).abs() < 2e-6,
                        "{file}, row {row}, {name}: {found} not {expected}"
                    );
                }
                let (base, expected) = (output.trees.expected(), factor * expected[columns]);
                assert!((base - expected).abs() < 1e-5, "{file}: {base} instead of {expected}");
            }
        }
    }
}

#[test]
fn the_file_of_a_package_keeps_every_bit() {
    for file in FILES {
        let model = imported(file).unwrap();
        model.plan.check().unwrap();
        let plan: cupola_prep::Plan =
            serde_json::from_slice(&serde_json::to_vec(&model.plan).unwrap()).unwrap();
        assert_eq!(plan, model.plan, "{file}");
        let trees = model.trees.to_safetensors().unwrap();
        assert_eq!(cupola_trees::TreeEnsemble::from_safetensors(&trees).unwrap(), model.trees, "{file}");
    }
}
