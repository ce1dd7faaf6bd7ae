//! Parser of one condition. Errors are messages with their remedies.

use super::condition::{
    GateBound, GateCheck, GateComparator, GateMetric, GateSplit, GateValue, LatencyPercentile,
    SubgroupStatistic, ValueEnd, VersusClaim,
};
use super::metrics::{COVERAGE, MetricPlace, check_metric};
use crate::config::target::Target;
use crate::names::{did_you_mean, is_name};

/// Forms of a key, for messages.
const FORMS: &str = "expected `test/METRIC`, `valid/METRIC`, `subgroup_gap/COLUMN/METRIC`, \
    `subgroup_min/COLUMN/METRIC`, `subgroup_max/COLUMN/METRIC`, `interval_coverage`, `latency_p50_ms`, \
    `latency_p99_ms` or `versus ALIAS`";

/// First words of a key.
const HEADS: [&str; 9] = [
    "test",
    "valid",
    "subgroup_gap",
    "subgroup_min",
    "subgroup_max",
    COVERAGE,
    "latency_p50_ms",
    "latency_p99_ms",
    "versus",
];

/// Parses a key and its requirement for a model with these targets.
pub(super) fn condition(key: &str, required: &str, targets: &[Target]) -> Result<GateCheck, String> {
    let trimmed = key.trim();
    if let Some(rest) = trimmed.strip_prefix("versus").filter(|rest| rest.starts_with(char::is_whitespace)) {
        return versus(rest.trim(), required, targets);
    }
    let parts: Vec<&str> = trimmed.split('/').map(str::trim).collect();
    let (head, rest) = parts.split_first().map_or(("", &[][..]), |(head, rest)| (*head, rest));
    let on_split = |split| Ok(GateValue::Metric { split, metric: metric(rest, targets)? });
    let subgroup = |statistic| subgroup(statistic, key, rest, targets);
    let value = match (head, rest) {
        ("test", _) => on_split(GateSplit::Test),
        ("valid", _) => on_split(GateSplit::Valid),
        ("subgroup_gap", _) => subgroup(SubgroupStatistic::Gap),
        ("subgroup_min", _) => subgroup(SubgroupStatistic::Min),
        ("subgroup_max", _) => subgroup(SubgroupStatistic::Max),
        (COVERAGE, _) => Ok(GateValue::Metric { split: GateSplit::Last, metric: coverage(rest, targets)? }),
        ("latency_p50_ms", []) => Ok(GateValue::Latency(LatencyPercentile::P50)),
        ("latency_p99_ms", []) => Ok(GateValue::Latency(LatencyPercentile::P99)),
        _ => Err(format!("unknown condition `{key}`{}; {FORMS}", did_you_mean(head, HEADS))),
    }?;
    Ok(GateCheck::Value { value, bound: bound(required)? })
}

/// `champion`, `champion/recall`, `3`: another version, and perhaps a metric.
fn versus(rest: &str, required: &str, targets: &[Target]) -> Result<GateCheck, String> {
    let mut parts = rest.split('/').map(str::trim);
    let reference = parts.next().unwrap_or_default();
    if !is_name(reference) {
        return Err(format!(
            "invalid alias or version `{reference}`; write one such as `versus champion` or `versus 3`"
        ));
    }
    let parts: Vec<&str> = parts.collect();
    let metric = if parts.is_empty() { None } else { Some(metric(&parts, targets)?) };
    if metric.as_ref().is_some_and(|metric| metric.end != ValueEnd::Point) {
        return Err("a comparison uses the interval of the difference; remove `/low` or `/high`".to_owned());
    }
    Ok(GateCheck::Versus { reference: reference.to_owned(), metric, claim: claim(required)? })
}

/// `no worse, 95 %` or `better, 95 %`.
fn claim(required: &str) -> Result<VersusClaim, String> {
    let (claim, level) = required.split_once(',').unwrap_or((required, "95 %"));
    let words: Vec<&str> = claim.split_whitespace().collect();
    let level: String = level.chars().filter(|c| !c.is_whitespace()).collect();
    match (words.as_slice(), level.as_str()) {
        (["no", "worse"], "95%") => Ok(VersusClaim::NoWorse),
        (["better"], "95%") => Ok(VersusClaim::Better),
        _ => Err(format!("expected `no worse, 95 %` or `better, 95 %`, found `{required}`")),
    }
}

/// `>= 0.97`
fn bound(required: &str) -> Result<GateBound, String> {
    let expected = || format!("expected a comparison such as `>= 0.97` or `<= 5`, found `{required}`");
    let text = required.trim();
    let comparators = [
        (">=", GateComparator::AtLeast),
        ("<=", GateComparator::AtMost),
        (">", GateComparator::Above),
        ("<", GateComparator::Below),
    ];
    let (sign, comparator) =
        comparators.into_iter().find(|(sign, _)| text.starts_with(sign)).ok_or_else(expected)?;
    let limit: f64 = text[sign.len()..].trim().parse().map_err(|_| expected())?;
    if limit.is_finite() { Ok(GateBound { comparator, limit }) } else { Err(expected()) }
}

/// `COLUMN/METRIC`, with `*` between columns that are crossed.
fn subgroup(
    statistic: SubgroupStatistic,
    key: &str,
    parts: &[&str],
    targets: &[Target],
) -> Result<GateValue, String> {
    let incomplete = || format!("`{key}` is incomplete; write `subgroup_min/COLUMN/METRIC`");
    let (parts, end) = value_end(parts);
    let (name, before) = parts.split_last().ok_or_else(incomplete)?;
    // A column may have `/` in its name, and so may a target.
    let before = before.join("/");
    let of_target = |target: &&Target| {
        before.strip_suffix(target.name.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('/'))
    };
    let (columns, target) = match targets.iter().find(of_target) {
        Some(target) => (&before[..before.len() - target.name.len() - 1], target),
        None => (before.as_str(), only_target(targets, "subgroup_min/COLUMN", name)?),
    };
    let columns: Vec<String> = columns.split('*').map(|column| column.trim().to_owned()).collect();
    if columns.iter().any(String::is_empty) {
        return Err(incomplete());
    }
    let gap = statistic == SubgroupStatistic::Gap;
    check_metric(name, target, if gap { MetricPlace::Gaps } else { MetricPlace::Groups })?;
    let metric = GateMetric { target: target.name.clone(), name: (*name).to_owned(), end };
    Ok(GateValue::Subgroup { statistic, columns, metric })
}

/// `METRIC` or `TARGET/METRIC`, perhaps with `/low` or `/high`.
fn metric(parts: &[&str], targets: &[Target]) -> Result<GateMetric, String> {
    let (parts, end) = value_end(parts);
    let (name, before) =
        parts.split_last().ok_or("the metric is missing; write one such as `test/accuracy`")?;
    let target = named_target(&before.join("/"), targets, "test", name)?;
    check_metric(name, target, MetricPlace::Split)?;
    Ok(GateMetric { target: target.name.clone(), name: (*name).to_owned(), end })
}

/// Nothing, `TARGET`, or either with `/low` or `/high`.
fn coverage(parts: &[&str], targets: &[Target]) -> Result<GateMetric, String> {
    let (parts, end) = match parts {
        ["low"] => (&[][..], ValueEnd::Low),
        ["high"] => (&[][..], ValueEnd::High),
        parts => value_end(parts),
    };
    let target = named_target(&parts.join("/"), targets, COVERAGE, "")?;
    Ok(GateMetric { target: target.name.clone(), name: COVERAGE.to_owned(), end })
}

/// Splits a last part `low` or `high` off.
fn value_end<'a>(parts: &'a [&'a str]) -> (&'a [&'a str], ValueEnd) {
    match parts {
        [before @ .., "low"] if !before.is_empty() => (before, ValueEnd::Low),
        [before @ .., "high"] if !before.is_empty() => (before, ValueEnd::High),
        parts => (parts, ValueEnd::Point),
    }
}

fn named_target<'a>(
    name: &str,
    targets: &'a [Target],
    head: &str,
    metric: &str,
) -> Result<&'a Target, String> {
    if name.is_empty() {
        return only_target(targets, head, metric);
    }
    targets.iter().find(|target| target.name == name).ok_or_else(|| {
        let names = || targets.iter().map(|target| target.name.as_str());
        let hint = did_you_mean(name, names());
        format!("unknown target `{name}`{hint}; expected {}", names().collect::<Vec<_>>().join(", "))
    })
}

/// The target, if there is one only.
fn only_target<'a>(targets: &'a [Target], head: &str, metric: &str) -> Result<&'a Target, String> {
    match targets {
        [target] => Ok(target),
        [] => Err("no target; add `[[targets]]`".to_owned()),
        [first, ..] => {
            let key = [head, &first.name, metric].join("/");
            Err(format!("several targets: name one of them, such as `{}`", key.trim_end_matches('/')))
        }
    }
}
