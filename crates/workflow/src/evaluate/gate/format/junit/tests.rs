use cupola_report::{ModelSection, SplitEvaluation, TargetEvaluation};
use quick_xml::Reader;

use super::*;

/// Elements that may stand in an element, and attributes that it requires, by Jenkins' `junit-10.xsd`.
const SCHEMA: &[(&str, &[&str], &[&str])] = &[
    ("", &["testsuites"], &[]),
    ("testsuites", &["testsuite"], &[]),
    ("testsuite", &["testcase", "properties"], &["name"]),
    ("testcase", &["failure", "error", "skipped", "system-out"], &["name", "classname"]),
    ("failure", &[], &["message"]),
    ("error", &[], &["message"]),
    ("skipped", &[], &["message"]),
    ("system-out", &[], &[]),
];

/// Checks the structure, and returns the elements in their order with their attributes.
fn checked(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut reader = Reader::from_str(text);
    let (mut open, mut found) = (vec![String::new()], Vec::new());
    loop {
        let event = reader.read_event().unwrap();
        let (start, empty) = match &event {
            Event::Start(start) => (start, false),
            Event::Empty(start) => (start, true),
            Event::End(_) => {
                open.pop();
                continue;
            }
            Event::Eof => break,
            _ => continue,
        };
        let name = start.name().as_ref().to_owned();
        let attributes: Vec<(String, String)> = start
            .attributes()
            .map(|one| {
                let one = one.unwrap();
                let key = one.key.as_ref().to_owned();
                (key, quick_xml::escape::unescape(&one.value).unwrap().into_owned())
            })
            .collect();
        let (_, inner, _) = SCHEMA.iter().find(|(outer, ..)| *outer == open.last().unwrap()).unwrap();
        assert!(inner.contains(&name.as_str()), "<{name}> in <{}>", open.last().unwrap());
        let (.., required) = SCHEMA.iter().find(|(element, ..)| *element == name).unwrap();
        assert!(
            required.iter().all(|key| attributes.iter().any(|(one, _)| one == key)),
            "{name}: {attributes:?}"
        );
        if !empty {
            open.push(name.clone());
        }
        found.push((name, attributes));
    }
    assert_eq!(open, [""]);
    found
}

fn condition(key: &str, outcome: GateOutcome) -> JudgedCondition {
    JudgedCondition {
        key: key.to_owned(),
        required: ">= 0.9".to_owned(),
        found: (outcome != GateOutcome::Undefined).then_some(0.5),
        interval: Some((0.4, 0.6)),
        outcome,
        reason: Some("a <reason> with \"quotes\" & a \u{1} control".to_owned()),
        warning: None,
    }
}

#[test]
fn a_gate_has_the_structure_that_jenkins_reads() {
    let gate = GateReport::new(vec![
        condition("test/accuracy", GateOutcome::Passed),
        condition("subgroup_gap/a&b/recall", GateOutcome::Broken),
        condition("interval_coverage", GateOutcome::Undefined),
    ]);
    let text = gate_junit("census:3", &gate).unwrap();
    let elements = checked(&text);
    let value = |index: usize, key: &str| {
        elements[index].1.iter().find(|(one, _)| one == key).map(|(_, value)| value.clone()).unwrap()
    };
    assert_eq!(value(1, "name"), "gate of census:3");
    for (key, count) in [("tests", "3"), ("failures", "1"), ("errors", "1"), ("skipped", "0")] {
        assert_eq!(value(1, key), count, "{key}");
    }
    let failure = elements.iter().position(|(name, _)| name == "failure").unwrap();
    assert_eq!(value(failure, "type"), "broken");
    assert_eq!(
        value(failure, "message"),
        "required >= 0.9, found 0.5: a <reason> with \"quotes\" & a  control"
    );
    assert_eq!(value(failure - 1, "name"), "subgroup_gap/a&b/recall >= 0.9");
    assert_eq!(elements.iter().filter(|(name, _)| name == "error").count(), 1);
}

#[test]
fn a_metric_without_a_value_is_skipped() {
    let metric = |name: &str, value| Metric {
        name: name.to_owned(),
        value,
        undefined: value.is_none().then(|| "one class".to_owned()),
        ..Metric::default()
    };
    let target = TargetEvaluation {
        target: "income".to_owned(),
        metrics: vec![metric("accuracy", Some(0.9)), metric("roc_auc", None)],
        ..TargetEvaluation::default()
    };
    let evaluation = Evaluation {
        model: ModelSection { package: "census:3".to_owned(), ..ModelSection::default() },
        splits: vec![SplitEvaluation { split: "test".to_owned(), rows: 9, targets: vec![target] }],
        ..Evaluation::default()
    };
    let elements = checked(&evaluation_junit(&evaluation).unwrap());
    let skipped = elements.iter().find(|(name, _)| name == "skipped").unwrap();
    assert_eq!(skipped.1, [("message".to_owned(), "one class".to_owned())]);
    assert_eq!(elements.iter().filter(|(name, _)| name == "testcase").count(), 2);
}
