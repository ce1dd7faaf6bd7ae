use super::*;
use crate::config::TargetKind;
use crate::parse_gate;

fn category() -> Vec<Target> {
    vec![Target::new("income", TargetKind::Category)]
}

fn two() -> Vec<Target> {
    vec![Target::new("income", TargetKind::Category), Target::new("age", TargetKind::Number)]
}

fn parsed(key: &str, required: &str, targets: &[Target]) -> Result<GateCheck, String> {
    let gate = Gate::new([(key.to_owned(), required.to_owned())]);
    let mut conditions = gate.parse(targets).map_err(|invalid| invalid[0].message.clone())?;
    Ok(conditions.remove(0).check)
}

fn metric(target: &str, name: &str, end: ValueEnd) -> GateMetric {
    GateMetric { target: target.to_owned(), name: name.to_owned(), end }
}

fn value(key: &str, targets: &[Target]) -> GateValue {
    match parsed(key, ">= 0.5", targets) {
        Ok(GateCheck::Value { value, .. }) => value,
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn a_key_names_a_number_of_the_evaluation() {
    let of = |key| value(key, &category());
    let on = |split, metric| GateValue::Metric { split, metric };
    assert_eq!(of("test/accuracy"), on(GateSplit::Test, metric("income", "accuracy", ValueEnd::Point)));
    assert_eq!(of("valid/roc_auc/low"), on(GateSplit::Valid, metric("income", "roc_auc", ValueEnd::Low)));
    assert_eq!(
        of("interval_coverage/high"),
        on(GateSplit::Last, metric("income", "interval_coverage", ValueEnd::High))
    );
    assert_eq!(of("latency_p99_ms"), GateValue::Latency(LatencyPercentile::P99));
    let grouped = |statistic, columns: &[&str], name| GateValue::Subgroup {
        statistic,
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
        metric: metric("income", name, ValueEnd::Point),
    };
    assert_eq!(of("subgroup_gap/sex/recall"), grouped(SubgroupStatistic::Gap, &["sex"], "recall"));
    assert_eq!(
        of("subgroup_gap/sex/demographic_parity_difference"),
        grouped(SubgroupStatistic::Gap, &["sex"], "demographic_parity_difference")
    );
    assert_eq!(of("subgroup_min/a/b*sex/f1"), grouped(SubgroupStatistic::Min, &["a/b", "sex"], "f1"));
}

#[test]
fn one_of_several_targets_is_named() {
    let targets = two();
    let mae = metric("age", "mae", ValueEnd::Point);
    assert_eq!(
        value("test/age/mae", &targets),
        GateValue::Metric { split: GateSplit::Test, metric: mae.clone() }
    );
    let columns = vec!["sex".to_owned()];
    let statistic = SubgroupStatistic::Max;
    assert_eq!(
        value("subgroup_max/sex/age/mae", &targets),
        GateValue::Subgroup { statistic, columns, metric: mae }
    );
    let error = parsed("test/mae", "<= 3", &targets).unwrap_err();
    assert!(error.contains("such as `test/income/mae`"), "{error}");
    let error = parsed("test/ages/mae", "<= 3", &targets).unwrap_err();
    assert!(error.contains("unknown target `ages` (did you mean `age`?)"), "{error}");
}

#[test]
#[allow(clippy::float_cmp, reason = "limits are parsed, not computed")]
fn a_requirement_is_a_comparison_or_a_claim() {
    for (text, comparator, limit) in [
        (">= 0.97", GateComparator::AtLeast, 0.97),
        ("<=5", GateComparator::AtMost, 5.0),
        (" > -1e-3 ", GateComparator::Above, -1e-3),
        ("< 2", GateComparator::Below, 2.0),
    ] {
        let Ok(GateCheck::Value { bound, .. }) = parsed("test/accuracy", text, &category()) else {
            panic!("{text}");
        };
        assert_eq!((bound.comparator, bound.limit), (comparator, limit), "{text}");
        assert!(!bound.holds(f64::NAN), "{text}");
    }
    for (text, expected) in [
        ("no worse, 95 %", VersusClaim::NoWorse),
        ("no  worse,95%", VersusClaim::NoWorse),
        ("better", VersusClaim::Better),
    ] {
        let Ok(GateCheck::Versus { reference, metric: None, claim }) =
            parsed("versus champion", text, &category())
        else {
            panic!("{text}");
        };
        assert_eq!((reference.as_str(), claim), ("champion", expected), "{text}");
    }
    let Ok(GateCheck::Versus { reference, metric: Some(found), .. }) =
        parsed("versus 3/recall", "better, 95 %", &category())
    else {
        panic!("a version and a metric");
    };
    assert_eq!((reference.as_str(), found), ("3", metric("income", "recall", ValueEnd::Point)));
}

#[test]
fn a_mistake_names_what_is_expected() {
    for (key, required, expected) in [
        (
            "tset/accuracy",
            ">= 1",
            "unknown condition `tset/accuracy` (did you mean `test`?); expected `test/METRIC`",
        ),
        ("test", ">= 1", "the metric is missing"),
        ("test/", ">= 1", "unknown metric ``"),
        ("", ">= 1", "unknown condition ``"),
        ("test/rmse", "<= 1", "unknown metric `rmse` of a category"),
        ("test/low", "<= 1", "unknown metric `low`"),
        ("subgroup_min/sex", ">= 1", "`subgroup_min/sex` is incomplete"),
        ("subgroup_min/sex*/recall", ">= 1", "is incomplete"),
        ("subgroup_gap", ">= 1", "is incomplete"),
        (
            "subgroup_min/sex/demographic_parity_difference",
            ">= 0",
            "unknown metric `demographic_parity_difference`",
        ),
        ("latency_p99_ms/x", "<= 1", "unknown condition"),
        ("test/accuracy", "0.97", "expected a comparison such as `>= 0.97` or `<= 5`, found `0.97`"),
        ("test/accuracy", ">= inf", "expected a comparison"),
        ("test/accuracy", "=> 1", "expected a comparison"),
        ("test/accuracy", "", "expected a comparison"),
        ("versus champion", ">= 1", "expected `no worse, 95 %` or `better, 95 %`"),
        ("versus champion", "no worse, 99 %", "expected `no worse, 95 %`"),
        ("versus ../x", "better", "invalid alias or version `..`"),
        ("versus", "better", "unknown condition `versus`"),
        ("versus champion/recall/low", "better", "remove `/low`"),
    ] {
        let error = parsed(key, required, &category()).unwrap_err();
        assert!(error.contains(expected), "{key} = {required}: {error}");
    }
}

#[test]
fn a_file_of_conditions_alone_is_read_with_its_lines() {
    let text = "# comment\n[gate]\n\"test/accuracy\" = \">= 0.9\"\n\"test/mae\" = \"<= 1\"\n";
    let problems = parse_gate("gate.toml", text, &category()).unwrap_err().to_string();
    assert!(problems.starts_with("gate.toml:4:1: gate.test/mae: unknown metric `mae`"), "{problems}");
    let conditions = parse_gate("gate.toml", &text.replace("mae", "f1"), &category()).unwrap();
    assert_eq!(
        conditions.iter().map(|one| one.key.as_str()).collect::<Vec<_>>(),
        ["test/accuracy", "test/f1"]
    );
    let none = parse_gate("gate.toml", "name = 'a'\n", &category()).unwrap_err().to_string();
    assert!(none.contains("no conditions; add `[gate]`"), "{none}");
    let wrong =
        parse_gate("gate.toml", "[gate]\n'test/accuracy' = 0.9\n", &category()).unwrap_err().to_string();
    assert!(wrong.contains("expected string, found 0.9; write a condition in quotes"), "{wrong}");
}
