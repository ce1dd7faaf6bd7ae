//! Ages of records on a clock that may jump.

use jiff::Timestamp;

use crate::watch::record::WatchRecord;

/// Seconds that have passed since each record until `now`.
///
/// They are summed from one record to the next, and a step back in time counts as none: a clock that was set back makes
/// no record younger than those after it, and one that had been ahead does not hold retraining until its time comes.
pub(in crate::watch) fn ages(records: &[WatchRecord], now: Timestamp) -> Vec<f64> {
    let mut ages = vec![0.0; records.len()];
    let (mut later, mut age) = (now, 0.0);
    for (record, place) in records.iter().zip(&mut ages).rev() {
        if let Ok(time) = record.at.parse::<Timestamp>() {
            age += later.duration_since(time).as_secs_f64().max(0.0);
            later = time;
        }
        *place = age;
    }
    ages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::record::WatchState;

    fn ages_of(times: &[&str], now: &str) -> Vec<f64> {
        let record = |at: &&str| WatchRecord { cycle: None, at: (*at).to_owned(), state: WatchState::Opened };
        let records: Vec<WatchRecord> = times.iter().map(record).collect();
        ages(&records, now.parse().unwrap())
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "whole seconds")]
    fn a_step_back_in_time_counts_as_none() {
        let day = |time: &str| format!("2026-11-27T{time}Z");
        let of = |times: &[&str], now: &str| {
            let times: Vec<String> = times.iter().map(|time| day(time)).collect();
            ages_of(&times.iter().map(String::as_str).collect::<Vec<_>>(), &day(now))
        };
        assert_eq!(of(&["10:00:00", "10:30:00"], "11:00:00"), [3600.0, 1800.0]);
        // The clock went back by two hours after the second record.
        assert_eq!(of(&["10:00:00", "12:00:00"], "10:00:10"), [7200.0, 0.0]);
        // It was far ahead for one record, and is right again: the next hour counts.
        let ahead = ["2099-01-01T00:00:00Z", "2026-11-27T10:00:00Z"];
        assert_eq!(ages_of(&ahead, "2026-11-27T11:00:00Z"), [3600.0, 3600.0]);
        // A time that cannot be read is as old as the next one.
        assert_eq!(ages_of(&["soon", "2026-11-27T10:00:00Z"], "2026-11-27T10:00:05Z"), [5.0, 5.0]);
        assert!(ages_of(&[], "2026-11-27T10:00:05Z").is_empty());
    }
}
