//! Header of the page, facts about the model, learning curves, and the comparison with another model.

use super::markup::{Cell, dim, facts, figure, fitting, further, grid, metric_table, table};
use super::metrics::{bounds, breakable, finite, interval, value};
use crate::document::{Comparison, Evaluation, LearningCurve, Metric, ModelSection, SplitEvaluation};
use crate::plot::{Axis, Plot, Series, Shape};
use crate::text::{Digits, cut, escape, microseconds, name, number, several, size, spaced};

/// Metrics with a learning curve.
const CURVES: usize = 12;

/// Splits in the header.
const SPLITS: usize = 12;

/// Split that the header speaks of: `test`, else the last.
pub(crate) fn main_split(evaluation: &Evaluation) -> Option<&SplitEvaluation> {
    evaluation.splits.iter().find(|split| split.split == "test").or(evaluation.splits.last())
}

/// Name of the model, its goal metric beside the trivial model, and a line for every split.
pub(super) fn header(evaluation: &Evaluation) -> String {
    let model = &evaluation.model;
    let title = if model.package.is_empty() { "Evaluation".to_owned() } else { name(&model.package) };
    let mut html = format!("<header><p class=\"dim\">Evaluation of a model</p><h1>{title}</h1>");
    let main = main_split(evaluation);
    for target in main.iter().flat_map(|split| &split.targets).take(6) {
        let Some(goal) = target.metrics.first() else { continue };
        let split = main.map(|split| name(&split.split)).unwrap_or_default();
        let of = if main.is_some_and(|split| split.targets.len() > 1) {
            format!(" of {}", name(&target.target))
        } else {
            String::new()
        };
        let range = interval(goal)
            .filter(|_| finite(goal.value).is_some())
            .map(|range| format!(" <span class=\"dim\">95 % interval {range}</span>"));
        html += &format!(
            "<p class=\"goal\"><span class=\"dim\">{}{of} on {split}</span><b>{}</b>{}</p>{}",
            escape(&spaced(&goal.name)),
            value(goal),
            range.unwrap_or_default(),
            verdict(goal)
                .or_else(|| Some(("even", format!("{}.", escape(&cut(goal.undefined.as_ref()?, 200))))))
                .map(|(class, words)| format!("<p class=\"verdict {class}\">{words}</p>"))
                .unwrap_or_default()
        );
    }
    html += &splits(evaluation);
    html + "</header>"
}

/// Class and sentence about a metric beside that of the trivial model; `None` without a baseline or direction.
pub(crate) fn verdict(metric: &Metric) -> Option<(&'static str, String)> {
    let (value, baseline) = (finite(metric.value)?, finite(metric.baseline)?);
    let larger = metric.larger_is_better?;
    let (low, high) = bounds(metric.interval).unwrap_or((value, value));
    let (worst, best) = if larger { (low, high) } else { (-high, -low) };
    let beside = if larger { baseline } else { -baseline };
    let trivial = if baseline == 0.0 { "0".to_owned() } else { super::metrics::baseline(metric)? };
    Some(if worst > beside {
        ("good", format!("Better than a trivial model, which has {trivial}."))
    } else if best < beside {
        ("bad", format!("Worse than a trivial model, which has {trivial}."))
    } else {
        ("even", format!("Not clearly better than a trivial model, which has {trivial}."))
    })
}

/// Goal of every split and target.
fn splits(evaluation: &Evaluation) -> String {
    let all: Vec<_> = evaluation
        .splits
        .iter()
        .flat_map(|split| split.targets.iter().map(move |target| (split, target)))
        .collect();
    if all.len() < 2 {
        return String::new();
    }
    let several_targets = evaluation.splits.iter().any(|split| split.targets.len() > 1);
    let mut head = vec![("split", Cell::Words)];
    if several_targets {
        head.push(("target", Cell::Words));
    }
    head.extend([
        ("rows", Cell::Number),
        ("metric", Cell::Words),
        ("value", Cell::Number),
        ("95 % interval", Cell::Number),
    ]);
    let rows = all.iter().take(SPLITS).map(|(split, target)| {
        let mut row = vec![name(&split.split)];
        if several_targets {
            row.push(name(&target.target));
        }
        let goal = target.metrics.first().cloned().unwrap_or_default();
        row.extend([
            crate::text::count(split.rows),
            breakable(&goal.name),
            value(&goal),
            interval(&goal).unwrap_or_default(),
        ]);
        row
    });
    metric_table(&head, rows) + &further(all.len(), SPLITS, "split")
}

/// Facts about the model.
pub(super) fn model(model: &ModelSection) -> String {
    let text = |text: &str| format!("<bdi>{}</bdi>", escape(&cut(text, 200)));
    let mut pairs = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        pairs.extend(value.map(|value| (name.to_owned(), value)));
    };
    let filled = |value: &str| (!value.is_empty()).then(|| text(value));
    add("package", filled(&model.package));
    add("family", filled(&model.family));
    add("parameters", model.parameters.map(crate::text::count));
    add("size of the weights", (model.bytes > 0).then(|| size(model.bytes)));
    add("engine", filled(&model.engine));
    add(
        "latency per row",
        model.latency.map(|latency| {
            format!(
                "{} median, {} 99th percentile, {}",
                microseconds(latency.p50_us),
                microseconds(latency.p99_us),
                several(latency.passes, "pass")
            )
        }),
    );
    add("goal", model.goal.as_ref().map(|goal| escape(&cut(goal, 60))));
    add("run", model.run.as_deref().map(text));
    add("created", model.created.as_deref().map(text));
    pairs.extend(model.facts.iter().take(40).map(|(fact, value)| (name(fact), text(value))));
    facts(&pairs)
}

/// One figure for each metric, with a line for each split.
pub(super) fn learning(curves: &[LearningCurve]) -> String {
    let mut metrics: Vec<&str> = Vec::new();
    for curve in curves {
        if !metrics.contains(&curve.metric.as_str()) {
            metrics.push(&curve.metric);
        }
    }
    let shown = fitting(metrics.len(), CURVES);
    let figures: Vec<String> = metrics
        .iter()
        .take(shown)
        .filter_map(|metric| {
            let lines = curves.iter().filter(|curve| curve.metric == *metric).take(6).enumerate();
            let series = lines
                .map(|(at, curve)| Series::new(curve.split.clone(), curve.points.clone(), Shape::Line, at))
                .collect();
            let title = spaced(metric);
            let x = Axis { whole: true, ..Axis::new("step") };
            let html =
                Plot { title: format!("{title} during training"), x, y: Axis::new(title.clone()), series }
                    .html();
            let only = curves.iter().find(|curve| curve.metric == *metric).map(|curve| cut(&curve.split, 20));
            let single = curves.iter().filter(|curve| curve.metric == *metric).count() == 1;
            let title = match only.filter(|_| single) {
                Some(split) => format!("{title}, {split}"),
                None => title,
            };
            (!html.is_empty()).then(|| figure(&title, &html, ""))
        })
        .collect();
    grid(&figures) + &further(metrics.len(), shown, "metric")
}

/// Table of the metrics of two models.
pub(super) fn comparison(comparison: &Comparison) -> String {
    let (first, second) = (name(&comparison.first), name(&comparison.second));
    let head = [
        ("metric", Cell::Words),
        (first.as_str(), Cell::Number),
        (second.as_str(), Cell::Number),
        ("difference", Cell::Number),
        ("95 % interval", Cell::Number),
        ("p", Cell::Number),
        ("test", Cell::Words),
    ];
    let rows = comparison.metrics.iter().take(60).map(|metric| {
        let (low, high) = bounds(metric.interval).unzip();
        let values = [metric.first, metric.second].into_iter().flatten();
        let digits = Digits::of(values);
        let differences = Digits::of([metric.difference, low, high].into_iter().flatten());
        let write = |digits: Digits, value: Option<f64>| {
            finite(value).map(|value| digits.write(value)).unwrap_or_default()
        };
        let signed = |value: f64| {
            let sign = if value > 0.0 { "+" } else { "" };
            format!("{sign}{}", differences.write(value))
        };
        vec![
            escape(&cut(&metric.name, 60)),
            write(digits, metric.first),
            write(digits, metric.second),
            finite(metric.difference).map(signed).unwrap_or_default(),
            low.zip(high)
                .map(|(low, high)| format!("{} to {}", signed(low), signed(high)))
                .unwrap_or_default(),
            finite(metric.p_value).map(p_value).unwrap_or_default(),
            metric.test.as_deref().map(|test| escape(&cut(test, 20))).unwrap_or_default(),
        ]
    });
    let verdict = if comparison.verdict.is_empty() {
        String::new()
    } else {
        format!("<p class=\"verdict\">{}</p>", escape(&cut(&comparison.verdict, 400)))
    };
    let rows_note = dim(&format!(
        "On the same {}. The difference is the second less the first.",
        several(comparison.rows, "row")
    ));
    format!("{verdict}{}{rows_note}{}", table(&head, rows), further(comparison.metrics.len(), 60, "metric"))
}

/// Probability with its usual precision.
pub(crate) fn p_value(value: f64) -> String {
    if value < 0.001 {
        "< 0.001".to_owned()
    } else {
        number((value * 1000.0).round() / 1000.0).trim_end_matches('0').to_owned()
    }
}
