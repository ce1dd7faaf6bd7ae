//! The page of a study.

use super::{StudyKey, StudyPage, StudyTrial, StudyValue};
use crate::page::markup::{Cell, Room, dim, figure, fitting, further, grid, table};
use crate::page::{FRAME, PAGE_BYTES, Section, assemble};
use crate::plot::{Axis, Plot, Row, Rows, Series, Shape};
use crate::text::{Digits, count, cut, escape, label, name, number, several, spaced};

/// Keys with a plot of their own.
const SLICES: usize = 24;
/// Choices of one key in a plot.
const CHOICES: usize = 20;
/// Trials with a learning curve.
const CURVES: usize = 40;
/// Rows of the table.
const TRIALS: usize = 1000;
/// Reasons of failed trials.
const FAILURES: usize = 20;

/// Self-contained page about a study, of at most [`PAGE_BYTES`] whatever the study: long lists are cut, with the number of
/// what is left out.
pub fn study_html(study: &StudyPage) -> String {
    let mut room = Room::new(PAGE_BYTES - FRAME);
    let header = room.take(header(study));
    let mut sections = Vec::new();
    let mut add = |title: &str, body: String| {
        if !body.is_empty() {
            sections.push(Section { title: title.to_owned(), body, parts: Vec::new() });
        }
    };
    add("History", room.take(history(study)));
    add("Pareto front", room.take(front(study)));
    add("Importance", room.take(importance(study)));
    add("Values", room.take(slices(study)));
    add("Learning curves", room.take(curves(study)));
    add("Trials", room.take(trials(study)));
    add("Failed trials", room.take(failures(study)));
    assemble(&format!("{} study", escape(&cut(&study.name, 80))), &header, &sections)
}

fn header(study: &StudyPage) -> String {
    let mut html = format!("<header><p class=\"dim\">Study of a config</p><h1>{}</h1>", name(&study.name));
    let best = study.trials.iter().find(|trial| Some(trial.number) == study.best);
    if let (Some(best), Some(metric)) = (best, study.metrics.first())
        && let Some(value) = best.values.first()
    {
        html += &format!(
            "<p class=\"goal\"><span class=\"dim\">best {} on valid</span><b>{}</b> <span class=\"dim\">trial {}</span></p>",
            escape(&spaced(&metric.name)),
            number(*value),
            best.number
        );
        let keys =
            study.keys.iter().zip(&best.params).filter_map(|(key, value)| Some((key, value.as_ref()?)));
        let rows = keys.map(|(key, value)| vec![name(&key.name), shown(value)]);
        html += &table(&[("Key", Cell::Words), ("Best value", Cell::Number)], rows);
    }
    let count = |complete: bool, state: &str| {
        study
            .trials
            .iter()
            .filter(|trial| trial.complete == complete && (complete || trial.state == state))
            .count()
    };
    let counts = [
        (count(true, ""), "complete"),
        (count(false, "pruned"), "pruned"),
        (count(false, "failed"), "failed"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, state)| format!("{count} {state}"))
        .collect();
    let trials = several(study.trials.len() as u64, "trial");
    html += &dim(&format!("{trials}: {}. Trials are compared on the valid split only.", counts.join(", ")));
    if let Some(package) = &study.package {
        html += &dim(&format!(
            "The best trial is published as {}; its report has the test metrics.",
            name(package)
        ));
    }
    html + "</header>"
}

/// First metric of each trial, and the best so far.
fn history(study: &StudyPage) -> String {
    let Some(metric) = study.metrics.first() else { return String::new() };
    let (mut complete, mut pruned, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    let mut best: Option<f64> = None;
    for trial in &study.trials {
        let Some(value) = trial.values.first().copied().filter(|value| value.is_finite()) else { continue };
        let at = trial.number as f64;
        if !trial.complete {
            pruned.push((at, value));
            continue;
        }
        complete.push((at, value));
        let better =
            best.is_none_or(|best| if metric.larger_is_better { value > best } else { value < best });
        if better {
            steps.extend(best.map(|best| (at, best)));
            best = Some(value);
        }
        steps.extend(best.map(|best| (at, best)));
    }
    let plot = Plot {
        title: "Value of each trial".into(),
        x: Axis { whole: true, ..Axis::new("trial") },
        y: Axis::new(spaced(&metric.name)),
        series: vec![
            Series::new("best so far", steps, Shape::Line, 1),
            Series::new("pruned", pruned, Shape::Dots, 5),
            Series::new("complete", complete, Shape::Dots, 0),
        ],
    };
    let html = plot.html();
    if html.is_empty() { html } else { grid(&[figure("Value of each trial", &html, direction(study))]) }
}

fn direction(study: &StudyPage) -> &'static str {
    match study.metrics.first().map(|metric| metric.larger_is_better) {
        Some(true) => "Larger values are better.",
        Some(false) => "Smaller values are better.",
        None => "",
    }
}

/// Trials by their first two metrics.
fn front(study: &StudyPage) -> String {
    let [x, y, ..] = study.metrics.as_slice() else { return String::new() };
    let pair = |trial: &StudyTrial| Some((*trial.values.first()?, *trial.values.get(1)?));
    let points = |on_front: bool| {
        let trials = study.trials.iter().filter(|trial| study.front.contains(&trial.number) == on_front);
        let mut points: Vec<(f64, f64)> = trials.filter_map(pair).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    let plot = Plot {
        title: "Pareto front".into(),
        x: Axis::new(spaced(&x.name)),
        y: Axis::new(spaced(&y.name)),
        series: vec![
            Series::new("other trials", points(false), Shape::Dots, 5),
            Series::new("front", points(true), Shape::Dots, 1),
        ],
    };
    let html = plot.html();
    if html.is_empty() {
        return html;
    }
    grid(&[figure("Pareto front", &html, "No trial beats one of the front in all metrics.")])
}

fn importance(study: &StudyPage) -> String {
    let mut keys: Vec<(&StudyKey, f64)> = study
        .keys
        .iter()
        .filter_map(|key| Some((key, key.importance.filter(|share| share.is_finite())?)))
        .collect();
    keys.sort_by(|a, b| b.1.total_cmp(&a.1));
    let rows = keys.iter().take(SLICES).map(|(key, share)| Row {
        label: short(&key.name),
        value: *share,
        interval: None,
    });
    let html = Rows {
        title: "Importance of keys".into(),
        axis: Axis::share("share of the variance"),
        values: rows.collect(),
        bars: true,
        reference: None,
    }
    .html();
    if html.is_empty() {
        return html;
    }
    let note = "Share of the variance of the metric over the whole space that a key explains on its own (fANOVA, Hutter et al. 2014).";
    grid(&[figure("Importance of keys", &html, note)]) + &further(keys.len(), SLICES, "key")
}

/// First metric over the values of each key.
fn slices(study: &StudyPage) -> String {
    let Some(metric) = study.metrics.first() else { return String::new() };
    let figures = study.keys.iter().enumerate().take(SLICES).map(|(at, key)| {
        let complete = study.trials.iter().filter(|trial| trial.complete);
        let pairs =
            complete.filter_map(|trial| Some((trial.params.get(at)?.as_ref()?, *trial.values.first()?)));
        let pairs: Vec<(&StudyValue, f64)> = pairs.filter(|(_, value)| value.is_finite()).collect();
        let html = if pairs.iter().all(|(value, _)| matches!(value, StudyValue::Number(_))) {
            numbers(key, &metric.name, &pairs)
        } else {
            choices(&metric.name, &pairs, metric.larger_is_better)
        };
        if html.is_empty() { html } else { figure(&cut(&key.name, 60), &html, "") }
    });
    grid(&figures.collect::<Vec<_>>()) + &further(study.keys.len(), SLICES, "key")
}

fn numbers(key: &StudyKey, metric: &str, pairs: &[(&StudyValue, f64)]) -> String {
    let points = pairs.iter().filter_map(|(value, score)| match value {
        StudyValue::Number(number) => Some((if key.log { number.log10() } else { *number }, *score)),
        StudyValue::Choice(_) => None,
    });
    let title = short(&key.name);
    let plot = Plot {
        title: format!("{metric} over {title}"),
        x: Axis { log: key.log, ..Axis::new(title) },
        y: Axis::new(spaced(metric)),
        series: vec![Series::new("", points.collect(), Shape::Dots, 0)],
    };
    plot.html()
}

/// Best value of each choice, with whiskers from the worst to the best.
fn choices(metric: &str, pairs: &[(&StudyValue, f64)], larger_is_better: bool) -> String {
    let mut found: Vec<(String, Vec<f64>)> = Vec::new();
    for (value, score) in pairs {
        let label = plain(value);
        match found.iter_mut().find(|(own, _)| *own == label) {
            Some((_, scores)) => scores.push(*score),
            None => found.push((label, vec![*score])),
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let all = found.len();
    let rows = found.into_iter().take(fitting(all, CHOICES)).map(|(label, scores)| {
        let low = scores.iter().copied().fold(f64::INFINITY, f64::min);
        let high = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let value = if larger_is_better { high } else { low };
        Row { label, value, interval: Some((low, high)) }
    });
    let html = Rows {
        title: format!("{metric} by choice"),
        axis: Axis::new(format!("{}, best and range", spaced(metric))),
        values: rows.collect(),
        bars: false,
        reference: None,
    }
    .html();
    html + &further(all, fitting(all, CHOICES), "choice")
}

/// First metric by epoch; the best trial is drawn on top.
fn curves(study: &StudyPage) -> String {
    let Some(metric) = study.metrics.first() else { return String::new() };
    let mut trials: Vec<&StudyTrial> = study.trials.iter().filter(|trial| trial.curve.len() > 1).collect();
    if trials.is_empty() {
        return String::new();
    }
    let all = trials.len();
    trials.sort_by_key(|trial| Some(trial.number) == study.best);
    let trials = &trials[all.saturating_sub(CURVES)..];
    let series = trials.iter().map(|trial| {
        let best = Some(trial.number) == study.best;
        let label = if best { format!("trial {}, the best", trial.number) } else { String::new() };
        Series::new(label, trial.curve.clone(), Shape::Line, if best { 1 } else { 5 })
    });
    let plot = Plot {
        title: "Learning curves".into(),
        x: Axis { whole: true, ..Axis::new("epoch") },
        y: Axis::new(format!("{} on valid", spaced(&metric.name))),
        series: series.collect(),
    };
    let best = study.best.map_or_else(String::new, |best| format!("The coloured curve is trial {best}. "));
    let note = format!("{best}Short curves are pruned trials.");
    grid(&[figure("Learning curves", &plot.html(), &note)]) + &further(all, trials.len(), "curve")
}

fn trials(study: &StudyPage) -> String {
    if study.trials.is_empty() {
        return String::new();
    }
    let metrics: Vec<String> = study.metrics.iter().map(|metric| name(&metric.name)).collect();
    let keys: Vec<String> = study.keys.iter().map(|key| name(&short(&key.name))).collect();
    let mut head = vec![("Trial", Cell::Number), ("State", Cell::Words)];
    head.extend(metrics.iter().map(|metric| (metric.as_str(), Cell::Number)));
    head.push(("Seconds", Cell::Number));
    head.extend(keys.iter().map(|key| (key.as_str(), Cell::Number)));
    let shown_trials = fitting(study.trials.len(), TRIALS);
    let rows = study.trials.iter().take(shown_trials).map(|trial| {
        let mut row = vec![trial.number.to_string(), name(&trial.state)];
        row.extend(
            (0..study.metrics.len())
                .map(|at| trial.values.get(at).map_or_else(String::new, |value| number(*value))),
        );
        row.push(trial.seconds.map_or_else(String::new, |seconds| Digits::After(1).write(seconds)));
        row.extend(
            (0..study.keys.len())
                .map(|at| trial.params.get(at).and_then(Option::as_ref).map_or_else(String::new, shown)),
        );
        row
    });
    table(&head, rows) + &further(study.trials.len(), shown_trials, "trial")
}

fn failures(study: &StudyPage) -> String {
    let failed: Vec<(&StudyTrial, &String)> =
        study.trials.iter().filter_map(|trial| Some((trial, trial.error.as_ref()?))).collect();
    if failed.is_empty() {
        return String::new();
    }
    let rows = failed.iter().take(FAILURES).map(|(trial, error)| {
        vec![trial.number.to_string(), format!("<span class=\"wrap\">{}</span>", escape(&cut(error, 400)))]
    });
    table(&[("Trial", Cell::Number), ("Reason", Cell::Words)], rows)
        + &further(failed.len(), FAILURES, "trial")
}

/// Last part of a dotted key.
fn short(key: &str) -> String {
    key.rsplit('.').next().unwrap_or(key).to_owned()
}

/// Number of a config: a whole one without digits after the point, others without zeros at the end.
fn setting(value: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and below 2^53")]
    if value.fract() == 0.0 && (0.0..9e15).contains(&value) { count(value as u64) } else { label(value) }
}

fn plain(value: &StudyValue) -> String {
    match value {
        StudyValue::Number(value) => setting(*value),
        StudyValue::Choice(text) => text.clone(),
    }
}

fn shown(value: &StudyValue) -> String {
    match value {
        StudyValue::Number(value) => setting(*value),
        StudyValue::Choice(text) => name(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::StudyMetric;

    fn study(trials: usize) -> StudyPage {
        let metric = |name: &str, larger_is_better| StudyMetric { name: name.into(), larger_is_better };
        let key = |name: &str, log| StudyKey { name: name.into(), log, importance: Some(0.5) };
        let trial = |number: usize| StudyTrial {
            number,
            state: if number.is_multiple_of(3) { "pruned" } else { "complete" }.into(),
            complete: !number.is_multiple_of(3),
            values: vec![number as f64, f64::NAN],
            params: vec![Some(StudyValue::Number(0.1)), Some(StudyValue::Choice("<b>".into())), None],
            curve: vec![(1.0, 0.5), (2.0, f64::NAN), (3.0, 0.75)],
            seconds: Some(1.25),
            error: None,
        };
        StudyPage {
            name: "a & b".into(),
            metrics: vec![metric("accuracy", true), metric("size", false)],
            keys: vec![key("train.rate", true), key("model.kind", false), key("model.width", false)],
            trials: (0..trials).map(trial).collect(),
            best: trials.checked_sub(1),
            front: vec![1],
            package: Some("a:1".into()),
        }
    }

    #[test]
    fn settings_have_the_digits_of_a_config() {
        let shown = [3.0, 0.1, 0.0001, 2e-5, 65536.0, 0.123_456, -2.5, 0.0].map(setting);
        assert_eq!(shown, ["3", "0.1", "0.0001", "2e-5", "65,536", "0.1235", "-2.5", "0"]);
    }

    #[test]
    fn the_page_has_a_bounded_size_and_escapes_names() {
        for trials in [0, 1, 30, 100_000] {
            let html = study_html(&study(trials));
            assert!(html.len() <= PAGE_BYTES, "{trials}: {}", html.len());
            assert!(html.contains("<title>a &amp; b study</title>"));
            assert!(!html.contains("<b>&lt;b") && !html.contains("><b></"), "{trials}");
            // The script behind the main part says NaN.
            let main = html.split("<script>").next().unwrap();
            for word in ["NaN", ">inf"] {
                assert!(!main.contains(word), "{word}");
            }
        }
        let html = study_html(&study(30));
        for section in ["History", "Importance", "Values", "Learning curves", "Trials"] {
            assert!(html.contains(&format!("<h2>{section}</h2>")), "{section}");
        }
    }
}
