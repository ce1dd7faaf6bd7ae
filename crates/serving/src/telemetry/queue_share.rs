//! Share of the requests' time that they spent in the queue.

use std::time::Instant;

/// Seconds that a share covers.
const WINDOW: usize = 15;

/// Times of a second, in seconds of requests.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    /// Number of the second since the window was made.
    number: u64,
    queue: f64,
    total: f64,
}

/// Times of the requests of the last 15 seconds.
#[derive(Debug)]
pub(super) struct QueueWindow {
    began: Instant,
    seconds: [Second; WINDOW],
}

/// Time in the queue and time altogether, in seconds. Windows of several versions add up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct QueueTimes {
    /// Time in the queue.
    pub queue: f64,
    /// Time from the body to the response.
    pub total: f64,
}

impl QueueTimes {
    /// Sum of two windows.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { queue: self.queue + other.queue, total: self.total + other.total }
    }

    /// Share of the time in the queue, from 0 to 1; 0 without requests.
    pub fn share(self) -> f64 {
        // A request counts in the queue before it counts altogether, at its end.
        if self.queue < self.total { self.queue / self.total } else { f64::from(u8::from(self.queue > 0.0)) }
    }
}

impl QueueWindow {
    pub fn new(now: Instant) -> Self {
        Self { began: now, seconds: [Second::default(); WINDOW] }
    }

    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs()
    }

    /// Adds times to the present second.
    pub fn add(&mut self, now: Instant, times: QueueTimes) {
        let number = self.number(now);
        let at = usize::try_from(number % WINDOW as u64).unwrap_or_default();
        let second = &mut self.seconds[at];
        if second.number != number {
            *second = Second { number, ..Second::default() };
        }
        second.queue += times.queue;
        second.total += times.total;
    }

    /// Times of the last seconds.
    pub fn times(&self, now: Instant) -> QueueTimes {
        let number = self.number(now);
        let recent = self.seconds.iter().filter(|second| second.number + WINDOW as u64 > number);
        recent.fold(QueueTimes::default(), |sum, second| {
            sum.plus(QueueTimes { queue: second.queue, total: second.total })
        })
    }
}

impl Default for QueueWindow {
    fn default() -> Self {
        Self::new(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn is(share: f64, expected: f64) -> bool {
        (share - expected).abs() < 1e-12
    }

    #[test]
    fn a_window_forgets_and_versions_add_up() {
        let began = Instant::now();
        let at = |seconds: f64| began + Duration::from_secs_f64(seconds);
        let mut window = QueueWindow::new(began);
        assert!(is(window.times(at(0.0)).share(), 0.0));
        window.add(at(0.5), QueueTimes { queue: 3.0, total: 0.0 });
        window.add(at(0.9), QueueTimes { queue: 0.0, total: 4.0 });
        window.add(at(7.0), QueueTimes { queue: 0.0, total: 4.0 });
        let other = QueueTimes { queue: 1.0, total: 8.0 };
        assert_eq!(window.times(at(14.9)), QueueTimes { queue: 3.0, total: 8.0 });
        assert!(is(window.times(at(14.9)).plus(other).share(), 0.25));
        assert_eq!(window.times(at(15.1)), QueueTimes { queue: 0.0, total: 4.0 });
        assert_eq!(window.times(at(40.0)), QueueTimes::default());
        // The place of the first second is taken by the sixteenth.
        window.add(at(15.2), QueueTimes { queue: 1.0, total: 2.0 });
        assert_eq!(window.times(at(15.3)), QueueTimes { queue: 1.0, total: 6.0 });
    }

    #[test]
    fn requests_that_only_wait_are_a_whole_share() {
        assert!(is(QueueTimes { queue: 2.0, total: 0.0 }.share(), 1.0));
        assert!(is(QueueTimes { queue: 2.0, total: 1.0 }.share(), 1.0));
    }
}
