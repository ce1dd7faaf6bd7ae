//! CPU work of requests outside the threads that accept and answer them.

use std::sync::Arc;

use cupola_budget::{Budget, Exceeded};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

use crate::priority::at_low_priority;

/// Permits to use a processor for longer than a moment, one for each processor.
#[derive(Debug, Clone)]
pub(crate) struct Processors(Arc<Semaphore>);

impl Processors {
    pub fn new() -> Self {
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self(Arc::new(Semaphore::new(count)))
    }

    /// Runs `work` at once if it is quick. Otherwise it waits for a processor, and lets the runtime replace the
    /// thread that it blocks, so that health checks and other requests are answered meanwhile.
    ///
    /// # Errors
    /// [`Exceeded::Deadline`] if no processor is free in time.
    pub async fn run<T: Send>(
        &self,
        quick: bool,
        budget: &Budget,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, Exceeded> {
        if quick {
            return Ok(work());
        }
        let permit = match budget.deadline() {
            Some(deadline) => {
                tokio::time::timeout_at(deadline.into(), self.0.acquire()).await.map_err(|_| budget.late())?
            }
            None => self.0.acquire().await,
        };
        budget.check()?;
        let result = match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(|| at_low_priority(work)),
            // A runtime of one thread, in tests, has no other to hand its tasks to.
            _ => work(),
        };
        drop(permit);
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use cupola_budget::{Accounts, MemoryLimits};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn long_work_does_not_hold_up_the_runtime() {
        let processors = Processors::new();
        let long = {
            let processors = processors.clone();
            tokio::spawn(async move {
                let work = || std::thread::sleep(Duration::from_millis(800));
                processors.run(false, &Budget::unlimited(), work).await
            })
        };
        tokio::time::sleep(Duration::from_millis(100)).await;
        let asked = Instant::now();
        tokio::spawn(async {}).await.unwrap();
        assert!(asked.elapsed() < Duration::from_millis(400));
        long.await.unwrap().unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_request_waits_for_a_processor_until_its_deadline() {
        let processors = Processors::new();
        let all = u32::try_from(processors.0.available_permits()).unwrap();
        let held = processors.0.acquire_many(all).await.unwrap();
        let accounts = Accounts::new(MemoryLimits::default());
        let budget = accounts.request(None, Duration::from_millis(50));
        assert_eq!(processors.run(true, &budget, || 1).await, Ok(1));
        assert!(matches!(processors.run(false, &budget, || 1).await, Err(Exceeded::Deadline { .. })));
        drop(held);
    }
}
