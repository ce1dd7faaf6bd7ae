//! Order of time of whole tables: rows that are sorted by a column of times, and times at regular steps.

use std::collections::BTreeMap;

use super::steps::{is_close, most_frequent, same_calendar_step, time_format};
use super::times::Times;
use crate::frame::Frame;

/// Fewest rows of a table in the order of time.
const MIN_ORDERED_ROWS: usize = 20;

/// Column of times that the rows of a table are sorted by, up or down, with the format of its texts; `None` for rows in
/// another order. Times repeat, but at least one in twenty rows has a time of its own.
pub fn time_order(frame: &Frame) -> Option<(String, Option<String>)> {
    if frame.rows() < MIN_ORDERED_ROWS {
        return None;
    }
    frame.names().find_map(|name| {
        let format = time_format(name, frame.get(name)?)?;
        let times = Times::of(frame, name, format.as_deref()).ok()?;
        is_ordered(&times.values).then(|| (name.to_owned(), format))
    })
}

fn is_ordered(times: &[f64]) -> bool {
    let present: Vec<f64> = times.iter().copied().filter(|time| !time.is_nan()).collect();
    let steps = || present.windows(2).map(|pair| pair[1] - pair[0]);
    let moves = steps().filter(|step| *step != 0.0).count();
    let sorted = steps().all(|step| step >= 0.0) || steps().all(|step| step <= 0.0);
    sorted && present.len() >= MIN_ORDERED_ROWS && moves * 20 >= present.len()
}

/// Warning about a split by chance of rows that are in the order of time; `None` for rows in another order.
pub(super) fn shuffled(frame: &Frame) -> Option<String> {
    let (column, format) = time_order(frame)?;
    let format = format.map(|format| format!(" and `format = {format:?}`")).unwrap_or_default();
    Some(format!(
        "rows are in the order of `{column}`, and a random split lets the model learn from rows after those that it is \
         tested on; write `by = \"time\"`, `column = {column:?}`{format} under `[split]` if it will predict later rows"
    ))
}

/// Times of one or several series, each of which has a time once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeGrid {
    /// The most frequent step in seconds.
    pub step: f64,
    /// Share of the steps that are of this length, or of the same unit of the calendar.
    pub regular: f64,
    /// Number of series.
    pub series: usize,
    /// Number of rows of the shortest series.
    pub shortest: usize,
}

/// Steps of the dates in `column`, whose texts have `format`, within the rows of equal `key`. `None` if a time occurs
/// twice in a series, or a value is not a date.
pub fn time_grid(frame: &Frame, column: &str, format: Option<&str>, key: Option<&str>) -> Option<TimeGrid> {
    let times = Times::of(frame, column, format).ok().filter(|times| times.dates)?;
    let keys = key.map(|key| frame.get(key)).map_or(Some(None), |column| column.map(Some))?;
    let mut series: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (row, time) in times.values.iter().enumerate().filter(|(_, time)| !time.is_nan()) {
        let key = keys.and_then(|keys| keys.text(row)).unwrap_or_default();
        series.entry(key.into_owned()).or_default().push(*time);
    }
    let sort = |times: &mut Vec<f64>| times.sort_unstable_by(f64::total_cmp);
    series.values_mut().for_each(sort);
    let steps = || series.values().flat_map(|times| times.windows(2).map(|pair| pair[1] - pair[0]));
    if steps().any(|step| step <= 0.0) {
        return None;
    }
    let step = most_frequent(steps())?;
    let regular = steps().filter(|own| is_close(*own, step) || same_calendar_step(*own, step)).count();
    let shortest = series.values().map(Vec::len).min().unwrap_or(0);
    let regular = regular as f64 / steps().count() as f64;
    Some(TimeGrid { step, regular, series: series.len(), shortest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Column;

    #[test]
    fn rows_in_the_order_of_time_are_found_whatever_the_spelling() {
        let days = |spelled: &dyn Fn(usize) -> String| {
            Frame::default()
                .with("x", Column::numbers((0..28).map(|day| f64::from(day % 5)).collect()))
                .with("day", Column::texts((1..=28).map(|day| Some(spelled(day)))))
        };
        let iso = days(&|day| format!("2024-02-{day:02}"));
        assert_eq!(time_order(&iso), Some(("day".to_owned(), None)));
        let said = shuffled(&iso).unwrap();
        assert!(said.contains("column = \"day\"") && said.contains("[split]"), "{said}");
        let german = days(&|day| format!("{:02}.02.2024", 29 - day));
        assert_eq!(time_order(&german), Some(("day".to_owned(), Some("%d.%m.%Y".to_owned()))));
        assert!(shuffled(&german).unwrap().contains("format = \"%d.%m.%Y\""));
        for other in [
            days(&|day| format!("2024-02-{:02}", 1 + day * 7 % 28)),
            days(&|_| "2024-02-01".to_owned()),
            days(&|day| day.to_string()),
            iso.slice(0, 10),
        ] {
            assert_eq!(shuffled(&other), None);
        }
    }

    #[test]
    fn steps_are_regular_within_a_series() {
        let day = |day: usize| Some(format!("2024-03-{day:02}"));
        let one = Frame::default().with("day", Column::texts((1..=20).map(day)));
        let grid = TimeGrid { step: 86_400.0, regular: 1.0, series: 1, shortest: 20 };
        assert_eq!(time_grid(&one, "day", None, None), Some(grid));
        let two = Frame::default()
            .with("day", Column::texts((0..20).map(|row| day(1 + row / 2))))
            .with("shop", Column::texts((0..20).map(|row| Some(if row % 2 == 0 { "a" } else { "b" }))));
        assert_eq!(time_grid(&two, "day", None, None), None);
        let grid = TimeGrid { series: 2, shortest: 10, ..grid };
        assert_eq!(time_grid(&two, "day", None, Some("shop")), Some(grid));
        let months = ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"];
        let months = Frame::default().with("month", Column::texts(months.map(Some)));
        assert!(time_grid(&months, "month", None, None).is_some_and(|grid| grid.regular > 0.99));
        let numbers = Frame::default().with("n", Column::numbers(vec![1.0, 2.0]));
        assert_eq!(time_grid(&numbers, "n", None, None), None);
    }
}
