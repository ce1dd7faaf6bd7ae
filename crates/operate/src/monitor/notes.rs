//! Sentences on rows, feedback and late values that do not count, or count oddly.

use cupola_monitor::late::LateCounts;

use super::join::FeedbackCounts;
use super::unmatched::SeriesMismatch;

pub(super) fn tell_versions(others: usize, notes: &mut Vec<String>) {
    if others > 0 {
        notes.push(format!("{others} rows of other versions are left out"));
    }
}

pub(super) fn tell_feedback(counts: &FeedbackCounts, notes: &mut Vec<String>) {
    add(
        notes,
        &[
            (counts.unknown, "rows of feedback belong to requests that the data does not have"),
            (
                counts.contradicting,
                "lines of feedback contradict an earlier one of the same row; the last one counts",
            ),
            (counts.repeated, "lines of feedback repeat an earlier one"),
            (counts.damaged, "lines of the feedback are damaged and left out"),
        ],
    );
}

/// Tells of values that did not join, or joined oddly. `rows` are the predictions in words.
pub(super) fn tell_late(
    counts: &LateCounts,
    mismatch: Option<&SeriesMismatch>,
    rows: &str,
    notes: &mut Vec<String>,
) {
    if let Some(mismatch) = mismatch {
        notes.push(mismatch.sentence(counts.series, rows));
    }
    if counts.joined == 0 && counts.pending > 0 {
        notes.push(format!("no value for the {rows} has arrived yet"));
    }
    let of_the_table = counts.series_without_values.saturating_sub(counts.absent_series);
    add(
        notes,
        &[
            (counts.absent, "steps are of series that the table of --targets does not have"),
            (counts.pending, "steps are later than the last value of their series; they have no value yet"),
            (counts.gaps, "steps have no value, though later ones of their series do"),
            (of_the_table, "series of the predictions have no value"),
            (
                counts.contradicting,
                "values contradict an earlier one of the same series and time; the last one counts",
            ),
            (counts.repeated, "values repeat an earlier one of the same series and time"),
            (counts.incomplete, "rows of the values have no series, time or value"),
            (
                counts.unordered,
                "rows of the values are earlier than one before them; they are sorted by time",
            ),
            (counts.between_steps, "values lie between two steps of a forecast, and join none"),
            (counts.repeated_forecasts, "forecasts were made again from the same time; the last one counts"),
            (counts.backward, "forecasts are from an earlier time than one made before them"),
            (
                counts.ahead_of_clock,
                "forecasts are from a time later than their prediction; check the clocks",
            ),
        ],
    );
}

fn add(notes: &mut Vec<String>, counted: &[(u64, &str)]) {
    let told = counted.iter().filter(|(count, _)| *count > 0);
    notes.extend(told.map(|(count, sentence)| format!("{count} {sentence}")));
}

#[cfg(test)]
mod tests {
    use cupola_monitor::late::UnmatchedSeries;

    use super::*;

    fn told(counts: LateCounts, mismatch: Option<&SeriesMismatch>) -> Vec<String> {
        let mut notes = Vec::new();
        tell_late(&counts, mismatch, "forecasts", &mut notes);
        notes
    }

    #[test]
    fn notes_tell_all_that_did_not_join() {
        let counts = LateCounts { steps: 3, joined: 1, pending: 1, gaps: 1, ..LateCounts::default() };
        assert_eq!(told(counts, None).len(), 2);
        let counts = LateCounts { steps: 3, pending: 3, series: 2, ..LateCounts::default() };
        let notes = told(counts, None);
        assert!(notes[0].contains("arrived yet") && notes[1].contains("later than the last"), "{notes:?}");
    }

    #[test]
    fn steps_of_no_series_are_not_told_as_later_than_the_last_value() {
        let key = |name: &str| vec![name.to_owned()];
        let unmatched = UnmatchedSeries { predicted: vec![key("south")], table: vec![key("west")] };
        let mismatch = SeriesMismatch::of(unmatched);
        let counts = LateCounts {
            steps: 8,
            joined: 4,
            absent: 4,
            series: 2,
            absent_series: 1,
            series_without_values: 1,
            ..LateCounts::default()
        };
        let notes = told(counts, mismatch.as_ref());
        assert_eq!(
            notes,
            [
                "1 of 2 series of the forecasts is not in the table of --targets: `south`; only the table has `west`",
                "4 steps are of series that the table of --targets does not have"
            ]
        );
    }
}
