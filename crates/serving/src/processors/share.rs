//! Each caller's share of the processors.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::priority::NICENESS;

/// Least number of jobs that a caller may have at once: on one processor, a short one passes a long one.
const LEAST_JOBS: usize = 2;
/// Jobs per processor of callers without a key, who share one share.
const ANONYMOUS_JOBS: usize = 4;
/// Time in which a caller's use is forgotten by half.
const HALF_LIFE: Duration = Duration::from_secs(5);
/// Parts of all processors whose steady use is some, and much.
const SOME: f64 = 0.12;
const MUCH: f64 = 0.25;
/// Steps by which the jobs of a caller with much use give way: they get a third of the time of another caller's.
const HEAVY_NICENESS: i32 = 10;
/// Callers in the table before those without a recent job are first removed.
const CALLERS: usize = 1_024;

/// Shares by caller.
#[derive(Debug)]
pub(super) struct Shares {
    processors: usize,
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    shares: HashMap<String, Arc<Share>>,
    /// Number of shares at which those without a recent job are removed.
    sweep_at: usize,
}

/// Share of a caller.
#[derive(Debug)]
pub(super) struct Share {
    /// Jobs that it may have at once.
    pub jobs: Semaphore,
    /// Recent use, in seconds of processor time, that steady use of all processors sums up to.
    whole: f64,
    used: Mutex<Used>,
}

/// Processor time in seconds, halved every [`HALF_LIFE`].
#[derive(Debug)]
struct Used {
    seconds: f64,
    at: Instant,
}

impl Used {
    fn until(&self, now: Instant) -> f64 {
        let lives = now.saturating_duration_since(self.at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        self.seconds * (-lives).exp2()
    }
}

impl Shares {
    pub fn new(processors: usize) -> Self {
        let table = Table { shares: HashMap::new(), sweep_at: CALLERS };
        Self { processors, table: Mutex::new(table) }
    }

    /// Share of this caller; `None` for callers that cannot be told apart.
    pub fn of(&self, caller: Option<&str>) -> Arc<Share> {
        let id = caller.unwrap_or_default();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.shares.get(id) {
            return Arc::clone(known);
        }
        if table.shares.len() >= table.sweep_at {
            table.shares.retain(|_, share| Arc::strong_count(share) > 1 || share.recent() > 1e-3);
            // Doubling keeps the cost of sweeps proportional to the number of new callers.
            table.sweep_at = CALLERS.max(2 * table.shares.len());
        }
        let jobs = match caller {
            Some(_) => self.processors.max(LEAST_JOBS),
            None => ANONYMOUS_JOBS * self.processors,
        };
        let share = Arc::new(Share::new(jobs, self.processors));
        table.shares.insert(id.to_owned(), Arc::clone(&share));
        share
    }
}

impl Share {
    fn new(jobs: usize, processors: usize) -> Self {
        // Steady use of one processor sums up to this.
        let steady = HALF_LIFE.as_secs_f64() / std::f64::consts::LN_2;
        let used = Mutex::new(Used { seconds: 0.0, at: Instant::now() });
        #[expect(clippy::cast_precision_loss, reason = "the number of processors is small")]
        let whole = steady * processors as f64;
        Self { jobs: Semaphore::new(jobs), whole, used }
    }

    /// Adds the processor time of a job.
    pub fn add(&self, time: Duration) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        *used = Used { seconds: used.until(now) + time.as_secs_f64(), at: now };
    }

    fn recent(&self) -> f64 {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).until(Instant::now())
    }

    /// Steps by which its next job gives way.
    pub fn niceness(&self) -> i32 {
        match self.recent() / self.whole {
            part if part > MUCH => HEAVY_NICENESS,
            part if part > SOME => NICENESS,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_that_uses_much_gives_way_until_it_has_rested() {
        let shares = Shares::new(2);
        let (busy, other) = (shares.of(Some("busy")), shares.of(Some("other")));
        assert_eq!(busy.niceness(), 0);
        busy.add(Duration::from_secs(2));
        assert_eq!(busy.niceness(), NICENESS);
        busy.add(Duration::from_secs(6));
        assert_eq!((shares.of(Some("busy")).niceness(), other.niceness()), (HEAVY_NICENESS, 0));
        let rested = Used { seconds: 8.0, at: Instant::now() };
        assert!((rested.until(rested.at + 2 * HALF_LIFE) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn the_table_of_callers_forgets_those_that_rest() {
        let shares = Shares::new(1);
        let kept = shares.of(Some("kept"));
        shares.of(Some("busy")).add(Duration::from_mins(1));
        for caller in 0..5_000 {
            shares.of(Some(&caller.to_string()));
        }
        assert!(shares.table.lock().unwrap().shares.len() <= CALLERS);
        assert!(Arc::ptr_eq(&kept, &shares.of(Some("kept"))));
        assert_eq!(shares.of(Some("busy")).niceness(), HEAVY_NICENESS);
    }
}
