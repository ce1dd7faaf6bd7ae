//! Bodies of responses: they count as in flight until they are sent, in pieces that a client must take.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::activity::InFlightRequest;
use super::stream::StreamProgress;

/// Largest piece of a body for HTTP/2, which holds a piece in memory until the client has taken it.
const PIECE: usize = 32 << 10;

/// Body of a response.
pub(super) struct ResponseBody {
    body: axum::body::Body,
    /// Rest of the last frame.
    rest: Bytes,
    /// Progress of a stream of HTTP/2.
    progress: Option<Arc<StreamProgress>>,
    _request: InFlightRequest,
}

impl ResponseBody {
    pub fn new(body: axum::body::Body, request: InFlightRequest) -> Self {
        let progress = StreamProgress::current();
        if let Some(progress) = &progress {
            progress.hand_over();
        }
        Self { body, rest: Bytes::new(), progress, _request: request }
    }

    /// First piece of the data; the rest of it waits.
    fn piece(&mut self, mut data: Bytes) -> Frame<Bytes> {
        if let Some(progress) = &self.progress {
            progress.hand_over();
            if data.len() > PIECE {
                self.rest = data.split_off(PIECE);
            }
        }
        Frame::data(data)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(progress) = &self.progress {
            progress.produce();
        }
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece(rest))));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(Ok(match frame.into_data() {
                Ok(data) => self.piece(data),
                Err(trailers) => trailers,
            })),
            other => other,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut with_rest = SizeHint::new();
        with_rest.set_lower(hint.lower().saturating_add(rest));
        if let Some(upper) = hint.upper() {
            with_rest.set_upper(upper.saturating_add(rest));
        }
        with_rest
    }
}

#[cfg(test)]
mod tests {
    use super::super::activity::Activity;
    use super::*;

    #[tokio::test]
    async fn a_body_counts_until_it_is_dropped_and_keeps_its_length() {
        let activity = Arc::new(Activity::new());
        let mut body = ResponseBody::new(vec![7; 100_000].into(), activity.begin(false));
        assert_eq!(body.size_hint().exact(), Some(100_000));
        let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap().len(), 100_000, "HTTP/1 needs no pieces");
        assert!(activity.is_busy());
        drop(body);
        assert!(!activity.is_busy());
    }
}
