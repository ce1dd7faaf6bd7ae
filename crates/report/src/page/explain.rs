//! Dependence of the predictions on columns: importance of columns, partial dependence and accumulated local effects.

use super::markup::{dim, figure, further, grid};
use super::metrics::{bounds, finite};
use crate::document::{Dependence, Importance};
use crate::plot::{Axis, Plot, Row, Rows, Series, Shape};
use crate::text::{cut, several};

/// Columns in the plot of importance.
const COLUMNS: usize = 20;

/// Plots of dependence.
const PLOTS: usize = 12;

/// Values of a category that are shown.
const VALUES: usize = 15;

/// Bars of importance with whiskers.
pub(super) fn importance(all: &[Importance]) -> String {
    let rows = all.iter().take(COLUMNS).map(|one| Row {
        label: one.column.clone(),
        value: one.increase,
        interval: bounds(one.interval),
    });
    let html = Rows {
        title: "Importance of columns".into(),
        axis: Axis::new("increase of the loss"),
        values: rows.collect(),
        bars: true,
        reference: None,
    }
    .html();
    if html.is_empty() {
        return html;
    }
    let whiskers = all.iter().take(COLUMNS).any(|one| bounds(one.interval).is_some());
    let permuted = "Increase of the loss when the values of the column are permuted.";
    let note = if whiskers {
        format!("{permuted} Whiskers: 95 % interval over shuffles.")
    } else {
        permuted.to_owned()
    };
    grid(&[figure("Importance of columns", &html, &note)]) + &further(all.len(), COLUMNS, "column")
}

/// One figure for each column.
pub(super) fn dependence(all: &[Dependence]) -> String {
    let figures: Vec<String> = all.iter().take(PLOTS).filter_map(one).collect();
    let note = match all.first().filter(|_| !figures.is_empty()) {
        Some(first) if first.rows > 0 => dim(&format!(
            "Mean prediction of {} when the column has the same value in all of them; beside it accumulated local effects, which \
             only compare rows with neighbours and may leave the range of a probability.",
            several(first.rows, "row")
        )),
        _ => String::new(),
    };
    note + &grid(&figures) + &further(all.len(), PLOTS, "column")
}

fn one(dependence: &Dependence) -> Option<String> {
    let column = cut(&dependence.column, 40);
    let y = match &dependence.class {
        Some(class) => format!("probability of {}", cut(class, 20)),
        None => "prediction".to_owned(),
    };
    if !dependence.categories.is_empty() {
        let rows = dependence.partial.iter().take(VALUES).map(|(at, value)| Row {
            label: category(&dependence.categories, *at),
            value: *value,
            interval: None,
        });
        let html = Rows {
            title: format!("{y} by {column}"),
            axis: Axis::new(y),
            values: rows.collect(),
            reference: finite(dependence.mean),
            ..Rows::default()
        }
        .html();
        let left = dependence.partial.len().saturating_sub(VALUES);
        let mean = finite(dependence.mean).map(|_| "Dashed: the rows as they are. ").unwrap_or_default();
        let left =
            if left > 0 { format!("And {}.", several(left as u64, "further value")) } else { String::new() };
        let note = format!("{mean}{left}");
        return (!html.is_empty()).then(|| figure(&column, &html, &note));
    }
    let mut series = vec![Series::new("partial dependence", dependence.partial.clone(), Shape::Line, 0)];
    if !dependence.accumulated.is_empty() {
        // Around the mean prediction both curves have one scale.
        let mean = finite(dependence.mean).unwrap_or_default();
        let effects = dependence.accumulated.iter().map(|(value, effect)| (*value, effect + mean)).collect();
        series.push(Series::new("accumulated local effects", effects, Shape::Line, 1));
    }
    let title = format!("{y} by {column}");
    let html = Plot { title, x: Axis::new(column.clone()), y: Axis::new(y), series }.html();
    (!html.is_empty()).then(|| figure(&column, &html, ""))
}

/// Name of the category with this index.
fn category(names: &[String], at: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index; anything else finds none"
    )]
    let found = names.get(at as usize).filter(|_| at >= 0.0);
    found.cloned().unwrap_or_else(|| crate::text::label(at))
}
