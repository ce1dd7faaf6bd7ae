//! CPU work of requests outside the threads that accept and answer them.

mod priority;
mod share;

use std::sync::Arc;

use cupola_budget::{Budget, Exceeded};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) use self::priority::lower_own_priority;
use self::share::{Share, Shares};

/// Long jobs at once for each processor, of all callers together. The system's scheduler divides the processors
/// among them, so a caller's short job does not wait for the end of another caller's long one.
const JOBS_PER_PROCESSOR: usize = 8;
/// Long jobs at once on any machine. Each blocks a thread of the runtime, which replaces 512 at most, and stands still
/// beyond that.
const MOST_JOBS: usize = 384;

/// Work of this many times a quick one's size is modest.
const MODEST: usize = 16;

/// Size of some work, in processor time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkSize {
    /// A fraction of a millisecond.
    Quick,
    /// A few milliseconds.
    Modest,
    /// Any time.
    Long,
}

impl WorkSize {
    /// Size of work that grows with its size in bytes, and is quick up to `quick` of them.
    pub fn of_bytes(bytes: usize, quick: usize) -> Self {
        match bytes {
            bytes if bytes <= quick => Self::Quick,
            bytes if bytes <= quick.saturating_mul(MODEST) => Self::Modest,
            _ => Self::Long,
        }
    }
}

/// Processor time for work that takes longer than a moment, shared fairly among callers.
///
/// A caller has a few jobs at once, and its next ones wait for its own, not for those of others. One that has used much
/// processor time lately gives way to the others.
#[derive(Debug, Clone)]
pub struct Processors(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    jobs: Semaphore,
    shares: Shares,
}

impl Default for Processors {
    fn default() -> Self {
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let jobs = Semaphore::new((JOBS_PER_PROCESSOR * count).min(MOST_JOBS));
        Self(Arc::new(Inner { jobs, shares: Shares::new(count) }))
    }
}

impl Processors {
    /// Runs `work` at once if it is quick, or modest and of a caller that has used little lately. Otherwise it waits for
    /// its turn, and lets the runtime replace the thread that it blocks, so that health checks and other requests are
    /// answered meanwhile.
    ///
    /// # Errors
    /// [`Exceeded::Deadline`] if its turn does not come in time.
    pub async fn run<T: Send>(
        &self,
        size: WorkSize,
        budget: &Budget,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, Exceeded> {
        if size == WorkSize::Quick {
            return Ok(work());
        }
        let share = self.0.shares.of(budget.caller());
        if size == WorkSize::Modest && share.niceness() == 0 {
            let (result, used) = priority::timed(work);
            share.add(used);
            return Ok(result);
        }
        let turn = self.turn(&share);
        let turn = match budget.deadline() {
            Some(deadline) => {
                tokio::time::timeout_at(deadline.into(), turn).await.map_err(|_| budget.late())?
            }
            None => turn.await,
        };
        budget.check()?;
        let niceness = share.niceness();
        let (result, used) = match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(|| priority::run(niceness, work)),
            // A runtime of one thread, in tests, has no other to hand its tasks to.
            _ => priority::timed(work),
        };
        share.add(used);
        drop(turn);
        Ok(result)
    }

    /// Waits for the caller's earlier jobs first, so that those that wait take no place from other callers.
    async fn turn<'a>(&'a self, share: &'a Share) -> [Option<SemaphorePermit<'a>>; 2] {
        // The semaphores are never closed.
        [share.jobs.acquire().await.ok(), self.0.jobs.acquire().await.ok()]
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use cupola_budget::{Accounts, MemoryLimits};

    use super::*;

    fn sleep(time: u64) -> impl FnOnce() + Send {
        move || std::thread::sleep(Duration::from_millis(time))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn long_work_does_not_hold_up_the_runtime() {
        let processors = Processors::default();
        let long = {
            let processors = processors.clone();
            tokio::spawn(
                async move { processors.run(WorkSize::Long, &Budget::unlimited(), sleep(800)).await },
            )
        };
        tokio::time::sleep(Duration::from_millis(100)).await;
        let asked = Instant::now();
        tokio::spawn(async {}).await.unwrap();
        assert!(asked.elapsed() < Duration::from_millis(400));
        long.await.unwrap().unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_caller_waits_for_its_own_jobs_until_its_deadline_and_for_nobody_elses() {
        let processors = Processors::default();
        let accounts = Accounts::new(MemoryLimits::default());
        let budget = |caller, time| accounts.request(Some(caller), Duration::from_millis(time));
        let greedy = budget("greedy", 60_000);
        let share = processors.0.shares.of(greedy.caller());
        let all = u32::try_from(share.jobs.available_permits()).unwrap();
        let held = share.jobs.acquire_many(all).await.unwrap();
        let late = budget("greedy", 50);
        assert_eq!(processors.run(WorkSize::Quick, &late, || 1).await, Ok(1));
        assert!(matches!(processors.run(WorkSize::Long, &late, || 1).await, Err(Exceeded::Deadline { .. })));
        assert_eq!(processors.run(WorkSize::Long, &budget("other", 10_000), || 2).await, Ok(2));
        drop(held);
        assert_eq!(processors.run(WorkSize::Long, &greedy, || 3).await, Ok(3));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn modest_work_stays_on_its_thread_until_the_caller_has_used_much() {
        let processors = Processors::default();
        let accounts = Accounts::new(MemoryLimits::default());
        let budget = accounts.request(Some("one"), Duration::from_mins(1));
        assert_eq!(
            [8, 9, 128, 129].map(|bytes| WorkSize::of_bytes(bytes, 8)),
            [WorkSize::Quick, WorkSize::Modest, WorkSize::Modest, WorkSize::Long]
        );
        let thread = || std::thread::current().name().map(str::to_owned);
        let here = processors.run(WorkSize::Modest, &budget, thread).await.unwrap();
        assert_ne!(here.as_deref(), Some("long-work"));
        processors.0.shares.of(Some("one")).add(Duration::from_mins(10));
        let there = processors.run(WorkSize::Modest, &budget, thread).await.unwrap();
        assert_eq!(there.as_deref(), Some("long-work"));
    }
}
