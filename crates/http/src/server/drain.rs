//! Request bodies that are read to their end although the handler did not want all of it.
//!
//! A connection that is closed with unread bytes in it is reset, and the client loses the response: Python's
//! clients report a broken pipe instead of the status 413. So the rest of an unwanted body is read and
//! discarded, within limits.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Version, header};
use axum::response::Response;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::runtime::Handle;
use tower::Service as _;

/// Largest rest of a body that is read and discarded, in bytes.
const MAX_DISCARDED: usize = 256 << 20;
/// Bytes after which the reading pauses, so that those who are wanted have their turn.
const DISCARDED_IN_A_TURN: usize = 1 << 20;
const DISCARD_PAUSE: Duration = Duration::from_millis(1);
/// Longest time for which the rest of a body is read.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);
/// Time until the body of a client that waits for `100 Continue` is discarded. Some clients announce that they
/// wait, and send the body all the same.
const CONTINUE_DELAY: Duration = Duration::from_millis(50);
/// Time for which such a client may send nothing.
const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);

/// Calls the router with a body whose rest is discarded. HTTP/2 resets a single stream instead, so its bodies
/// stay as they are.
pub(super) async fn call(mut router: Router, request: Request<Incoming>) -> Result<Response, Infallible> {
    if request.version() > Version::HTTP_11 || request.body().is_end_stream() {
        return router.call(request.map(axum::body::Body::new)).await;
    }
    let waits = waits_for_continue(request.headers());
    let read = Arc::new(AtomicBool::new(false));
    let body = |incoming| DrainedBody { incoming: Some(incoming), waits, read: Arc::clone(&read) };
    let mut response = router.call(request.map(|incoming| axum::body::Body::new(body(incoming)))).await?;
    if waits && !read.load(Ordering::Relaxed) {
        // The client may send its body or not, so the connection cannot be used again.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// `true` if the client sends its body only after `100 Continue`, which the first read sends.
fn waits_for_continue(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Body whose rest is read in the background when it is dropped.
struct DrainedBody {
    /// `None` after the end of the body.
    incoming: Option<Incoming>,
    /// `true` if the client waits for `100 Continue`.
    waits: bool,
    /// `true` after the first read.
    read: Arc<AtomicBool>,
}

impl Body for DrainedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.read.store(true, Ordering::Relaxed);
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
        if incoming.is_end_stream() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if self.waits && !self.read.load(Ordering::Relaxed) {
            // A read before the response is written would ask the client for the body.
            runtime.spawn(async {
                tokio::time::sleep(CONTINUE_DELAY).await;
                discard(incoming, CONTINUE_TIMEOUT).await;
            });
        } else {
            runtime.spawn(discard(incoming, DISCARD_TIMEOUT));
        }
    }
}

/// Reads a body to its end, to the largest size, or until nothing has come for some time.
async fn discard(mut body: Incoming, idle: Duration) {
    let read = async {
        let mut left = MAX_DISCARDED;
        let mut at_once = 0;
        loop {
            let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context));
            let Ok(Some(Ok(frame))) = tokio::time::timeout(idle, frame).await else { break };
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(length) else { break };
            left = rest;
            at_once += length;
            if at_once > DISCARDED_IN_A_TURN {
                at_once = 0;
                tokio::time::sleep(DISCARD_PAUSE).await;
            }
        }
    };
    // A client that is slower than this loses its connection, as any other that is too slow.
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, read).await;
}
