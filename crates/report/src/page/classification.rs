//! Plots and tables of a classifier.

use std::collections::{BTreeMap, BTreeSet};

use super::markup::{Cell, dim, figure, further, grid, table};
use crate::document::{ClassificationDetail, Histogram, Line, Metric};
use crate::plot::{Axis, Plot, Series, Shape};
use crate::text::{Digits, count, label, name, number, several};

/// Curves that one plot shows.
const CURVES: usize = 6;

/// Score histograms that are shown.
const HISTOGRAMS: usize = 4;

/// Classes in the table of classes.
const CLASSES: usize = 40;

/// Curves: ROC, precision and recall, calibration, gain and lift, score histograms.
pub(super) fn curves(detail: &ClassificationDetail, metrics: &[Metric]) -> String {
    let weakest = Weakest::of(detail);
    let mut figures = Vec::new();
    let point = detail.operating_point;
    let mark = |across: f64, up: f64| {
        let threshold = point.map_or(f64::NAN, |point| point.threshold);
        let label = format!("threshold in use, {}", label(threshold));
        point.map(|_| Series::new(label, vec![(across, up)], Shape::Mark, 1))
    };
    let diagonal = || Series::new("", vec![(0.0, 0.0), (1.0, 1.0)], Shape::Reference, 0);
    let auc = named(metrics, &["roc_auc"]).map(|auc| format!("Area under the curve: {auc}."));
    figures.extend(weakest.plot(
        "ROC curve",
        (Axis::share("false positive rate"), Axis::share("recall (true positive rate)")),
        &detail.roc,
        [Some(diagonal()), point.and_then(|p| mark(p.false_positive_rate, p.recall))],
        &auc.unwrap_or_default(),
    ));
    let area =
        named(metrics, &["average_precision", "pr_auc"]).map(|area| format!("Average precision: {area}."));
    figures.extend(weakest.plot(
        "Precision and recall",
        (Axis::share("recall"), Axis::share("precision")),
        &detail.precision_recall,
        [None, point.and_then(|p| mark(p.recall, p.precision))],
        &area.unwrap_or_default(),
    ));
    let ece = named(metrics, &["ece", "expected_calibration_error"])
        .map(|ece| format!("Expected calibration error: {ece}."));
    figures.extend(weakest.plot(
        "Calibration",
        (Axis::share("mean predicted probability"), Axis::share("observed share")),
        &detail.calibration,
        [Some(diagonal()), None],
        &ece.unwrap_or_default(),
    ));
    figures.extend(weakest.plot(
        "Cumulative gain",
        (Axis::share("share of the rows, most probable first"), Axis::share("share of the class found")),
        &detail.gain,
        [Some(diagonal()), None],
        "",
    ));
    let random = Series::new("", vec![(0.0, 1.0), (1.0, 1.0)], Shape::Reference, 0);
    let lift = Axis { from_zero: true, ..Axis::new("lift") };
    figures.extend(weakest.plot(
        "Lift",
        (Axis::share("share of the rows, most probable first"), lift),
        &detail.lift,
        [Some(random), None],
        "Multiple of the class's share in all rows.",
    ));
    let scores: Vec<_> = detail.scores.iter().filter(|(class, ..)| weakest.shows(class)).collect();
    figures.extend(
        scores.iter().take(HISTOGRAMS).filter_map(|(class, of, others)| scores_of(class, of, others)),
    );
    let note = if figures.is_empty() { String::new() } else { weakest.note(detail.classes.len()) };
    format!("{note}{}", grid(&figures))
}

/// Value of the first metric with one of these names, possibly followed by an average such as `_macro`.
fn named(metrics: &[Metric], names: &[&str]) -> Option<String> {
    let found = names.iter().find_map(|name| {
        let exact = metrics.iter().find(|metric| metric.name == *name);
        exact.or_else(|| {
            metrics.iter().find(|metric| metric.name.strip_prefix(name).is_some_and(|r| r.starts_with('_')))
        })
    })?;
    super::metrics::finite(found.value).map(number)
}

/// Classes whose curves are shown.
struct Weakest<'a> {
    /// `None` for all that have curves.
    names: Option<BTreeSet<&'a str>>,
    /// Number of classes that have curves.
    known: usize,
}

impl<'a> Weakest<'a> {
    /// Classes with the lowest F1 of those that have curves; all if there are few.
    fn of(detail: &'a ClassificationDetail) -> Self {
        let curves = [&detail.roc, &detail.precision_recall, &detail.calibration, &detail.gain, &detail.lift];
        let labels = curves.into_iter().flatten().map(|line| line.label.as_str());
        let known: BTreeSet<&str> =
            labels.chain(detail.scores.iter().map(|score| score.0.as_str())).collect();
        if known.len() <= CURVES {
            return Self { names: None, known: known.len() };
        }
        let of_class: BTreeMap<&str, f64> = detail
            .classes
            .iter()
            .zip(&detail.reports)
            .map(|(class, report)| (class.as_str(), report.2))
            .collect();
        let mut ranked: Vec<(f64, &str)> =
            known.iter().map(|class| (of_class.get(class).copied().unwrap_or(1.0), *class)).collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        let names = ranked.into_iter().take(CURVES).map(|(_, class)| class).collect();
        Self { names: Some(names), known: known.len() }
    }

    /// Sentence about the classes that are not shown; empty if all are.
    fn note(&self, classes: usize) -> String {
        let shown = self.names.as_ref().map_or(self.known, BTreeSet::len);
        let of = if self.known < classes && classes > 2 {
            format!(", of {} in all", count(classes as u64))
        } else {
            String::new()
        };
        match &self.names {
            Some(_) => dim(&format!(
                "Curves are of the {shown} classes with the lowest F1 of the {} that have curves{of}.",
                count(self.known as u64)
            )),
            None if !of.is_empty() && shown > 0 => {
                dim(&format!("Curves are of {}{of}.", several(shown as u64, "class")))
            }
            None => String::new(),
        }
    }

    fn shows(&self, class: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.contains(class))
    }

    /// Figure of a line for each shown class, with a series below and one above the lines.
    fn plot(
        &self,
        title: &str,
        (x, y): (Axis, Axis),
        lines: &[Line],
        [below, above]: [Option<Series>; 2],
        note: &str,
    ) -> Option<String> {
        let shown: Vec<&Line> = lines.iter().filter(|line| self.shows(&line.label)).take(CURVES).collect();
        let mut series: Vec<Series> = Vec::new();
        series.extend(below);
        for (at, line) in shown.iter().enumerate() {
            // The second colour is that of the operating point.
            let colour = if shown.len() == 1 { 0 } else { at };
            series.push(Series::new(line.label.clone(), line.points.clone(), Shape::Line, colour));
        }
        series.extend(above);
        let html = Plot { title: title.to_owned(), x, y, series }.html();
        (!html.is_empty()).then(|| figure(title, &html, note))
    }
}

/// Figure of a class's predicted probabilities.
fn scores_of(class: &str, of: &Histogram, others: &Histogram) -> Option<String> {
    let html = Plot {
        title: format!("Predicted probability of {}", crate::text::cut(class, 40)),
        x: Axis::share("predicted probability"),
        y: Axis::counts("rows"),
        series: vec![
            Series::new("other rows", stairs(others), Shape::Stairs, 0),
            Series::new(format!("rows of {}", crate::text::cut(class, 40)), stairs(of), Shape::Stairs, 1),
        ],
    }
    .html();
    let title = format!("Scores: {}", crate::text::cut(class, 40));
    (!html.is_empty()).then(|| figure(&title, &html, ""))
}

/// Points of a histogram's stairs.
pub(super) fn stairs(histogram: &Histogram) -> Vec<(f64, f64)> {
    let last = histogram.counts.last().copied();
    histogram.edges.iter().copied().zip(histogram.counts.iter().copied().chain(last)).collect()
}

/// Table of precision, recall and F1, the classes with the lowest F1 first if there are many.
pub(super) fn classes(detail: &ClassificationDetail) -> String {
    if detail.reports.is_empty() {
        return String::new();
    }
    let mut order: Vec<usize> = (0..detail.reports.len()).collect();
    if order.len() > CLASSES {
        order.sort_by(|a, b| detail.reports[*a].2.total_cmp(&detail.reports[*b].2));
    }
    let head = [
        ("class", Cell::Words),
        ("precision", Cell::Number),
        ("recall", Cell::Number),
        ("F1", Cell::Number),
        ("rows", Cell::Number),
    ];
    let rows = order.iter().take(CLASSES).map(|at| {
        let (precision, recall, f1, rows) = detail.reports[*at];
        let four = |value: f64| Digits::After(4).write(value);
        let class = detail.classes.get(*at).map_or_else(|| at.to_string(), |class| name(class));
        vec![class, four(precision), four(recall), four(f1), count(rows)]
    });
    let order_note =
        if order.len() > CLASSES { dim("The classes with the lowest F1 first.") } else { String::new() };
    format!("{order_note}{}{}", table(&head, rows), further(order.len(), CLASSES, "class"))
}

#[cfg(test)]
mod tests {
    use super::curves;
    use crate::document::{ClassificationDetail, Line};

    #[test]
    fn the_classes_that_have_curves_are_shown_whichever_they_are() {
        let line =
            |class: usize| Line { label: format!("class {class}"), points: vec![(0.0, 0.0), (1.0, 1.0)] };
        let detail = |with: std::ops::Range<usize>| ClassificationDetail {
            classes: (0..1000).map(|class| format!("class {class}")).collect(),
            reports: (0..1000_u32).map(|class| (0.5, 0.5, f64::from(class) / 1000.0, 10)).collect(),
            roc: with.map(line).collect(),
            ..ClassificationDetail::default()
        };
        let html = curves(&detail(900..910), &[]);
        assert!(html.contains("class 900") && html.contains("class 905") && !html.contains("class 906"));
        assert!(
            html.contains("the 6 classes with the lowest F1 of the 10 that have curves, of 1,000 in all"),
            "{html}"
        );
        assert!(curves(&detail(3..5), &[]).contains("Curves are of 2 classes, of 1,000 in all"));
        assert_eq!(curves(&detail(0..0), &[]), "");
    }
}
