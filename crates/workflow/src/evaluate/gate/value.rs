//! Numbers of an evaluation that conditions are on.

use cupola_report::{Evaluation, Metric, SplitEvaluation, Subgroup, SubgroupTable, TargetEvaluation};
use cupola_spec::{GateMetric, GateSplit, GateValue, LatencyPercentile, SubgroupStatistic, ValueEnd};

/// Number that a condition is on.
pub(super) struct FoundValue {
    pub value: f64,
    /// 95 % confidence interval of the point that the value belongs to.
    pub interval: Option<(f64, f64)>,
    /// Origin of the number, such as the group with the smallest value.
    pub remark: Option<String>,
}

impl FoundValue {
    fn new(value: f64) -> Self {
        Self { value, interval: None, remark: None }
    }
}

/// Reason for which there is no number.
pub(super) struct UndefinedValue(pub String);

type Found = Result<FoundValue, UndefinedValue>;

/// Finds the number of a condition.
pub(super) fn find(evaluation: &Evaluation, value: &GateValue) -> Found {
    let found = match value {
        GateValue::Metric { split, metric } => {
            let target = target(split_of(evaluation, *split)?, &metric.target)?;
            end_of(named(&target.metrics, &metric.name)?, metric.end)
        }
        GateValue::Subgroup { statistic, columns, metric } => {
            let target = target(split_of(evaluation, GateSplit::Last)?, &metric.target)?;
            statistic_of(table(target, columns)?, *statistic, metric)
        }
        GateValue::Latency(percentile) => latency(evaluation, *percentile),
    }?;
    if found.value.is_finite() {
        return Ok(found);
    }
    Err(UndefinedValue(format!("the value is {}", found.value)))
}

fn undefined<T>(reason: impl Into<String>) -> Result<T, UndefinedValue> {
    Err(UndefinedValue(reason.into()))
}

fn latency(evaluation: &Evaluation, percentile: LatencyPercentile) -> Found {
    let Some(latency) = evaluation.model.latency else {
        return undefined("the latency was not measured");
    };
    let microseconds = match percentile {
        LatencyPercentile::P50 => latency.p50_us,
        LatencyPercentile::P99 => latency.p99_us,
    };
    Ok(FoundValue::new(microseconds / 1000.0))
}

fn split_of(evaluation: &Evaluation, split: GateSplit) -> Result<&SplitEvaluation, UndefinedValue> {
    let named = |name: &str| evaluation.splits.iter().find(|split| split.split == name && split.rows > 0);
    match split {
        GateSplit::Valid => named("valid").map_or_else(|| undefined("the valid split has no rows"), Ok),
        GateSplit::Test => {
            let hint = "the test split has no rows; set `split.test`, or judge `valid` metrics";
            named("test").map_or_else(|| undefined(hint), Ok)
        }
        GateSplit::Last => {
            let last = named("test").or_else(|| named("valid"));
            last.map_or_else(|| undefined("neither the test nor the valid split has rows"), Ok)
        }
    }
}

fn target<'a>(split: &'a SplitEvaluation, name: &str) -> Result<&'a TargetEvaluation, UndefinedValue> {
    let found = split.targets.iter().find(|target| target.target == name);
    found.map_or_else(|| undefined(format!("target `{name}` was not evaluated")), Ok)
}

fn named<'a>(metrics: &'a [Metric], name: &str) -> Result<&'a Metric, UndefinedValue> {
    metrics.iter().find(|metric| metric.name == name).map_or_else(
        || {
            let known: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
            undefined(format!("`{name}` was not measured; found {}", known.join(", ")))
        },
        Ok,
    )
}

/// The value of a metric, or a bound of its interval.
fn end_of(metric: &Metric, end: ValueEnd) -> Found {
    let Some(value) = metric.value else {
        let reason = metric.undefined.as_deref().unwrap_or("no reason given");
        return undefined(format!("`{}` is undefined: {reason}", metric.name));
    };
    let value = match (end, metric.interval) {
        (ValueEnd::Point, _) => value,
        (ValueEnd::Low, Some((low, _))) => low,
        (ValueEnd::High, Some((_, high))) => high,
        (_, None) => return undefined(format!("`{}` has no confidence interval", metric.name)),
    };
    Ok(FoundValue { interval: metric.interval, ..FoundValue::new(value) })
}

/// Table of the columns, in whatever order they are crossed.
fn table<'a>(target: &'a TargetEvaluation, columns: &[String]) -> Result<&'a SubgroupTable, UndefinedValue> {
    let same = |table: &&SubgroupTable| {
        table.columns.len() == columns.len() && columns.iter().all(|column| table.columns.contains(column))
    };
    target.subgroups.iter().find(same).map_or_else(
        || {
            let columns = columns.join(" * ");
            undefined(format!(
                "the groups of `{columns}` were not evaluated; add the column to `evaluate.subgroups`"
            ))
        },
        Ok,
    )
}

fn statistic_of(table: &SubgroupTable, statistic: SubgroupStatistic, metric: &GateMetric) -> Found {
    let gap = statistic == SubgroupStatistic::Gap;
    if let Some(gap) = table.gaps.iter().find(|one| gap && one.name == metric.name) {
        return end_of(gap, metric.end);
    }
    if gap && metric.end != ValueEnd::Point {
        return undefined(format!("the gap in `{}` has no confidence interval", metric.name));
    }
    let mut values = Vec::with_capacity(table.groups.len());
    for group in &table.groups {
        let found = named(&group.metrics, &metric.name).and_then(|found| end_of(found, metric.end));
        let found =
            found.map_err(|UndefinedValue(why)| UndefinedValue(format!("{}: {why}", label(group))))?;
        values.push((group, found));
    }
    let by_value =
        |a: &&(&Subgroup, FoundValue), b: &&(&Subgroup, FoundValue)| a.1.value.total_cmp(&b.1.value);
    let ends = (values.iter().min_by(by_value), values.iter().max_by(by_value));
    let ((lowest, low), (highest, high)) = match ends {
        (Some(low), Some(high)) if !gap || values.len() > 1 => (low, high),
        _ => return undefined(too_few(table)),
    };
    let of = |group: &Subgroup, value: f64| format!("{} has {}", label(group), short_number(value));
    Ok(match statistic {
        SubgroupStatistic::Min => {
            FoundValue { interval: low.interval, remark: Some(of(lowest, low.value)), value: low.value }
        }
        SubgroupStatistic::Max => {
            FoundValue { interval: high.interval, remark: Some(of(highest, high.value)), value: high.value }
        }
        SubgroupStatistic::Gap => {
            let remark = format!("{}, {}", of(lowest, low.value), of(highest, high.value));
            FoundValue { remark: Some(remark), ..FoundValue::new(high.value - low.value) }
        }
    })
}

fn too_few(table: &SubgroupTable) -> String {
    let (columns, found) = (table.columns.join(" * "), table.groups.len());
    format!(
        "`{columns}` has {found} groups with enough rows, and {} with fewer than `evaluate.min_support`",
        table.left_out
    )
}

/// A number with at most six decimal places, enough to tell it from a bound that it misses.
pub(super) fn short_number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn label(group: &Subgroup) -> String {
    format!("`{}`", group.values.join(" * "))
}
