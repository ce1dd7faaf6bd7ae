//! Tables of metrics, each with a small plot of its interval and of the trivial model.

use super::markup::{Cell, dim, metric_table};
use crate::document::Metric;
use crate::text::{ABSENT, Digits, NAME, cut, escape};

/// Metrics that a table shows.
const SHOWN: usize = 60;

/// Value of a metric; the reason where it is undefined.
pub(super) fn value(metric: &Metric) -> String {
    value_with(metric, digits(metric))
}

/// Value of a metric with these digits; the reason where it is undefined.
pub(super) fn value_with(metric: &Metric, digits: Digits) -> String {
    match (finite(metric.value), &metric.undefined) {
        (Some(value), _) => digits.write(value),
        (None, Some(reason)) => {
            let reason = escape(&cut(reason, 200));
            format!("<span class=\"dim\" title=\"{reason}\">undefined</span>")
        }
        (None, None) => format!("<span class=\"dim\">{ABSENT}</span>"),
    }
}

/// Bounds of the interval, such as `0.9681 to 0.9780`; `None` without one.
pub(super) fn interval(metric: &Metric) -> Option<String> {
    let (low, high) = bounds(metric.interval)?;
    let digits = digits(metric);
    Some(format!("{} to {}", digits.write(low), digits.write(high)))
}

/// Digits that value and bounds of a metric share, and with it those of the trivial model. Most metrics are shares and
/// losses, so that four digits after the point are even down a column.
pub(crate) fn digits(metric: &Metric) -> Digits {
    let (low, high) = bounds(metric.interval).unzip();
    even([metric.value, low, high].into_iter().flatten())
}

/// Digits that values share: four after the point for those below 10, unless they are too small for them.
pub(super) fn even(values: impl Iterator<Item = f64> + Clone) -> Digits {
    let largest = values.clone().filter(|v| v.is_finite()).fold(0.0_f64, |most, v| most.max(v.abs()));
    let four = largest < 10.0 && (largest == 0.0 || largest >= 0.001);
    if four { Digits::After(4) } else { Digits::of(values) }
}

/// Value of the trivial model, with the digits of the metric unless it has none at them.
pub(crate) fn baseline(metric: &Metric) -> Option<String> {
    let value = finite(metric.baseline)?;
    let own = Digits::of([value]);
    let digits = match (digits(metric), own) {
        (Digits::After(shared), Digits::After(own)) if own <= shared || value.abs() < 1.0 => {
            Digits::After(shared)
        }
        _ => own,
    };
    Some(digits.write(value))
}

/// Finite number, or `None`.
pub(crate) fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite())
}

/// Finite bounds, or `None`.
pub(crate) fn bounds(interval: Option<(f64, f64)>) -> Option<(f64, f64)> {
    interval.filter(|(low, high)| low.is_finite() && high.is_finite() && low <= high)
}

/// Table of metrics; empty without any.
pub(super) fn metrics(all: &[Metric]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let trivial = all.iter().any(|metric| metric.baseline.is_some());
    let intervals = all.iter().any(|metric| metric.interval.is_some());
    let mut head = vec![("metric", Cell::Words), ("value", Cell::Number)];
    if intervals {
        head.push(("95 % interval", Cell::Number));
    }
    if trivial {
        head.push(("trivial model", Cell::Number));
    }
    // A value alone has nothing to be drawn beside.
    let plots = intervals || trivial;
    if plots {
        head.push(("", Cell::Plot));
    }
    let rows = all.iter().take(SHOWN).map(|metric| {
        let arrow = match metric.larger_is_better {
            Some(true) => " <span class=\"dim\" title=\"larger is better\">↑</span>",
            Some(false) => " <span class=\"dim\" title=\"smaller is better\">↓</span>",
            None => "",
        };
        let mut row = vec![format!("{}{arrow}", breakable(&metric.name)), value(metric)];
        if intervals {
            row.push(interval(metric).unwrap_or_default());
        }
        if trivial {
            row.push(self::baseline(metric).unwrap_or_default());
        }
        if plots {
            row.push(whisker(metric, extent(metric)));
        }
        row
    });
    let reasons: String = all
        .iter()
        .take(SHOWN)
        .filter_map(|metric| {
            let reason = metric.undefined.as_ref().filter(|_| finite(metric.value).is_none())?;
            Some(dim(&format!(
                "{} is undefined: {}.",
                escape(&cut(&metric.name, NAME)),
                escape(cut(reason, 200).trim_end_matches('.'))
            )))
        })
        .collect();
    let further = super::markup::further(all.len(), SHOWN, "metric");
    format!("{}{reasons}{further}", metric_table(&head, rows))
}

/// Name of a metric that may break after its underscores.
pub(super) fn breakable(name: &str) -> String {
    escape(&cut(name, NAME)).replace('_', "_<wbr>")
}

/// Range of a metric's small plot: 0 to 1 for shares, else from 0, or the smallest value, to the largest.
fn extent(metric: &Metric) -> (f64, f64) {
    let (low, high) = bounds(metric.interval).unzip();
    let values: Vec<f64> =
        [metric.value, low, high, metric.baseline].into_iter().flatten().filter(|v| v.is_finite()).collect();
    let smallest = values.iter().copied().fold(0.0, f64::min);
    let largest = values.iter().copied().fold(0.0, f64::max);
    let share = metric.larger_is_better == Some(true) && smallest >= 0.0 && largest <= 1.0;
    if share { (0.0, 1.0) } else { (smallest, largest * 1.05) }
}

/// Dot with whiskers, and a tick for the trivial model, over a range of values. Empty for an undefined metric.
pub(super) fn whisker(metric: &Metric, (from, to): (f64, f64)) -> String {
    let Some(value) = finite(metric.value) else { return String::new() };
    let place = |value: f64| 4.0 + 112.0 * ((value - from) / (to - from)).clamp(0.0, 1.0);
    if !(to - from).is_finite() || to <= from {
        return String::new();
    }
    let digits = digits(metric);
    let mut words =
        format!("{} between {} and {}", digits.write(value), digits.write(from), digits.write(to));
    let mut marks = String::from("<path class=\"rail\" d=\"M4 8H116\"/>");
    if let (Some(baseline), Some(shown)) = (finite(metric.baseline), baseline(metric)) {
        words += &format!(", trivial model {shown}");
        marks += &format!("<path class=\"tick\" d=\"M{:.1} 2V14\"/>", place(baseline));
    }
    if let Some((low, high)) = bounds(metric.interval) {
        marks += &format!("<path class=\"span\" d=\"M{:.1} 8H{:.1}\"/>", place(low), place(high));
    }
    format!(
        "<svg class=\"whisker\" viewBox=\"0 0 120 16\" role=\"img\" aria-label=\"{words}\">{marks}<circle class=\"dot\" cx=\"{:.1}\" cy=\"8\" r=\"3.2\"/></svg>",
        place(value)
    )
}
