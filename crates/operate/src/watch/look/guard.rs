//! Rules against a retraining for which there is a reason.

use cupola_spec::{QuietHours, Watch, parse_zone};
use jiff::{SignedDuration, Timestamp};

use crate::watch::look::clock::ages;
use crate::watch::record::{TriggerEvidence, WatchRecord, WatchState};

/// Seconds of the budget's window.
const DAY: f64 = 86_400.0;

/// Rule that holds a retraining.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchHold {
    /// `quiet`, `cooldown`, `budget` or `unchanged`.
    pub rule: &'static str,
    /// The rule in words.
    pub why: String,
}

/// The first rule that holds a retraining now; `None` if it may begin.
pub(in crate::watch) fn hold(
    watch: &Watch,
    records: &[WatchRecord],
    wanted: &TriggerEvidence,
    now: Timestamp,
) -> Option<WatchHold> {
    let held = |rule, why| Some(WatchHold { rule, why });
    if let Some(end) = quiet_until(watch, now) {
        return held("quiet", format!("quiet hours until {end:.0}"));
    }
    let ages = ages(records, now);
    let aged = || records.iter().zip(&ages).map(|(record, age)| (record, *age));
    if let Some(cycle) = same_before(records, wanted) {
        let why = format!(
            "{} and the config are those of retraining {cycle}, whose result would be the same",
            wanted.data.dataset
        );
        return held("unchanged", why);
    }
    let cooldown = watch.cooldown_seconds();
    let ended = aged().filter(|(record, _)| record.state.is_end()).map(|(_, age)| age).next_back();
    if let Some(age) = ended.filter(|age| *age < cooldown) {
        return held(
            "cooldown",
            format!("the last retraining ended {} ago, of {}", time(age), watch.cooldown),
        );
    }
    let begun =
        |(record, age): &(&WatchRecord, f64)| matches!(record.state, WatchState::Triggered(_)) && *age < DAY;
    let runs = aged().filter(begun).count();
    if runs >= watch.budget.runs {
        return held(
            "budget",
            format!("{runs} of {} retrainings within 24 hours are used", watch.budget.runs),
        );
    }
    let left = seconds_left(watch, records, now);
    if left.is_some_and(|left| left <= 0.0) {
        let budget = watch.budget.time.as_deref().unwrap_or_default();
        return held("budget", format!("{budget} of training within 24 hours are used"));
    }
    None
}

/// Seconds of training that the budget leaves; `None` without a limit.
pub(in crate::watch) fn seconds_left(watch: &Watch, records: &[WatchRecord], now: Timestamp) -> Option<f64> {
    let budget = watch.budget_seconds()?;
    let ages = ages(records, now);
    let spent =
        records.iter().zip(ages).filter(|(_, age)| *age < DAY).map(|(record, _)| match &record.state {
            WatchState::Trained(trained) if !trained.reused => trained.seconds,
            WatchState::Failed { seconds, .. } => *seconds,
            _ => 0.0,
        });
    Some(budget - spent.sum::<f64>())
}

/// End of the quiet hours that it is now; `None` outside of them.
fn quiet_until(watch: &Watch, now: Timestamp) -> Option<Timestamp> {
    let zone = parse_zone(&watch.zone).ok()?;
    let hours = watch.quiet.iter().filter_map(|text| QuietHours::parse(text, zone).ok());
    hours.filter_map(|hours| hours.end(now)).max()
}

/// Number of the last retraining that did not fail, if it had the same rows, config and champion.
fn same_before(records: &[WatchRecord], wanted: &TriggerEvidence) -> Option<u64> {
    let failed = |cycle: u64| {
        let of_cycle = |record: &&WatchRecord| record.cycle == Some(cycle);
        records.iter().filter(of_cycle).any(|record| matches!(record.state, WatchState::Failed { .. }))
    };
    records.iter().rev().find_map(|record| match (&record.state, record.cycle) {
        (WatchState::Triggered(earlier), Some(cycle)) if !failed(cycle) => {
            let same = earlier.data.sha256 == wanted.data.sha256
                && earlier.config_sha256 == wanted.config_sha256
                && earlier.code_version == wanted.code_version;
            Some(same.then_some(cycle))
        }
        _ => None,
    })?
}

/// Seconds as `1h 5m`, without fractions.
fn time(seconds: f64) -> String {
    let whole = SignedDuration::try_from_secs_f64(seconds.round()).unwrap_or(SignedDuration::MAX);
    format!("{whole:#}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::record::{TrainedChallenger, WatchedData};

    fn wanted(sha256: &str) -> TriggerEvidence {
        TriggerEvidence {
            triggers: Vec::new(),
            champion: None,
            config: "a.toml".to_owned(),
            config_sha256: "c".to_owned(),
            data: WatchedData { dataset: "a:1".to_owned(), sha256: sha256.to_owned(), rows: 1 },
            recent: None,
            drift: None,
            accuracy: None,
            alerts_read: 0,
            received_read: 0,
            approval: false,
            code_version: "1".to_owned(),
        }
    }

    fn record(cycle: u64, at: &str, state: WatchState) -> WatchRecord {
        WatchRecord { cycle: Some(cycle), at: format!("2026-11-27T{at}:00Z"), state }
    }

    fn cycle(number: u64, at: &str, sha256: &str, seconds: f64, end: WatchState) -> Vec<WatchRecord> {
        let trained = TrainedChallenger {
            run: "r".to_owned(),
            package: "a:1".to_owned(),
            seconds,
            reused: false,
            metrics: serde_json::Map::new(),
        };
        vec![
            record(number, at, WatchState::Triggered(Box::new(wanted(sha256)))),
            record(number, at, WatchState::Trained(Box::new(trained))),
            record(number, at, end),
        ]
    }

    fn kept() -> WatchState {
        WatchState::Kept { why: String::new() }
    }

    fn rule(watch: &Watch, records: &[WatchRecord], sha256: &str, now: &str) -> Option<&'static str> {
        let now = format!("2026-11-27T{now}:00Z").parse().unwrap();
        hold(watch, records, &wanted(sha256), now).map(|hold| hold.rule)
    }

    #[test]
    fn each_rule_holds_in_turn() {
        let mut watch = Watch { cooldown: "1h".to_owned(), ..Watch::default() };
        let one = cycle(1, "10:00", "x", 60.0, kept());
        assert_eq!(rule(&watch, &[], "x", "10:30"), None);
        assert_eq!(rule(&watch, &one, "x", "12:00"), Some("unchanged"));
        assert_eq!(rule(&watch, &one, "y", "10:30"), Some("cooldown"));
        assert_eq!(rule(&watch, &one, "y", "11:00"), None);
        watch.budget.runs = 1;
        assert_eq!(rule(&watch, &one, "y", "11:00"), Some("budget"));
        watch.budget.runs = 4;
        watch.budget.time = Some("60s".to_owned());
        assert_eq!(rule(&watch, &one, "y", "11:00"), Some("budget"));
        watch.budget.time = Some("61s".to_owned());
        assert_eq!(rule(&watch, &one, "y", "11:00"), None);
        watch.quiet = vec!["22:00-11:30".to_owned()];
        assert_eq!(rule(&watch, &one, "y", "11:00"), Some("quiet"));
        assert_eq!(rule(&watch, &one, "y", "11:30"), None);
    }

    #[test]
    fn a_failed_retraining_may_be_tried_again() {
        let watch = Watch { cooldown: "0s".to_owned(), ..Watch::default() };
        let failed = WatchState::Failed { why: "disk".to_owned(), seconds: 5.0 };
        assert_eq!(rule(&watch, &cycle(1, "10:00", "x", 1.0, failed), "x", "10:01"), None);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_hold_for_long() {
        let watch = Watch { cooldown: "1h".to_owned(), ..Watch::default() };
        let mut records = cycle(1, "23:00", "x", 1.0, kept());
        // The first look after the clock was set back holds and is written; an hour from there is over at 11:30.
        assert_eq!(rule(&watch, &records, "y", "10:00"), Some("cooldown"));
        let held = WatchState::Held { rule: "cooldown".to_owned(), triggers: Vec::new(), why: String::new() };
        records.push(WatchRecord { cycle: None, ..record(0, "10:00", held) });
        assert_eq!(rule(&watch, &records, "y", "10:59"), Some("cooldown"));
        assert_eq!(rule(&watch, &records, "y", "11:00"), None);
    }
}
