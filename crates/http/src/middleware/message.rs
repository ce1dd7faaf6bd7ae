//! Bodies of gRPC calls: messages of bounded size that arrive in time, within the memory of their caller.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use cupola_budget::{Budget, Hold};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};
use tonic::Status;

use super::fields::FieldCount;
use crate::error::ApiError;

/// Bytes in front of each message: a flag and its length.
const PREFIX: usize = 5;

/// Limits of the messages of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct MessageLimits {
    /// Largest message in bytes.
    pub bytes: usize,
    /// Time for a message to arrive, from its first byte or, if there is only one, from the beginning of the call.
    pub time: Duration,
    /// Time between two messages of a stream; `None` if the call has one message.
    pub between: Option<Duration>,
}

/// Body of a call.
pub(super) struct MessageBody {
    body: Body,
    limits: MessageLimits,
    budget: Budget,
    hold: Hold,
    framing: Framing,
    deadline: Pin<Box<Sleep>>,
}

impl MessageBody {
    pub fn new(body: Body, limits: MessageLimits, budget: Budget) -> Self {
        let deadline = Box::pin(sleep(limits.between.unwrap_or(limits.time)));
        Self { body, limits, budget, hold: Hold::none(), framing: Framing::default(), deadline }
    }

    /// Checks and counts what has arrived.
    fn receive(&mut self, data: &Bytes) -> Result<(), ApiError> {
        let was_between = self.framing.is_between();
        if was_between {
            // The messages before this one are decoded.
            self.hold = self.budget.take(data.len())?;
        } else {
            self.hold.grow(data.len())?;
        }
        self.framing.read(data, self.limits.bytes)?;
        if let Some(between) = self.limits.between {
            if self.framing.is_between() {
                self.deadline.as_mut().reset(Instant::now() + between);
            } else if was_between {
                self.deadline.as_mut().reset(Instant::now() + self.limits.time);
            }
        }
        Ok(())
    }
}

impl hyper::body::Body for MessageBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let received = frame.data_ref().map_or(Ok(()), |data| this.receive(data));
                Poll::Ready(Some(received.map(|()| frame).map_err(Status::from)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(Status::cancelled(error.to_string())))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending if this.deadline.as_mut().poll(context).is_ready() => {
                let limit = match this.limits.between {
                    Some(between) if this.framing.is_between() => between,
                    _ => this.limits.time,
                };
                Poll::Ready(Some(Err(ApiError::too_slow(limit).into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Position within the messages of a body.
#[derive(Debug, Default)]
struct Framing {
    prefix: [u8; PREFIX],
    /// Bytes of the prefix that have arrived.
    filled: usize,
    /// Bytes of the message that have not arrived.
    left: usize,
    fields: FieldCount,
}

impl Framing {
    /// `true` if no message has begun.
    fn is_between(&self) -> bool {
        self.filled == 0
    }

    fn read(&mut self, mut data: &[u8], limit: usize) -> Result<(), ApiError> {
        while !data.is_empty() {
            if self.filled < PREFIX {
                let count = data.len().min(PREFIX - self.filled);
                self.prefix[self.filled..self.filled + count].copy_from_slice(&data[..count]);
                self.filled += count;
                data = &data[count..];
                if self.filled < PREFIX {
                    return Ok(());
                }
                let [_, length @ ..] = self.prefix;
                self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                if self.left > limit {
                    return Err(ApiError::too_large(limit));
                }
                self.fields = FieldCount::default();
            }
            let count = data.len().min(self.left);
            self.fields.read(&data[..count])?;
            self.left -= count;
            data = &data[count..];
            if self.left == 0 {
                self.filled = 0;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use cupola_budget::{Accounts, MemoryLimits};
    use futures::StreamExt as _;
    use hyper::body::Body as _;
    use tonic::Code;

    use super::*;

    const LIMITS: MessageLimits = MessageLimits {
        bytes: 8,
        time: Duration::from_millis(100),
        between: Some(Duration::from_millis(600)),
    };

    /// Body of these frames, after which nothing comes.
    fn body(frames: Vec<&'static [u8]>, limits: MessageLimits, accounts: &Accounts) -> MessageBody {
        let frames = frames.into_iter().map(|frame| Ok::<_, Infallible>(Bytes::from_static(frame)));
        let frames = futures::stream::iter(frames).chain(futures::stream::pending());
        let budget = accounts.request(None, Duration::from_mins(1));
        MessageBody::new(Body::from_stream(frames), limits, budget)
    }

    async fn next(body: &mut MessageBody) -> Result<usize, Code> {
        let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        let frame = frame.unwrap().map_err(|status| status.code())?;
        Ok(frame.into_data().unwrap().len())
    }

    #[tokio::test]
    async fn messages_are_limited_in_size_time_and_memory() {
        let accounts = Accounts::new(MemoryLimits::default());
        let frames = vec![&b"\0\0\0\0\x02ab\0\0"[..], b"\0\0\x01", b"c"];
        let mut stream = body(frames, LIMITS, &accounts);
        assert_eq!((next(&mut stream).await, accounts.used()), (Ok(9), 9));
        assert_eq!((next(&mut stream).await, accounts.used()), (Ok(3), 12));
        assert_eq!(next(&mut stream).await, Ok(1));
        let began = Instant::now();
        assert_eq!(next(&mut stream).await, Err(Code::DeadlineExceeded));
        assert!(began.elapsed() >= Duration::from_millis(400), "between two messages");
        drop(stream);
        assert_eq!(accounts.used(), 0);

        let mut half = body(vec![b"\0\0\0\0\x08ab"], LIMITS, &accounts);
        assert_eq!(next(&mut half).await, Ok(7));
        let began = Instant::now();
        assert_eq!(next(&mut half).await, Err(Code::DeadlineExceeded));
        assert!(began.elapsed() < Duration::from_millis(500), "within a message");

        let mut large = body(vec![b"\0\0\0\0\x09"], LIMITS, &accounts);
        assert_eq!(next(&mut large).await, Err(Code::ResourceExhausted));
        let limits = MessageLimits { bytes: 1 << 20, ..LIMITS };
        let message = [&b"\0\0\x08\0\0"[..], &b"\x2a\0".repeat(1 << 18)].concat();
        let empty: &'static [u8] = message.leak();
        assert_eq!(next(&mut body(vec![empty], limits, &accounts)).await, Err(Code::ResourceExhausted));
        let few = Accounts::new(MemoryLimits { server: 4, caller: 4, request: 4 });
        assert_eq!(next(&mut body(vec![b"\0\0\0\0\x01a"], LIMITS, &few)).await, Err(Code::ResourceExhausted));
    }
}
