//! Bounded queue of the notifications for one receiver.

use std::collections::VecDeque;
use std::time::Duration;

use cupola_monitor::alert::AlertNotification;
use serde::{Deserialize, Serialize};

/// Most notifications that wait. A receiver that is down for a day gets a few per group.
pub(super) const MOST_WAITING: usize = 1_000;
/// Longest delay between two attempts.
const LONGEST_DELAY: Duration = Duration::from_mins(5);

/// Notifications that wait, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Outbox {
    waiting: VecDeque<AlertNotification>,
    /// Notifications that were dropped since the queue was full.
    pub dropped: u64,
    /// Second since 1970 from which no receiver has this name; `None` if one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unclaimed: Option<i64>,
    /// Failed attempts in a row.
    #[serde(skip)]
    pub failures: u32,
}

impl Outbox {
    /// Adds a notification. Returns `false` if the oldest one had to be dropped for it.
    pub fn push(&mut self, notification: AlertNotification) -> bool {
        let fits = self.waiting.len() < MOST_WAITING;
        if !fits {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        self.waiting.push_back(notification);
        fits
    }

    /// Number of notifications that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Oldest notification.
    pub fn front(&self) -> Option<&AlertNotification> {
        self.waiting.front()
    }

    /// Removes a notification that was delivered or refused; it may have been dropped meanwhile.
    pub fn remove(&mut self, id: &str) {
        self.failures = 0;
        if self.waiting.front().is_some_and(|front| front.id == id) {
            self.waiting.pop_front();
        }
    }

    /// Counts a failed attempt and returns the delay before the next one: 1 s, 2 s, 4 s, up to 5 minutes.
    pub fn fail(&mut self) -> Duration {
        let delay = backoff(self.failures);
        self.failures = self.failures.saturating_add(1);
        delay
    }
}

/// Delay after this many failures before.
pub(super) fn backoff(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.min(9)).min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn notification(id: usize) -> AlertNotification {
        AlertNotification {
            id: id.to_string(),
            group: cupola_monitor::alert::AlertLabels::new(),
            alerts: Vec::new(),
            at: Timestamp::UNIX_EPOCH,
            repeated: false,
        }
    }

    #[test]
    fn a_full_queue_drops_the_oldest_and_counts_it() {
        let mut outbox = Outbox::default();
        let fits = (0..MOST_WAITING + 2).filter(|id| outbox.push(notification(*id))).count();
        assert_eq!((fits, outbox.len(), outbox.dropped), (MOST_WAITING, MOST_WAITING, 2));
        assert_eq!(outbox.front().unwrap().id, "2");
        // The one that was being sent may be the one that was dropped.
        outbox.remove("1");
        assert_eq!(outbox.len(), MOST_WAITING);
        outbox.remove("2");
        assert_eq!(outbox.front().unwrap().id, "3");
        let stored: Outbox = serde_json::from_str(&serde_json::to_string(&outbox).unwrap()).unwrap();
        assert_eq!(stored, outbox);
    }

    #[test]
    fn delays_grow_to_five_minutes() {
        let mut outbox = Outbox::default();
        let delays: Vec<u64> = (0..12).map(|_| outbox.fail().as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        outbox.remove("");
        assert_eq!(outbox.fail().as_secs(), 1);
    }
}
