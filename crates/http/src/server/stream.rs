//! Streams of HTTP/2 whose client must take their responses: a client may keep the flow-control window of a stream
//! closed while the connection itself stays lively.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::{Instant, Sleep, sleep_until};

tokio::task_local! {
    /// Progress of the stream whose task is polled.
    static PROGRESS: Arc<StreamProgress>;
}

/// Progress of a stream's response.
#[derive(Debug)]
pub(super) struct StreamProgress {
    began: Instant,
    /// Time of the last piece that the connection has not yet asked to be followed, in milliseconds plus one; 0
    /// while it is the server that works.
    handed_over: AtomicU64,
}

impl StreamProgress {
    fn new() -> Self {
        Self { began: Instant::now(), handed_over: AtomicU64::new(0) }
    }

    /// Progress of the stream whose task runs this; `None` for HTTP/1.
    pub fn current() -> Option<Arc<Self>> {
        PROGRESS.try_with(Arc::clone).ok()
    }

    /// Notes that the next piece is asked for.
    pub fn produce(&self) {
        self.handed_over.store(0, Ordering::Relaxed);
    }

    /// Notes that the client has to take a piece.
    pub fn hand_over(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.handed_over.store(now.saturating_add(1), Ordering::Relaxed);
    }

    fn deadline(&self, limit: Duration) -> Option<Instant> {
        let since = self.handed_over.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.began + Duration::from_millis(since) + limit)
    }
}

/// Executor of HTTP/2 that resets streams whose client takes nothing for too long.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamExecutor {
    pub limit: Duration,
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let progress = Arc::new(StreamProgress::new());
        tokio::spawn(StreamTask { stream: Box::pin(stream), progress, limit: self.limit, sleep: None });
    }
}

/// Stream that ends, and thereby is reset, when its client stalls.
struct StreamTask {
    stream: Pin<Box<dyn Future<Output = ()> + Send>>,
    progress: Arc<StreamProgress>,
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Future for StreamTask {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let stream = this.stream.as_mut();
        if PROGRESS.sync_scope(Arc::clone(&this.progress), || stream.poll(context)).is_ready() {
            return Poll::Ready(());
        }
        let Some(deadline) = this.progress.deadline(this.limit) else {
            this.sleep = None;
            return Poll::Pending;
        };
        let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(100);

    fn task(stream: impl Future<Output = ()> + Send + 'static) -> StreamTask {
        let progress = Arc::new(StreamProgress::new());
        StreamTask { stream: Box::pin(stream), progress, limit: LIMIT, sleep: None }
    }

    #[tokio::test]
    async fn a_stream_whose_client_stalls_ends_and_one_that_works_does_not() {
        let began = Instant::now();
        task(async {
            StreamProgress::current().unwrap().hand_over();
            std::future::pending::<()>().await;
        })
        .await;
        assert!(began.elapsed() >= LIMIT);
        let began = Instant::now();
        task(async {
            let progress = StreamProgress::current().unwrap();
            progress.hand_over();
            progress.produce();
            tokio::time::sleep(3 * LIMIT).await;
        })
        .await;
        assert!(began.elapsed() >= 3 * LIMIT);
        assert!(StreamProgress::current().is_none());
    }
}
