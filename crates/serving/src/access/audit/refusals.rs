//! Rate of recorded refusals: some per second and status, some per hour, and counts of the others.
//!
//! The hourly limit keeps a flood of refused calls from pushing administrative calls out of the rotated files.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Refusals of one status that have a line of their own within a second.
const PER_SECOND: u32 = 10;
/// Refusals that have a line of their own within an hour.
const PER_HOUR: u32 = 2_000;
/// Interval between two lines with the number of refusals that were left out.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

/// Counts of refusals.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    hour: Window,
    by_status: BTreeMap<u16, StatusCount>,
    /// Time of the last summary.
    summarised: Option<Instant>,
    /// Time of the next summary; `None` if nothing was left out.
    due: Option<Instant>,
}

#[derive(Debug, Default)]
struct StatusCount {
    second: Window,
    left_out: u64,
}

/// Count that starts anew with each period.
#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    count: u32,
}

impl Window {
    /// Starts a new period if the last one is over, and returns `true` if less than `most` were counted in it.
    fn has_room(&mut self, now: Instant, period: Duration, most: u32) -> bool {
        if self.began.is_none_or(|began| now.saturating_duration_since(began) >= period) {
            *self = Self { began: Some(now), count: 0 };
        }
        self.count < most
    }
}

impl Refusals {
    /// Counts a refusal. Returns `true` if it gets a line of its own.
    pub fn admit(&mut self, status: u16, now: Instant) -> bool {
        let of_status = self.by_status.entry(status).or_default();
        if self.hour.has_room(now, HOUR, PER_HOUR) && of_status.second.has_room(now, SECOND, PER_SECOND) {
            self.hour.count += 1;
            of_status.second.count += 1;
            return true;
        }
        self.leave_out(status, now);
        false
    }

    /// Counts a refusal that gets no line of its own.
    pub fn leave_out(&mut self, status: u16, now: Instant) {
        self.by_status.entry(status).or_default().left_out += 1;
        // The first summary follows a burst within a second.
        let earliest = self.summarised.map_or(now, |last| last + SUMMARY_INTERVAL);
        self.due.get_or_insert((now + SECOND).max(earliest));
    }

    /// Time of the next summary; `None` if nothing was left out.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Numbers of refusals that were left out since the last summary, by status.
    pub fn take_left_out(&mut self, now: Instant) -> Vec<(u16, u64)> {
        (self.summarised, self.due) = (Some(now), None);
        let each = self.by_status.iter_mut();
        let counts = each.map(|(status, counts)| (*status, std::mem::take(&mut counts.left_out)));
        counts.filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_few_lines_and_its_rest_is_counted() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        let mut lines = |second: u32, count: usize| {
            let now = start + SECOND * second;
            (0..count).filter(|_| refusals.admit(401, now)).count()
        };
        assert_eq!((lines(0, 1_000), lines(0, 5), lines(1, 1_000)), (10, 0, 10));
        // Another reason has its own lines.
        assert!(refusals.admit(403, start + SECOND));
        // More of the flood does not put the summary off.
        assert_eq!(refusals.due(), Some(start + SECOND));
        assert_eq!(refusals.take_left_out(start + SECOND), [(401, 990 + 5 + 990)]);
        assert_eq!(refusals.due(), None);
        refusals.leave_out(401, start + SECOND * 2);
        assert_eq!(refusals.due(), Some(start + SECOND + SUMMARY_INTERVAL));
        // A whole hour of it.
        let mut written = 0;
        for second in 2..3_600 {
            written += (0..50).filter(|_| refusals.admit(401, start + SECOND * second)).count();
        }
        assert_eq!(written, 2_000 - 21);
        assert!(refusals.admit(401, start + HOUR));
    }
}
