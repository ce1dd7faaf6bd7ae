//! Sockets of clients that must take what they are sent.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::activity::Activity;

/// Bytes that a client has to take within the time limit while it takes less than it is sent.
const LEAST_PROGRESS: usize = 16 << 10;

/// Socket that fails when the client takes nothing for too long, and notes when it sends something.
pub(super) struct TimedSocket<S> {
    socket: S,
    activity: Arc<Activity>,
    limit: Duration,
    stall: Option<Stall>,
}

/// Time since which the socket takes less than is written.
struct Stall {
    deadline: Pin<Box<Sleep>>,
    taken: usize,
}

impl<S> TimedSocket<S> {
    pub fn new(socket: S, activity: Arc<Activity>, limit: Duration) -> Self {
        Self { socket, activity, limit, stall: None }
    }

    /// Result of a write of `wanted` bytes, or an error if the client has stalled for too long.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
        wanted: usize,
    ) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Ready(Ok(taken)) => {
                let enough = self.stall.as_mut().is_none_or(|stall| {
                    stall.taken += taken;
                    stall.taken >= LEAST_PROGRESS
                });
                if enough || *taken == wanted {
                    self.stall = None;
                }
                if *taken == wanted {
                    self.activity.write(true);
                }
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.activity.write(false);
                let limit = self.limit;
                let begin = || Stall { deadline: Box::pin(sleep(limit)), taken: 0 };
                if self.stall.get_or_insert_with(begin).deadline.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let result = Pin::new(&mut self.socket).poll_read(context, into);
        if into.filled().len() > before {
            self.activity.hear();
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.written(context, result, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.written(context, result, slices.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(300);

    fn pair() -> (TimedSocket<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1024);
        (TimedSocket::new(ours, Arc::new(Activity::new()), LIMIT), theirs)
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_fails_the_write() {
        let (mut socket, _theirs) = pair();
        let began = Instant::now();
        let error = socket.write_all(&[0; 4096]).await.unwrap_err();
        assert!(error.kind() == io::ErrorKind::TimedOut && began.elapsed() >= LIMIT, "{error}");
    }

    #[tokio::test]
    async fn a_client_that_reads_a_byte_now_and_then_fails_it_too() {
        let (mut socket, mut theirs) = pair();
        tokio::spawn(async move {
            while theirs.read_u8().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(socket.write_all(&vec![0; 1 << 20]).await.is_err());
    }

    #[tokio::test]
    async fn a_slow_client_that_reads_on_gets_all_of_it() {
        let (mut socket, mut theirs) = pair();
        let reader = tokio::spawn(async move {
            let (mut bytes, mut read) = ([0; 1024], 0);
            while let Ok(count @ 1..) = theirs.read(&mut bytes).await {
                read += count;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            read
        });
        socket.write_all(&vec![0; 100 << 10]).await.unwrap();
        drop(socket);
        assert_eq!(reader.await.unwrap(), 100 << 10);
    }
}
