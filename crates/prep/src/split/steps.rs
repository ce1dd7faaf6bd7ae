//! Warnings about the order of rows: steps that are missing, and rows that are not in the order of time.

use std::collections::HashMap;

use cupola_values::{DateEvidence, DateGuess};

use super::row_number;
use super::series_order::{SeriesOrder, SeriesRows};
use super::times::{Times, is_date};
use crate::frame::{Column, Frame};

pub(super) const DAY: f64 = 86_400.0;
/// Shares of a day by which a step may be called irregular.
const TOLERANCE: f64 = 1e-6;
/// Rows of a text that are looked at before all of it is read.
const PROBED_ROWS: usize = 20;
/// Names of numbers that are times, in lower case.
const TIME_NAMES: [&str; 6] = ["date", "datetime", "timestamp", "time", "ts", "ds"];

/// Lengths of months, quarters and years in days.
const CALENDAR: [(f64, f64); 3] = [(28.0, 31.0), (90.0, 92.0), (365.0, 366.0)];

/// Warning about steps that differ from the most frequent one; `None` if all are equal.
pub(crate) fn irregular_steps(
    order: &SeriesOrder,
    frame: &Frame,
    found: &SeriesRows,
    kept: Option<&[usize]>,
) -> Option<String> {
    let (times, column) = (found.times.as_ref()?, order.time.as_ref()?);
    let step = |pair: &[usize]| times.values[pair[1]] - times.values[pair[0]];
    let pairs = || found.series.iter().flat_map(|one| one.rows.windows(2).map(move |pair| (one, pair)));
    let usual = most_frequent(pairs().map(|(_, pair)| step(pair)))?;
    let weekdays = times.dates
        && is_close(usual, DAY)
        && found.series.iter().all(|one| one.rows.iter().all(|&row| weekday(times.values[row]) < 5));
    let regular = |pair: &[usize]| {
        let step = step(pair);
        is_close(step, usual)
            || times.dates && same_calendar_step(step, usual)
            || weekdays && weekday(times.values[pair[0]]) == 4 && is_close(step, 3.0 * DAY)
    };
    let mut irregular = pairs().filter(|(_, pair)| !regular(pair));
    let (one, first) = irregular.next()?;
    let count = 1 + irregular.count();
    let text = |row: usize| frame.get(column).and_then(|values| values.text(row)).unwrap_or_default();
    Some(format!(
        "`{column}` has {count} irregular steps of {} (most are {}), first from row {} (`{}`) to row {} (`{}`){}; \
         windows take such rows as neighbours: add the missing rows, or make it regular with `data.query`",
        pairs().count(),
        duration(usual, times),
        row_number(first[0], kept),
        text(first[0]),
        row_number(first[1], kept),
        text(first[1]),
        if one.key.is_empty() { String::new() } else { format!(" of `{}`", one.key.join("`, `")) },
    ))
}

/// Warning if rows that are divided in their order have a column of times that is in no order; `None` if none of
/// the columns of times is unsorted, or one is sorted. `found` holds the series of the rows.
pub(crate) fn unsorted(
    frame: &Frame,
    found: &SeriesRows,
    windowed: bool,
    kept: Option<&[usize]>,
) -> Option<String> {
    let candidates: Vec<(&str, Times)> = frame
        .names()
        .filter_map(|name| Some((name, time_format(name, frame.get(name)?)?)))
        .filter_map(|(name, format)| Some((name, Times::of(frame, name, format.as_deref()).ok()?)))
        .collect();
    let falls = |times: &Times| {
        let mut pairs = found.series.iter().flat_map(|one| one.rows.windows(2));
        pairs.find(|pair| times.values[pair[1]] < times.values[pair[0]]).map(|pair| (pair[0], pair[1]))
    };
    let places: Vec<_> = candidates.iter().map(|(name, times)| falls(times).map(|at| (*name, at))).collect();
    let (name, (before, row)) = *places.iter().copied().collect::<Option<Vec<_>>>()?.first()?;
    let setting = if windowed { "`time` under `[series]`" } else { "`column` under `[split]`" };
    Some(format!(
        "rows are split in their order, but `{name}` of row {} is earlier than that of row {}; name it as {setting} to sort by it",
        row_number(row, kept),
        row_number(before, kept)
    ))
}

/// Format of a column of times, which is `None` for numbers and ISO 8601; `None` for another column.
#[allow(clippy::option_option, reason = "a column of times without a format")]
pub(super) fn time_format(name: &str, column: &Column) -> Option<Option<String>> {
    match column {
        Column::Number { time, .. } => {
            (*time || TIME_NAMES.contains(&name.to_lowercase().as_str())).then_some(None)
        }
        Column::Text(texts) => {
            let present = || texts.iter().flatten();
            if present().take(PROBED_ROWS).all(is_date) {
                return present().next().map(|_| None);
            }
            let mut evidence = DateEvidence::default();
            present().take(PROBED_ROWS).for_each(|text| evidence.observe(text, 0));
            if evidence.decide(None) == DateGuess::Texts {
                return None;
            }
            present().skip(PROBED_ROWS).for_each(|text| evidence.observe(text, 0));
            match evidence.decide(None) {
                DateGuess::Format(format) => Some(Some(format)),
                _ => None,
            }
        }
        Column::Bytes(_) => None,
    }
}

/// The most frequent of the steps, the shortest of equals; `None` without any.
pub(super) fn most_frequent(steps: impl Iterator<Item = f64>) -> Option<f64> {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    for step in steps {
        *counts.entry(step.to_bits()).or_default() += 1;
    }
    // Steps are positive, so their bits are in their order.
    counts
        .into_iter()
        .max_by_key(|&(bits, count)| (count, std::cmp::Reverse(bits)))
        .map(|(bits, _)| f64::from_bits(bits))
}

pub(super) fn is_close(a: f64, b: f64) -> bool {
    (a - b).abs() <= TOLERANCE * b.abs()
}

/// `true` if both are months, quarters or years, whose lengths differ.
pub(super) fn same_calendar_step(a: f64, b: f64) -> bool {
    let within = |step: f64, (low, high): (f64, f64)| (low * DAY..=high * DAY).contains(&step);
    CALENDAR.iter().any(|range| within(a, *range) && within(b, *range))
}

/// Day of the week, 0 for Monday. 1970 began on a Thursday.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn weekday(seconds: f64) -> i64 {
    ((seconds / DAY).floor() as i64 + 3).rem_euclid(7)
}

fn duration(step: f64, times: &Times) -> String {
    if !times.dates {
        return step.to_string();
    }
    let units = [(7.0 * DAY, "weeks"), (DAY, "days"), (3600.0, "hours"), (60.0, "minutes")];
    let whole = |(unit, _): &&(f64, &str)| step >= *unit && is_close((step / unit).round() * unit, step);
    let (unit, name) = units.iter().find(whole).copied().unwrap_or((1.0, "seconds"));
    let count = step / unit;
    if is_close(count, 1.0) { format!("1 {}", name.trim_end_matches('s')) } else { format!("{count} {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(texts: &[&str]) -> Option<String> {
        let order = SeriesOrder { time: Some("t".to_owned()), format: None, keys: Vec::new() };
        let frame = Frame::default().with("t", Column::texts(texts.iter().map(Some)));
        irregular_steps(&order, &frame, &order.rows(&frame).unwrap(), None)
    }

    #[test]
    fn missing_steps_are_counted_and_the_first_is_named() {
        let said = report(&["2024-01-01", "2024-01-02", "2024-01-05", "2024-01-03", "2024-01-09"]).unwrap();
        assert!(said.starts_with("`t` has 2 irregular steps of 4 (most are 1 day), first from row 4 (`2024-01-03`) to row 3 (`2024-01-05`);"), "{said}");
        let said = report(&["1", "2", "3", "5"]).unwrap();
        assert!(said.contains("1 irregular steps of 3 (most are 1), first from row 3 (`3`)"), "{said}");
    }

    #[test]
    fn months_weekdays_and_equal_steps_are_regular() {
        for regular in [
            vec!["2024-01", "2024-02", "2024-03", "2024-04", "2024-05"],
            vec!["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"],
            vec!["2020-01-01", "2021-01-01", "2022-01-01"],
            vec!["2024-01-01T00:00", "2024-01-01T00:10", "2024-01-01T00:20"],
            vec!["2024-01-01"],
        ] {
            assert_eq!(report(&regular), None, "{regular:?}");
        }
    }

    #[test]
    fn rows_out_of_order_are_noticed_unless_a_column_of_times_is_sorted() {
        let dates = |texts: [&str; 3]| Column::texts(texts.map(Some));
        let whole = SeriesRows::single(3);
        let up = dates(["2024-01-01", "2024-01-02", "2024-01-02"]);
        let down = dates(["2024-01-03", "2024-01-02", "2024-01-04"]);
        let frame = Frame::default().with("x", dates(["a", "b", "c"])).with("day", down);
        let said = unsorted(&frame, &whole, false, None).unwrap();
        assert!(
            said.contains("`day` of row 2 is earlier than that of row 1") && said.contains("`[split]`"),
            "{said}"
        );
        assert_eq!(unsorted(&frame.with("sold", up), &whole, false, None), None);
        let stamps = Frame::default().with("timestamp", Column::numbers(vec![3.0, 1.0, 2.0]));
        assert!(unsorted(&stamps, &whole, true, None).unwrap().contains("`[series]`"));
        let texts = Frame::default().with("day", dates(["31/12/2024", "30/12/2024", "29/12/2024"]));
        assert!(unsorted(&texts, &whole, false, None).unwrap().contains("`day` of row 2"));
        let other = Frame::default().with("length", Column::numbers(vec![3.0, 1.0, 2.0]));
        assert_eq!(unsorted(&other, &whole, true, None), None);
    }
}
