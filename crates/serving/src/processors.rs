//! CPU work of requests outside the threads that accept and answer them.

mod priority;
mod share;

use std::sync::Arc;

use cupola_budget::{Budget, Exceeded};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, SemaphorePermit};

use self::share::{Share, Shares};

/// Long jobs at once for each processor, of all callers together. The system's scheduler divides the processors
/// among them, so a caller's short job does not wait for the end of another caller's long one.
const JOBS_PER_PROCESSOR: usize = 8;

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
        Self(Arc::new(Inner { jobs: Semaphore::new(JOBS_PER_PROCESSOR * count), shares: Shares::new(count) }))
    }
}

impl Processors {
    /// Runs `work` at once if it is quick. Otherwise it waits for its turn, and lets the runtime replace the thread
    /// that it blocks, so that health checks and other requests are answered meanwhile.
    ///
    /// # Errors
    /// [`Exceeded::Deadline`] if its turn does not come in time.
    pub async fn run<T: Send>(
        &self,
        quick: bool,
        budget: &Budget,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, Exceeded> {
        if quick {
            return Ok(work());
        }
        let share = self.0.shares.of(budget.caller());
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
            tokio::spawn(async move { processors.run(false, &Budget::unlimited(), sleep(800)).await })
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
        assert_eq!(processors.run(true, &late, || 1).await, Ok(1));
        assert!(matches!(processors.run(false, &late, || 1).await, Err(Exceeded::Deadline { .. })));
        assert_eq!(processors.run(false, &budget("other", 10_000), || 2).await, Ok(2));
        drop(held);
        assert_eq!(processors.run(false, &greedy, || 3).await, Ok(3));
    }
}
