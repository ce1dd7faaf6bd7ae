//! Time budget of a preset: how long each member may take, and work that is stopped at a deadline.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use super::super::worker::observer::locked;
use crate::train::StopSignal;

/// Interval at which a stop reaches the work.
const LOOK: Duration = Duration::from_millis(100);
/// Share of the time that is kept for the ensemble, and its smallest number of seconds.
const RESERVE: (f64, f64) = (0.05, 1.0);
/// Largest share of the time left that one member may take while others wait.
const SHARE: f64 = 0.4;

/// Clock of a job.
#[derive(Debug)]
pub(super) struct TimeBudget {
    started: Instant,
    /// Seconds in all.
    pub seconds: f64,
    /// Seconds that the evaluation and the publication of a member took on average.
    publishing: f64,
    /// Members behind that average.
    published: u32,
}

impl TimeBudget {
    /// Budget of so many seconds that begins now.
    pub fn new(seconds: f64) -> Self {
        Self { started: Instant::now(), seconds, publishing: 0.0, published: 0 }
    }

    /// Seconds since the beginning.
    pub fn elapsed(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Seconds that members may still take.
    pub fn left(&self) -> f64 {
        let reserve = (RESERVE.0 * self.seconds).max(RESERVE.1) + 2.0 * self.publishing;
        (self.seconds - self.elapsed() - reserve).max(0.0)
    }

    /// Seconds of the training of a member while `waiting` members, it included, have not begun.
    #[allow(clippy::cast_precision_loss)]
    pub fn limit(&self, waiting: usize) -> f64 {
        let share = SHARE.max(1.0 / waiting.max(1) as f64);
        ((self.left() - self.publishing) * share).max(0.0)
    }

    /// Notes the seconds that a member took besides its training.
    pub fn note_publishing(&mut self, seconds: f64) {
        self.published += 1;
        self.publishing += (seconds - self.publishing) / f64::from(self.published);
    }
}

/// Runs `work` with a stop signal of its own, which is set when `stop` is or when the deadline has passed.
pub(super) fn run_until<T>(deadline: Instant, stop: &StopSignal, work: impl FnOnce(&StopSignal) -> T) -> T {
    let own = StopSignal::new();
    let (done, ended) = (Mutex::new(false), Condvar::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                let waited = ended.wait_timeout_while(locked(&done), LOOK, |done| !*done);
                if waited.map_or(true, |(done, _)| *done) {
                    return;
                }
                if stop.is_requested() || Instant::now() >= deadline {
                    own.request();
                }
            }
        });
        let result = work(&own);
        *locked(&done) = true;
        ended.notify_all();
        result
    })
}

/// The moment in so many seconds.
pub(super) fn after(seconds: f64) -> Instant {
    let now = Instant::now();
    now.checked_add(Duration::from_secs_f64(seconds.clamp(0.0, 1e9))).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_members_leave_time_for_the_ensemble() {
        let mut budget = TimeBudget::new(100.0);
        assert!((budget.left() - 95.0).abs() < 0.5);
        assert!((budget.limit(5) - 38.0).abs() < 0.5 && (budget.limit(1) - 95.0).abs() < 0.5);
        budget.note_publishing(10.0);
        assert!((budget.left() - 75.0).abs() < 0.5 && (budget.limit(1) - 65.0).abs() < 0.5);
        // One slow disk does not end the job.
        budget.note_publishing(20.0);
        assert!((budget.left() - 65.0).abs() < 0.5 && (budget.limit(5) - 20.0).abs() < 0.5);
        budget.note_publishing(150.0);
        assert!(budget.limit(1).abs() < f64::EPSILON);
    }

    #[test]
    fn work_is_stopped_at_the_deadline_and_by_the_job() {
        let stop = StopSignal::new();
        let wait = |own: &StopSignal| {
            while !own.is_requested() {
                std::thread::yield_now();
            }
        };
        run_until(Instant::now(), &stop, wait);
        stop.request();
        run_until(after(1e9), &stop, wait);
        assert!(!run_until(after(1e9), &StopSignal::new(), StopSignal::is_requested));
    }
}
