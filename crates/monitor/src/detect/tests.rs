use serde_json::Value;

use super::*;

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/detectors.json")).unwrap()
}

fn stream(golden: &Value, name: &str) -> Vec<f64> {
    match &golden["streams"][name] {
        Value::String(bits) => bits.chars().map(|bit| if bit == '1' { 1.0 } else { 0.0 }).collect(),
        values => serde_json::from_value(values.clone()).unwrap(),
    }
}

fn detector(name: &str) -> Detector {
    match name {
        "hddm_a_two_sided" => {
            let mut own = HddmA::default();
            own.two_sided = true;
            Detector::HddmA(own)
        }
        "hddm_w_two_sided" => {
            let mut own = HddmW::default();
            own.two_sided = true;
            Detector::HddmW(own)
        }
        name => Detector::new(DetectorKind::from_name(name).unwrap()),
    }
}

#[test]
fn alarms_equal_those_of_river() {
    let golden = golden();
    for (name, streams) in golden["alarms"].as_object().unwrap() {
        for (of, expected) in streams.as_object().unwrap() {
            let mut own = detector(name);
            let (mut drifts, mut warnings) = (Vec::new(), Vec::new());
            for (index, value) in stream(&golden, of).into_iter().enumerate() {
                match own.observe(value) {
                    ChangeLevel::Drift => drifts.push(index),
                    ChangeLevel::Warning => warnings.push(index),
                    ChangeLevel::Stable => {}
                }
            }
            let list = |key: &str| serde_json::from_value::<Vec<usize>>(expected[key].clone()).unwrap();
            assert_eq!(drifts, list("drifts"), "drifts of {name} on {of}");
            assert_eq!(warnings, list("warnings"), "warnings of {name} on {of}");
        }
    }
}

#[test]
fn a_stored_state_continues_as_if_it_had_not_been_stored() {
    let golden = golden();
    for kind in DetectorKind::ALL {
        let values = stream(&golden, "bits_abrupt");
        let (mut whole, mut parts) = (Detector::new(kind), Detector::new(kind));
        for (index, value) in values.into_iter().enumerate() {
            let expected = whole.observe(value);
            assert_eq!(parts.observe(value), expected, "{}", kind.name());
            if index % 97 == 0 {
                let stored = serde_json::to_string(&parts).unwrap();
                parts = serde_json::from_str(&stored).unwrap();
            }
        }
        assert_eq!(whole, parts);
    }
}

#[test]
fn values_that_are_not_finite_change_nothing() {
    for kind in DetectorKind::ALL {
        let mut own = Detector::new(kind);
        own.observe(1.0);
        let before = own.clone();
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            own.observe(value);
        }
        assert_eq!(own, before);
        // Large values must not end in a panic.
        (0..400).for_each(|index| {
            own.observe(if index % 2 == 0 { f64::MAX } else { f64::MIN });
        });
    }
}
