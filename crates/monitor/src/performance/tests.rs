use jiff::Timestamp;
use serde_json::Value;

use super::*;

fn list<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap()
}

fn classifier_rows(case: &Value, classes: usize) -> ClassifierRows {
    let p: Vec<f64> = list(&case["p"]);
    let probabilities = if classes == 2 { p.iter().flat_map(|p| [1.0 - p, *p]).collect() } else { p };
    let targets = list::<usize>(&case["target"]).into_iter().map(Some).collect();
    ClassifierRows::new(classes, probabilities, list(&case["predicted"]), targets).unwrap()
}

/// Compares chunks of a period within 1e-6, relative to values above 1.
#[track_caller]
fn compare(found: &[ChunkPerformance], golden: &Value, period: &str) {
    let expected = golden["chunks"].as_array().unwrap().iter().filter(|chunk| chunk["period"] == period);
    let expected: Vec<&Value> = expected.collect();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.key, expected["key"].as_str().unwrap());
        for (name, fields) in expected["metrics"].as_object().unwrap() {
            let own = serde_json::to_value(found.metrics[name]).unwrap();
            for (field, expected) in fields.as_object().unwrap() {
                // NannyML draws the samples of this error without a seed.
                if name == "average_precision" && (field.contains("error") || field.ends_with("confidence")) {
                    continue;
                }
                let same = match (own[field].as_f64(), expected.as_f64()) {
                    (Some(own), Some(expected)) => (own - expected).abs() <= 1e-6 * expected.abs().max(1.0),
                    _ => own[field] == *expected,
                };
                assert!(same, "{period} {} {name} {field}: {}, expected {expected}", found.key, own[field]);
            }
        }
    }
}

fn compare_classifier(case: &Value, classes: usize, chunking: Chunking) -> Cbpe {
    let (reference, analysis) =
        (classifier_rows(&case["reference"], classes), classifier_rows(&case["analysis"], classes));
    let chunks = chunking.split(reference.len(), None).unwrap();
    let cbpe = Cbpe::fit(&reference, &chunks).unwrap();
    compare(&cbpe.estimate(&reference, &chunks).unwrap(), case, "reference");
    let chunks = chunking.split(analysis.len(), None).unwrap();
    compare(&cbpe.estimate(&analysis, &chunks).unwrap(), case, "analysis");
    cbpe
}

#[test]
fn estimates_of_two_classes_equal_those_of_nannyml() {
    let golden: Value = serde_json::from_str(include_str!("../golden/binary.json")).unwrap();
    for name in ["plain", "bent"] {
        let case = &golden[name];
        let size = usize::try_from(case["chunk_size"].as_u64().unwrap()).unwrap();
        let cbpe = compare_classifier(case, 2, Chunking::Size(size));
        assert_eq!(cbpe.calibrated()[1], case["calibrated"].as_bool().unwrap(), "{name}");
        let stored: Cbpe = serde_json::from_str(&serde_json::to_string(&cbpe).unwrap()).unwrap();
        assert_eq!(stored, cbpe);
    }
}

#[test]
fn estimates_of_several_classes_equal_those_of_nannyml() {
    let golden: Value = serde_json::from_str(include_str!("../golden/multiclass.json")).unwrap();
    let count = usize::try_from(golden["chunk_number"].as_u64().unwrap()).unwrap();
    let cbpe = compare_classifier(&golden, 3, Chunking::Count(count));
    assert_eq!(cbpe.calibrated(), list::<bool>(&golden["calibrated"]));
}

fn error_rows(case: &Value) -> ErrorRows {
    let targets = list::<f64>(&case["target"]).into_iter().map(Some).collect();
    ErrorRows { predicted: list(&case["predicted"]), targets, expected: IndexMap::new() }
}

#[test]
fn estimates_of_a_regression_equal_those_of_nannyml_with_its_error_model() {
    let golden: Value = serde_json::from_str(include_str!("../golden/regression.json")).unwrap();
    let chunking = Chunking::Size(usize::try_from(golden["chunk_size"].as_u64().unwrap()).unwrap());
    let (reference, mut analysis) = (error_rows(&golden["reference"]), error_rows(&golden["analysis"]));
    for (kind, values) in golden["expected_errors"].as_object().unwrap() {
        let kind: ErrorKind = serde_json::from_value(Value::from(kind.as_str())).unwrap();
        analysis.expected.insert(kind, list(values));
    }
    let chunks = chunking.split(reference.predicted.len(), None).unwrap();
    let dle = Dle::fit(&reference, &chunks).unwrap();
    let chunks = chunking.split(analysis.predicted.len(), None).unwrap();
    compare(&dle.estimate(&analysis, &chunks).unwrap(), &golden, "analysis");
    let stored: Dle = serde_json::from_str(&serde_json::to_string(&dle).unwrap()).unwrap();
    assert_eq!(stored, dle);
}

#[test]
fn chunks_follow_size_count_and_calendar() {
    let keys = |chunking: Chunking, rows: usize, times: Option<&[Option<Timestamp>]>| {
        let chunks = chunking.split(rows, times).unwrap();
        chunks.into_iter().map(|chunk| (chunk.key, chunk.rows)).collect::<Vec<_>>()
    };
    let named = |key: &str, rows: &[usize]| (key.to_owned(), rows.to_vec());
    assert_eq!(keys(Chunking::Size(2), 3, None), [named("[0:1]", &[0, 1]), named("[2:2]", &[2])]);
    assert_eq!(keys(Chunking::Count(2), 5, None).len(), 3);
    assert_eq!(keys(Chunking::Count(9), 3, None).len(), 3);
    assert!(keys(Chunking::default(), 0, None).is_empty());
    // Out of order, with a row without a time.
    let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let times = [
        time("2026-03-01T10:30:00Z"),
        time("2026-02-28T23:59:59Z"),
        None,
        time("2026-03-01T00:00:00Z"),
        time("2026-12-31T12:00:00Z"),
    ];
    let split = |period| keys(Chunking::Period(period), 5, Some(&times));
    let month = [named("2026-02", &[1]), named("2026-03", &[3, 0]), named("2026-12", &[4])];
    assert_eq!(split(ChunkPeriod::Month), month);
    assert_eq!(split(ChunkPeriod::Quarter), [named("2026Q1", &[1, 3, 0]), named("2026Q4", &[4])]);
    assert_eq!(split(ChunkPeriod::Hour).len(), 4);
    // 1 March 2026 is a Sunday.
    assert_eq!(split(ChunkPeriod::Week)[0], named("2026-02-23/2026-03-01", &[1, 3, 0]));
    assert!(Chunking::Period(ChunkPeriod::Day).split(5, None).is_err());
    assert!(Chunking::Size(1).split(4, Some(&times)).is_err());
    assert_eq!("size:20".parse::<Chunking>().unwrap(), Chunking::Size(20));
    assert_eq!("week".parse::<Chunking>().unwrap(), Chunking::Period(ChunkPeriod::Week));
    for wrong in ["size:0", "size:x", "rows:3", "fortnight", ""] {
        assert!(wrong.parse::<Chunking>().is_err(), "{wrong}");
    }
}

#[test]
fn rows_without_probabilities_or_targets_are_left_out() {
    let rows = |targets: Vec<Option<usize>>| {
        let p = [0.9, 0.2, f64::NAN, 0.6].into_iter().flat_map(|p| [1.0 - p, p]).collect();
        ClassifierRows::new(2, p, vec![1, 0, 1, 1], targets).unwrap()
    };
    let chunks = Chunking::Count(1).split(4, None).unwrap();
    assert!(matches!(Cbpe::fit(&rows(vec![None; 4]), &chunks), Err(crate::Error::NoReferenceTargets)));
    let cbpe = Cbpe::fit(&rows(vec![Some(1), Some(0), Some(1), Some(0)]), &chunks).unwrap();
    let found = cbpe.estimate(&rows(vec![Some(1), None, Some(1), None]), &chunks).unwrap();
    assert_eq!((found[0].rows, found[0].labelled), (4, 1));
    let accuracy = &found[0].metrics["accuracy"];
    assert!((accuracy.estimate.unwrap() - (0.9 + 0.8 + 0.6) / 3.0).abs() < 1e-12);
    assert_eq!(accuracy.realised, Some(1.0));
    assert_eq!(found[0].metrics["roc_auc"].realised, None, "a single class");
    let empty = ChunkRows { key: "none".into(), rows: Vec::new() };
    let found = cbpe.estimate(&rows(vec![None; 4]), &[empty]).unwrap();
    assert!(found[0].metrics.values().all(|metric| metric.estimate.is_none() && !metric.alert));
    assert!(ClassifierRows::new(2, vec![0.5; 2], vec![2], vec![None]).is_err());
    assert!(ClassifierRows::new(2, vec![0.5; 3], vec![1], vec![None]).is_err());
}
