use cupola_eval::{MetricSet, anomaly, classification, forecast, regression};
use cupola_report::{
    Latency, Metric, ModelSection, SplitEvaluation, Subgroup, SubgroupTable, TargetEvaluation,
};
use cupola_spec::{Gate, Target, TargetKind};

use super::*;

fn metric(name: &str, value: f64, interval: Option<(f64, f64)>) -> Metric {
    Metric {
        name: name.to_owned(),
        value: Some(value),
        interval,
        larger_is_better: Some(name != "log_loss"),
        ..Metric::default()
    }
}

fn group(value: &str, recall: f64) -> Subgroup {
    let metrics = vec![metric("recall", recall, Some((recall - 0.1, recall + 0.1)))];
    Subgroup { values: vec![value.to_owned()], rows: 100, metrics }
}

fn evaluation() -> Evaluation {
    let undefined = Metric {
        name: "roc_auc".to_owned(),
        undefined: Some("all rows have one class".to_owned()),
        ..Metric::default()
    };
    let groups = vec![group("Male", 0.8), group("Female", 0.7), group("(missing)", 0.75)];
    let gaps = vec![metric("demographic_parity_difference", 0.2, None)];
    let table = SubgroupTable { columns: vec!["sex".to_owned()], groups, left_out: 1, gaps };
    let target = TargetEvaluation {
        target: "income".to_owned(),
        metrics: vec![
            metric("accuracy", 0.9, Some((0.88, 0.92))),
            metric("log_loss", 0.3, None),
            undefined,
            metric("interval_coverage", 0.91, None),
        ],
        subgroups: vec![table],
        ..TargetEvaluation::default()
    };
    let split = |name: &str, targets| SplitEvaluation { split: name.to_owned(), rows: 400, targets };
    Evaluation {
        model: ModelSection {
            latency: Some(Latency { p50_us: 800.0, p99_us: 4_000.0, passes: 100 }),
            goal: Some("accuracy".to_owned()),
            ..ModelSection::default()
        },
        splits: vec![split("test", vec![target])],
        ..Evaluation::default()
    }
}

fn compared(name: &str, interval: (f64, f64)) -> Comparison {
    let difference = Some(f64::midpoint(interval.0, interval.1));
    let metric = ComparedMetric {
        name: name.to_owned(),
        difference,
        interval: Some(interval),
        ..ComparedMetric::default()
    };
    Comparison {
        first: "m:1".to_owned(),
        second: "m:2".to_owned(),
        rows: 400,
        metrics: vec![metric],
        ..Comparison::default()
    }
}

fn against(comparison: Comparison) -> Opponent {
    Opponent::Compared { comparison, warning: None }
}

/// Judges one condition, with the opponent that `opponent` makes.
fn judged_with(key: &str, required: &str, opponent: &Opponent) -> JudgedCondition {
    let gate = Gate::new([(key.to_owned(), required.to_owned())]);
    let conditions = gate.parse(&[Target::new("income", TargetKind::Category)]).unwrap();
    judge(&conditions, &evaluation(), &mut |_| opponent.clone()).conditions.remove(0)
}

fn judged(key: &str, required: &str) -> JudgedCondition {
    judged_with(key, required, &Opponent::Absent)
}

#[test]
fn a_number_on_the_required_side_passes_and_any_other_breaks() {
    use GateOutcome::{Broken, Passed};
    for (key, required, found, outcome) in [
        ("test/accuracy", ">= 0.9", 0.9, Passed),
        ("test/accuracy", "> 0.9", 0.9, Broken),
        ("test/accuracy/low", ">= 0.89", 0.88, Broken),
        ("test/accuracy/high", "<= 0.92", 0.92, Passed),
        ("test/log_loss", "<= 0.2", 0.3, Broken),
        ("interval_coverage", ">= 0.88", 0.91, Passed),
        ("latency_p99_ms", "<= 4", 4.0, Passed),
        ("latency_p50_ms", "< 0.8", 0.8, Broken),
        ("subgroup_min/sex/recall", ">= 0.7", 0.7, Passed),
        ("subgroup_min/sex/recall/low", ">= 0.65", 0.6, Broken),
        ("subgroup_max/sex/recall", "<= 0.79", 0.8, Broken),
        ("subgroup_gap/sex/recall", "<= 0.05", 0.1, Broken),
        ("subgroup_gap/sex/demographic_parity_difference", "<= 0.2", 0.2, Passed),
    ] {
        let judged = judged(key, required);
        let value = judged.found.unwrap();
        assert!((value - found).abs() < 1e-12, "{key}: {value}");
        assert_eq!(judged.outcome, outcome, "{key} {required}");
        assert!(outcome == Passed || judged.reason.is_some(), "{key}");
    }
    assert_eq!(judged("test/accuracy", ">= 0.95").reason.as_deref(), Some("0.9 is below 0.95"));
    let gap = judged("subgroup_gap/sex/recall", "<= 0.05").reason.unwrap();
    assert!(gap.ends_with("above 0.05; `Female` has 0.7, `Male` has 0.8"), "{gap}");
}

#[test]
fn whatever_is_not_there_breaks_the_gate_with_its_reason() {
    for (key, reason) in [
        ("valid/accuracy", "the valid split has no rows"),
        ("test/roc_auc", "`roc_auc` is undefined: all rows have one class"),
        ("test/mcc", "`mcc` was not measured; found accuracy, log_loss"),
        ("test/log_loss/low", "`log_loss` has no confidence interval"),
        ("subgroup_min/race/recall", "add the column to `evaluate.subgroups`"),
        ("subgroup_min/sex/accuracy", "`Male`: `accuracy` was not measured"),
        ("subgroup_gap/sex/recall/low", "the gap in `recall` has no confidence interval"),
        ("subgroup_gap/sex/equalized_odds_ratio", "`equalized_odds_ratio` was not measured"),
    ] {
        let judged = judged(key, ">= 0");
        assert_eq!((judged.outcome, judged.found), (GateOutcome::Undefined, None), "{key}");
        assert!(judged.reason.as_deref().unwrap().contains(reason), "{key}: {:?}", judged.reason);
    }
    let gate = Gate::new([("test/accuracy".to_owned(), ">= 0".to_owned())]);
    let conditions = gate.parse(&[Target::new("income", TargetKind::Category)]).unwrap();
    let mut odd = evaluation();
    odd.splits[0].targets[0].metrics[0].value = Some(f64::NAN);
    for evaluation in [odd, Evaluation::default()] {
        let report = judge(&conditions, &evaluation, &mut |_| Opponent::Absent);
        assert_eq!((report.passed, report.broken().count()), (false, 1));
    }
}

#[test]
fn a_comparison_is_by_the_interval_of_the_difference() {
    use GateOutcome::{Broken, Passed, Undefined};
    // Difference in a metric, this model less the other one: no worse, and better.
    for (name, interval, no_worse, better) in [
        ("accuracy", (-0.02, 0.01), Passed, Broken),
        ("accuracy", (-0.02, -0.01), Broken, Broken),
        ("accuracy", (0.01, 0.02), Passed, Passed),
        ("accuracy", (-0.02, 0.0), Passed, Broken),
        ("accuracy", (0.0, 0.0), Passed, Broken),
        ("log_loss", (0.01, 0.02), Broken, Broken),
        ("log_loss", (-0.02, -0.01), Passed, Passed),
        ("log_loss", (f64::NAN, 0.1), Undefined, Undefined),
    ] {
        let key =
            if name == "accuracy" { "versus champion".to_owned() } else { format!("versus champion/{name}") };
        let of = |claim| judged_with(&key, claim, &against(compared(name, interval))).outcome;
        assert_eq!(of("no worse, 95 %"), no_worse, "{name} {interval:?}");
        assert_eq!(of("better, 95 %"), better, "{name} {interval:?}");
    }
    let reason =
        judged_with("versus champion", "better", &against(compared("accuracy", (-0.02, 0.01)))).reason;
    let expected = "`accuracy`: no certain difference from m:1, difference -0.005000 with 95 % interval -0.020000 to +0.010000 on 400 rows";
    assert_eq!(reason.as_deref(), Some(expected));
}

#[test]
fn a_comparison_without_numbers_never_passes_by_silence() {
    let of = |claim, opponent: Opponent| judged_with("versus champion", claim, &opponent);
    let first = of("no worse, 95 %", Opponent::Absent);
    assert_eq!(first.outcome, GateOutcome::Passed);
    assert_eq!(first.reason.as_deref(), Some("no `champion` yet to compare with"));
    assert_eq!(of("no worse", Opponent::Itself).outcome, GateOutcome::Passed);
    assert_eq!(of("better", Opponent::Itself).outcome, GateOutcome::Broken);
    let incomparable = of("no worse", Opponent::Incomparable("other targets".to_owned()));
    assert_eq!(incomparable.outcome, GateOutcome::Undefined);
    assert_eq!(incomparable.reason.as_deref(), Some("other targets"));
    // The goal is accuracy, and only another metric was compared.
    let other = of("no worse", against(compared("log_loss", (-0.2, -0.1))));
    assert_eq!(other.reason.as_deref(), Some("`accuracy` was not compared; found log_loss"));
}

#[test]
fn every_metric_of_an_evaluation_can_be_named() {
    let classes = |count: usize| -> cupola_eval::Metrics {
        let names: Vec<String> = (0..count).map(|class| class.to_string()).collect();
        let targets: Vec<usize> = (0..40).map(|row| row % count).collect();
        let share = 1.0 / count as f32;
        classification(&names, &targets, &vec![share; 40 * count], None, MetricSet::All)
    };
    let (targets, predicted): (Vec<f64>, Vec<f64>) =
        (0..40).map(|row| (f64::from(row), f64::from(row * 2))).unzip();
    let labels: Vec<bool> = (0..40).map(|row| row % 2 == 0).collect();
    let numbers = regression(&targets, &predicted, None, MetricSet::All);
    let steps = forecast(&targets, &predicted, 4, Some(1.0), None, MetricSet::All);
    let scores = anomaly(&targets, &labels, None, MetricSet::All);
    for (kind, metrics) in [
        (TargetKind::Category, classes(2)),
        (TargetKind::Category, classes(8)),
        (TargetKind::Number, numbers),
        (TargetKind::Forecast, steps),
        (TargetKind::Reconstruct, scores),
    ] {
        let names: Vec<&String> = metrics.values.keys().chain(metrics.undefined.keys()).collect();
        assert!(names.len() > 4, "{names:?}");
        let gate = Gate::new(names.into_iter().map(|name| (format!("test/{name}"), ">= 0".to_owned())));
        let parsed = gate.parse(&[Target::new("y", kind)]);
        assert!(parsed.is_ok(), "{kind:?}: {parsed:?}");
    }
}

#[test]
fn a_kept_comparison_is_judged_by_its_interval_and_not_by_its_outcome() {
    let judged = judged_with("versus champion", "no worse", &against(compared("accuracy", (-0.2, -0.1))));
    let edited = JudgedCondition { outcome: GateOutcome::Passed, ..judged };
    let again = |claim| versus_again(&edited, None, claim, &evaluation());
    assert_eq!(again(VersusClaim::NoWorse), GateOutcome::Broken);
    // A smaller log loss is better.
    let loss = GateMetric {
        target: "income".to_owned(),
        name: "log_loss".to_owned(),
        end: cupola_spec::ValueEnd::Point,
    };
    assert_eq!(versus_again(&edited, Some(&loss), VersusClaim::Better, &evaluation()), GateOutcome::Passed);
    let absent = judged_with("versus champion", "no worse", &Opponent::Absent);
    assert_eq!(versus_again(&absent, None, VersusClaim::NoWorse, &evaluation()), GateOutcome::Passed);
}

#[test]
fn a_comparison_keeps_its_warning_whatever_its_outcome() {
    for interval in [(0.01, 0.02), (-0.02, -0.01)] {
        let comparison = compared("accuracy", interval);
        let opponent = Opponent::Compared { comparison, warning: Some("seen".to_owned()) };
        let judged = judged_with("versus champion", "better", &opponent);
        assert_eq!(judged.warning.as_deref(), Some("seen"));
        assert!(judged.remark().ends_with("; warning: seen"), "{}", judged.remark());
    }
}
