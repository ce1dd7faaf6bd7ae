//! Request bodies that are read to their end although the handler did not want all of it.
//!
//! A connection that is closed with unread bytes in it is reset, and the client loses the response: Python's
//! clients report a broken pipe instead of the status 413. So the rest of an unwanted body is read and
//! discarded, within limits.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, Version, header};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::runtime::Handle;

/// Largest rest of a body that is read and discarded, in bytes.
const MAX_DISCARDED: usize = 256 << 20;
/// Longest time for which the rest of a body is read.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// Request with a body whose rest is discarded. HTTP/2 resets a single stream instead, so its bodies stay as
/// they are.
pub(super) fn discard_rest(request: Request<Incoming>) -> Request {
    let waits = waits_for_continue(request.headers());
    if request.version() > Version::HTTP_11 || request.body().is_end_stream() {
        return request.map(axum::body::Body::new);
    }
    request.map(|incoming| axum::body::Body::new(DrainedBody { incoming: Some(incoming), unsent: waits }))
}

/// `true` if the client sends its body only after `100 Continue`.
fn waits_for_continue(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Body whose rest is read in the background when it is dropped.
struct DrainedBody {
    /// `None` after the end of the body.
    incoming: Option<Incoming>,
    /// `true` if the client still waits for `100 Continue`, which the first read sends: there is nothing to
    /// discard then.
    unsent: bool,
}

impl Body for DrainedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.unsent = false;
        let Some(incoming) = self.incoming.as_mut() else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(incoming).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.incoming = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for DrainedBody {
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        if self.unsent || incoming.is_end_stream() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(discard(incoming));
        }
    }
}

async fn discard(mut body: Incoming) {
    let read = async {
        let mut left = MAX_DISCARDED;
        while let Some(Ok(frame)) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // A client that is slower than this loses its connection, as any other that is too slow.
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, read).await;
}
