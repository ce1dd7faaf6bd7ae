//! Division of rows in the order of time.

use std::collections::HashSet;

use cupola_spec::{Gap, Run, TargetKind, Uncertainty};

use super::series_order::{SeriesOrder, SeriesRows, time_column};
use super::steps::{irregular_steps, unsorted};
use super::times::Times;
use super::{Division, SPLIT_NAMES, must_have_rows, row_number};
use crate::error::Error;
use crate::frame::Frame;
use crate::frame::meaning::ValueRules;

/// Share of the rows by which equal times may move an edge without a warning: one in so many.
const MOVED: usize = 50;

/// Shares of the valid and the test split, and the fold that is the test split if there are folds.
#[derive(Debug, Clone, Copy)]
struct TimeShares {
    valid: f64,
    test: f64,
    fold: Option<TimeFold>,
}

/// Fold of a cross-validation in the order of time.
#[derive(Debug, Clone, Copy)]
struct TimeFold {
    index: usize,
    count: usize,
    /// `true` to train on as many rows as the first fold does.
    sliding: bool,
}

impl TimeShares {
    fn of(run: &Run, test: f64) -> Self {
        let split = &run.split;
        let fold = split.folds.map(|count| TimeFold {
            index: split.fold.unwrap_or(0),
            count,
            sliding: split.sliding,
        });
        // A fold must have rows.
        Self { valid: split.valid, test: if fold.is_some() { 1.0 } else { test }, fold }
    }

    /// First positions of train, valid and test among `rows` rows, and the end of test. Folds follow each other up to the
    /// last row and have equal sizes, as has what the first of them trains on, up to a remainder (`TimeSeriesSplit` of
    /// scikit-learn).
    fn positions(self, rows: usize) -> [usize; 4] {
        let Some(TimeFold { index, count, sliding }) = self.fold else {
            let test = rows - super::share_of(self.test, rows);
            return [0, test.saturating_sub(super::share_of(self.valid, rows)), test, rows];
        };
        let size = rows / (count + 1);
        let test = rows - (count - index) * size;
        let first = if sliding { index * size } else { 0 };
        [first, test - super::share_of(self.valid, test - first), test, test + size]
    }
}

/// Divides rows in the order of time: the first ones for train, the last ones for test. Rows of one time stay
/// together, and those within the gap before a split are left out.
///
/// # Errors
/// [`Error::EmptySplit`] for a split with a share that gets no row; the errors of the columns of time and key.
pub(super) fn split(
    run: &Run,
    frame: &Frame,
    values: &ValueRules,
    test_share: f64,
    kept: Option<&[usize]>,
) -> Result<Division, Error> {
    let order = SeriesOrder::of(run, values);
    let series = match &order {
        Some(order) => order.rows(frame)?.sorted(),
        None => sorted_rows(run, frame, values)?,
    };
    let mut notes = Vec::new();
    if let Some(first) = series.incomplete.first() {
        let columns =
            run.series.keys().iter().map(String::as_str).chain(run.time_column().map(|(time, _)| time));
        notes.push(format!(
            "{} rows without `{}` are left out, first row {}",
            series.incomplete.len(),
            columns.collect::<Vec<_>>().join("` or `"),
            row_number(*first, kept)
        ));
    }
    notes.extend(order.as_ref().and_then(|order| irregular_steps(order, frame, &series, kept)));
    if run.time_column().is_none() {
        notes.extend(unsorted(frame, &series, run.windowed(), kept));
    }
    let shares = TimeShares::of(run, test_share);
    let mut parts: [Vec<usize>; 3] = Default::default();
    let gap = run.split.gap.as_ref();
    match &series.times {
        Some(times) => {
            let moved = by_time(&series, times, shares, gap, &mut parts);
            notes.extend((moved > 1 + frame.rows() / MOVED).then(|| {
                format!(
                    "rows of one time stay in one split, which moves an edge between splits by {moved} rows"
                )
            }));
        }
        None => by_position(&series, shares, gap, &mut parts),
    }
    let used = series.series.iter().map(|one| one.rows.len()).sum::<usize>();
    let left_out = used - parts.iter().map(Vec::len).sum::<usize>();
    if left_out > 0 && gap.is_some() && shares.fold.is_none() {
        notes.push(format!(
            "{left_out} rows before the valid and test splits are left out, as `split.gap` says"
        ));
    }
    for ((part, name), share) in parts.iter().zip(SPLIT_NAMES).zip([1.0, shares.valid, shares.test]) {
        if part.is_empty() && share > 0.0 {
            return Err(Error::EmptySplit { rows: frame.rows(), part: name });
        }
    }
    let [train, valid, test] = parts;
    let (train, calibrate) = latest_of_train(run, &series, shares, train);
    for (part, name) in [(&train, "train"), (&calibrate, "calibrate")] {
        if part.is_empty() && must_have_rows(run, test_share, name) {
            return Err(Error::EmptySplit { rows: frame.rows(), part: name });
        }
    }
    let mut parts = [train, valid, test, calibrate];
    // Rows of a window or a text follow each other; of all others, the first ones have to be a fair sample.
    if !run.windowed() && run.targets.first().kind != TargetKind::NextToken && run.time_column().is_some() {
        let keys = frame.row_keys(run.seed);
        for part in &mut parts {
            part.sort_unstable_by_key(|&row| (keys[row], row));
        }
    }
    Ok(Division { parts, notes })
}

/// Training rows without the latest ones, and these, which calibrate: as many as `uncertainty.share` says, behind a gap like
/// the one before the valid split. All rows train without `[uncertainty]`.
fn latest_of_train(
    run: &Run,
    series: &SeriesRows,
    shares: TimeShares,
    train: Vec<usize>,
) -> (Vec<usize>, Vec<usize>) {
    let share = run.uncertainty.as_ref().and_then(Uncertainty::calibration_share);
    let Some(share) = share else { return (train, Vec::new()) };
    let (gap, valid) = (run.split.gap.as_ref(), shares.valid + share);
    let shares = TimeShares { valid, ..shares };
    let mut parts: [Vec<usize>; 3] = Default::default();
    match &series.times {
        Some(times) => {
            by_time(series, times, shares, gap, &mut parts);
        }
        None => by_position(series, shares, gap, &mut parts),
    }
    let [earlier, later, _] = parts;
    let later: HashSet<usize> = later.into_iter().collect();
    (earlier, train.into_iter().filter(|row| later.contains(row)).collect())
}

/// Rows without windows, sorted by the column of times if there is one. Rows of one time are in the order of their
/// content.
fn sorted_rows(run: &Run, frame: &Frame, values: &ValueRules) -> Result<SeriesRows, Error> {
    let mut found = SeriesRows::single(frame.rows());
    let Some((column, format)) = time_column(run, values) else { return Ok(found) };
    let times = Times::of(frame, &column, format.as_deref())?;
    let keys = frame.row_keys(run.seed);
    for one in &mut found.series {
        let (timed, untimed) = one.rows.iter().partition(|row| !times.values[**row].is_nan());
        (one.rows, found.incomplete) = (timed, untimed);
        let key = |row: usize| (times.values[row], keys[row], row);
        one.rows.sort_by(|a, b| {
            let (a, b) = (key(*a), key(*b));
            a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2))
        });
    }
    found.times = Some(times);
    Ok(found)
}

/// Divides all series at the same two times. Returns by how many rows equal times have moved an edge at most.
fn by_time(
    series: &SeriesRows,
    times: &Times,
    shares: TimeShares,
    gap: Option<&Gap>,
    parts: &mut [Vec<usize>; 3],
) -> usize {
    let mut all: Vec<f64> =
        series.series.iter().flat_map(|one| &one.rows).map(|&row| times.values[row]).collect();
    all.sort_unstable_by(f64::total_cmp);
    let [first_cut, valid_cut, test_cut, end_cut] = shares.positions(all.len());
    // An edge between two folds moves to the same place in both.
    let [first, test, end] = [first_cut, test_cut, end_cut].map(|cut| between_times(&all, cut, 0));
    let valid = between_times(&all[..test], valid_cut.clamp(first.min(test), test), first);
    // Infinity for a part that is empty.
    let start = |index: usize, end: usize| if index < end { all[index] } else { f64::INFINITY };
    let starts = [start(valid, test), start(test, end)];
    let used = start(first, all.len())..start(end, all.len());
    let ends = [starts[0].min(starts[1]), starts[1]];
    let distance = gap.and_then(Gap::seconds).unwrap_or(0.0);
    for one in &series.series {
        let mut own: [Vec<usize>; 3] = Default::default();
        for &row in &one.rows {
            let time = times.values[row];
            if !used.contains(&time) {
                continue;
            }
            let part = if time >= starts[1] { 2 } else { usize::from(time >= starts[0]) };
            if part == 2 || distance <= 0.0 || time + distance < ends[part] {
                own[part].push(row);
            }
        }
        drop_rows_before_next(&mut own, gap);
        parts.iter_mut().zip(own).for_each(|(part, own)| part.extend(own));
    }
    valid.abs_diff(valid_cut).max(test.abs_diff(test_cut))
}

/// Divides each series by the positions of its rows.
fn by_position(series: &SeriesRows, shares: TimeShares, gap: Option<&Gap>, parts: &mut [Vec<usize>; 3]) {
    for one in &series.series {
        let [first, valid, test, end] = shares.positions(one.rows.len());
        let rows = &one.rows;
        let mut own = [first..valid, valid..test, test..end].map(|range| rows[range].to_vec());
        drop_rows_before_next(&mut own, gap);
        parts.iter_mut().zip(own).for_each(|(part, own)| part.extend(own));
    }
}

/// Removes the last rows of train and valid, as many as a gap of rows has, if a later part follows.
fn drop_rows_before_next(parts: &mut [Vec<usize>; 3], gap: Option<&Gap>) {
    let Some(Gap::Rows(rows)) = gap else { return };
    let [train, valid, test] = parts;
    if !valid.is_empty() || !test.is_empty() {
        train.truncate(train.len().saturating_sub(*rows));
    }
    if !test.is_empty() {
        valid.truncate(valid.len().saturating_sub(*rows));
    }
}

/// Position nearest to `cut` at which a new time begins in sorted `times`, if possible one that leaves rows on both
/// sides.
fn between_times(times: &[f64], cut: usize, least: usize) -> usize {
    if cut <= least || cut >= times.len() {
        return cut;
    }
    let time = times[cut];
    let start = times.partition_point(|other| *other < time);
    let end = times.partition_point(|other| *other <= time);
    match (start > least, end < times.len()) {
        _ if start == cut => cut,
        (true, true) if cut - start > end - cut => end,
        (true, _) => start,
        (false, true) => end,
        (false, false) => cut,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::Column;

    fn run(split: &str) -> Run {
        let text = format!(
            "name='t'\nseed=3\n[data]\nsource='x.csv'\n[split]\nby='time'\n{split}\n[[targets]]\nname='x'\nkind='number'\n[model]\nfamily='mlp'\nhidden=[4]\n"
        );
        cupola_spec::parse("t", &text, &[], &|_| Err(String::new()))
            .unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// Rows with a time in days, missing if negative, and a content of their own.
    fn frame(days: &[i32]) -> Frame {
        let time = |day: &i32| if *day < 0 { f64::NAN } else { f64::from(*day) * 86_400.0 };
        Frame::default()
            .with("t", Column::numbers(days.iter().map(time).collect()))
            .with("x", Column::numbers((0..days.len()).map(|row| row as f64).collect()))
    }

    fn divided(run: &Run, frame: &Frame) -> Result<Division, Error> {
        split(run, frame, &ValueRules::default(), run.split.test, None)
    }

    /// Days and contents of the rows of each part.
    fn parts(run: &Run, frame: &Frame) -> Result<[Vec<(f64, f64)>; 3], Error> {
        let cell = |name: &str, row: usize| frame.get(name).unwrap().number(row).unwrap().unwrap();
        let [train, valid, test, _] = divided(run, frame)?.parts;
        let parts = [train, valid, test];
        Ok(parts.map(|rows| rows.iter().map(|&row| (cell("t", row) / 86_400.0, cell("x", row))).collect()))
    }

    proptest! {
        #[test]
        fn no_later_part_is_earlier_and_the_order_of_the_rows_does_not_matter(
            days in prop::collection::vec(-2..60_i32, 12..80),
            gap in prop::sample::select(vec!["", "gap=2", "gap='3d'", "gap='0s'"]),
            turn in 0..80_usize,
        ) {
            let run = run(&format!("column='t'\nvalid=0.2\ntest=0.2\n{gap}"));
            let frame = frame(&days);
            // Few different days may leave a part empty, which is an error of its own.
            if let Ok(found) = parts(&run, &frame) {
                let distance = if gap.contains('3') { 3.0 } else { 0.0 };
                for (earlier, later) in [(0, 1), (1, 2), (0, 2)] {
                    for (before, _) in &found[earlier] {
                        for (after, _) in &found[later] {
                            prop_assert!(after > before, "{found:?}");
                            prop_assert!(after - before > distance, "{found:?}");
                        }
                    }
                }
                if gap.is_empty() {
                    prop_assert_eq!(found.iter().map(Vec::len).sum::<usize>(), days.iter().filter(|day| **day >= 0).count());
                }
                let mut turned: Vec<usize> = (0..days.len()).rev().collect();
                turned.rotate_left(turn % days.len());
                prop_assert_eq!(parts(&run, &frame.take(&turned)).unwrap(), found);
            }
        }
    }

    #[test]
    fn a_gap_of_rows_and_one_of_time_leave_out_the_rows_before_a_split() {
        let days: Vec<i32> = (0..20).collect();
        let sorted = |split: &str| {
            let found =
                parts(&run(&format!("column='t'\nvalid=0.2\ntest=0.2\n{split}")), &frame(&days)).unwrap();
            found.map(|part| {
                let mut days: Vec<f64> = part.iter().map(|row| row.0).collect();
                days.sort_by(f64::total_cmp);
                (days[0], days[days.len() - 1])
            })
        };
        assert_eq!(sorted(""), [(0.0, 11.0), (12.0, 15.0), (16.0, 19.0)]);
        assert_eq!(sorted("gap=2"), [(0.0, 9.0), (12.0, 13.0), (16.0, 19.0)]);
        assert_eq!(sorted("gap='2 days'"), sorted("gap=2"));
        assert_eq!(sorted("gap='36h'"), [(0.0, 10.0), (12.0, 14.0), (16.0, 19.0)]);
        let notes = divided(&run("column='t'\nvalid=0.2\ntest=0.2\ngap=2"), &frame(&days)).unwrap().notes;
        assert!(notes[0].starts_with("4 rows before the valid and test splits are left out"), "{notes:?}");
    }

    #[test]
    fn missing_times_are_reported_and_no_rows_are_an_error() {
        let mut days: Vec<i32> = (0..20).rev().collect();
        (days[4], days[7]) = (-1, -1);
        let notes = divided(&run("column='t'"), &frame(&days)).unwrap().notes;
        assert_eq!(notes, ["2 rows without `t` are left out, first row 5"]);
        let error = divided(&run("column='t'"), &frame(&[5; 20])).unwrap_err();
        assert!(matches!(error, Error::EmptySplit { part: "train", .. }), "{error}");
        let error = divided(&run("column='t'\ngap='100d'"), &frame(&days)).unwrap_err();
        assert!(matches!(error, Error::EmptySplit { part: "train", .. }), "{error}");
    }

    #[test]
    fn without_a_column_rows_are_divided_by_their_order_and_disorder_is_said() {
        let days: Vec<i32> = (0..20).rev().collect();
        let frame =
            frame(&days).with("timestamp", Column::numbers(days.iter().map(|day| f64::from(*day)).collect()));
        let found = divided(&run("valid=0.2\ntest=0.2"), &frame).unwrap();
        let expected = [(0..12).collect::<Vec<_>>(), (12..16).collect(), (16..20).collect(), Vec::new()];
        assert_eq!(found.parts, expected);
        let mut calibrated = run("valid=0.2\ntest=0.2\ngap=1");
        let uncertainty = serde_json::json!({ "method": "split", "share": 0.2 });
        calibrated.uncertainty = serde_json::from_value(uncertainty).unwrap();
        let found = divided(&calibrated, &frame).unwrap();
        // The latest training rows, with the gap of one row on both sides.
        assert_eq!(
            found.parts,
            [(0..7).collect::<Vec<_>>(), (12..15).collect(), (16..20).collect(), (8..11).collect()]
        );
        assert!(
            found.notes[0].contains("`timestamp` of row 2 is earlier than that of row 1"),
            "{:?}",
            found.notes
        );
    }
}
