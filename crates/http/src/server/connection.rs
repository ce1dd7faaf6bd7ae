//! One connection: its requests, its time limits, and its end at shutdown.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, Version, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;

use super::activity::{Activity, ConnectionLimits};
use super::connections::ConnectionSlot;
use super::drain;
use super::patience::{DELAY, Patience};
use super::response::ResponseBody;
use super::stream::StreamExecutor;
use crate::error::ApiError;
use crate::middleware::refuse;
use crate::state::ConnectionStreams;

/// Requests that a connection of HTTP/2 may have in flight.
const MAX_STREAMS: u32 = 128;
/// Bytes of request bodies that a stream, and a connection, may have sent before a handler reads them.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 2 << 20;
/// Bytes of responses that a stream of HTTP/2 may have buffered.
const SEND_BUFFER: usize = 128 << 10;
/// Most unsent bytes of HTTP/1, which is also the largest head.
const HTTP1_BUFFER: usize = 128 << 10;
/// Interval of pings that find clients which are gone.
const PING_INTERVAL: Duration = Duration::from_mins(1);
/// Time for a connection without requests to end in order.
const GOODBYE: Duration = Duration::from_secs(1);
/// Longest head and idle time of a connection that has a reserved slot.
const RESERVED_LIMIT: Duration = Duration::from_secs(2);

/// Connection of a client.
pub(super) struct Connection {
    slot: ConnectionSlot,
    router: Router,
    limits: ConnectionLimits,
    stop: watch::Receiver<bool>,
}

impl Connection {
    pub fn new(
        slot: ConnectionSlot,
        router: Router,
        mut limits: ConnectionLimits,
        stop: watch::Receiver<bool>,
    ) -> Self {
        if slot.reserved {
            limits.head = limits.head.min(RESERVED_LIMIT);
            limits.idle = limits.idle.min(RESERVED_LIMIT);
        }
        Self { slot, router, limits, stop }
    }

    /// Serves the requests of an encrypted connection.
    pub async fn serve_tls<S>(mut self, socket: S, tls: TlsAcceptor)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = tokio::select! {
            stream = tokio::time::timeout(self.limits.head, tls.accept(socket)) => stream,
            () = self.slot.activity.evicted() => return,
            _ = self.stop.wait_for(|stopped| *stopped) => return,
        };
        if let Ok(Ok(stream)) = stream {
            self.serve(stream).await;
        }
    }

    /// Serves the requests of a connection.
    pub async fn serve<S>(self, socket: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { slot, router, limits, mut stop } = self;
        let activity = Arc::clone(&slot.activity);
        let requests = Requests {
            router,
            activity: Arc::clone(&activity),
            reserved: slot.reserved,
            streams: ConnectionStreams::new(),
            patience: Arc::default(),
        };
        let service = service_fn(move |request: Request<Incoming>| requests.clone().respond(request));
        let builder = builder(limits);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
        // Errors of a connection are clients that disconnect.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = expired(&activity, limits) => {}
            () = activity.evicted() => {}
            _ = stop.wait_for(|stopped| *stopped) => {}
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            _ = connection.as_mut() => {}
            () = silent(&activity) => {}
        }
    }
}

fn builder(limits: ConnectionLimits) -> Builder<StreamExecutor> {
    let mut builder = Builder::new(StreamExecutor { limit: limits.write });
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None::<Duration>).max_buf_size(HTTP1_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER);
    builder
}

/// Resolves when the connection has been without a request for too long.
async fn expired(activity: &Activity, limits: ConnectionLimits) {
    loop {
        // The first byte of a head brings the deadline forward, so it is looked at again before that.
        let look = Instant::now() + limits.head / 2;
        let deadline = activity.deadline(limits);
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return;
        }
        sleep_until(deadline.map_or(look, |deadline| deadline.min(look))).await;
    }
}

/// Resolves when the connection has had time to say goodbye and has no request in flight.
async fn silent(activity: &Activity) {
    loop {
        tokio::time::sleep(GOODBYE).await;
        if !activity.is_busy() {
            return;
        }
    }
}

/// Service of a connection's requests.
#[derive(Clone)]
struct Requests {
    router: Router,
    activity: Arc<Activity>,
    reserved: bool,
    streams: ConnectionStreams,
    patience: Arc<Patience>,
}

impl Requests {
    async fn respond(self, mut request: Request<Incoming>) -> Result<Response<ResponseBody>, Infallible> {
        let http2 = request.version() > Version::HTTP_11;
        let mut in_flight = self.activity.begin(http2);
        if http2 {
            request.extensions_mut().insert(self.streams);
        }
        let response = if self.reserved && !is_health(request.uri().path()) {
            refuse(&request, ApiError::no_connections())
        } else {
            drain::call(self.router, request).await?
        };
        if self.patience.ends_with(&response) {
            // Idle meanwhile: requests that were sent at once would otherwise keep the connection's place for hours.
            drop(in_flight);
            tokio::time::sleep(DELAY).await;
            in_flight = self.activity.begin(http2);
        }
        let (mut head, body) = response.into_parts();
        if self.reserved && !http2 {
            head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(Response::from_parts(head, ResponseBody::new(body, in_flight)))
    }
}

fn is_health(path: &str) -> bool {
    ["/health/", "/v2/health/", "/grpc.health.v1.Health/Check"].iter().any(|root| path.starts_with(root))
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::super::connections::ConnectionTable;
    use super::super::socket::TimedSocket;
    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        head: Duration::from_millis(400),
        idle: Duration::from_secs(2),
        write: Duration::from_millis(800),
    };
    const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    /// Client's side of a connection, and the sender that stops it.
    fn connect() -> (DuplexStream, watch::Sender<bool>) {
        let table = ConnectionTable::new(1, None);
        let slot = table.admit([127, 0, 0, 1].into()).unwrap();
        let (ours, theirs) = duplex(64 << 10);
        let large = "x".repeat(10 << 20);
        let router = Router::new()
            .route("/", get(|| async { "ok" }))
            .route("/large", get(move || async move { large }));
        let (sender, stop) = watch::channel(false);
        let socket = TimedSocket::new(ours, Arc::clone(&slot.activity), LIMITS.write);
        tokio::spawn(Connection::new(slot, router, LIMITS, stop).serve(socket));
        (theirs, sender)
    }

    /// Time until the server closes the connection.
    async fn until_closed(client: &mut DuplexStream) -> Duration {
        let began = Instant::now();
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(20), client.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "the connection stays open");
        began.elapsed()
    }

    #[tokio::test]
    async fn silent_and_half_connections_are_closed() {
        let settings = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        for sent in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nhost: a\r\nx: ", settings] {
            let (mut client, _stop) = connect();
            client.write_all(sent.as_bytes()).await.unwrap();
            let closed = until_closed(&mut client).await;
            assert!(closed >= LIMITS.head / 2 && closed < LIMITS.idle, "{sent:?}: {closed:?}");
        }
    }

    #[tokio::test]
    async fn an_idle_connection_is_closed_and_so_is_a_slow_second_head() {
        let (mut client, _stop) = connect();
        client.write_all(ASK).await.unwrap();
        assert!(until_closed(&mut client).await >= LIMITS.idle);
        let (mut client, _stop) = connect();
        client.write_all(ASK).await.unwrap();
        let mut head = [0; 12];
        client.read_exact(&mut head).await.unwrap();
        let began = Instant::now();
        while client.write_all(b"G").await.is_ok() {
            assert!(began.elapsed() < Duration::from_secs(20), "the connection stays open");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(began.elapsed() >= LIMITS.head);
    }

    #[tokio::test]
    async fn a_response_that_nobody_reads_and_a_stop_end_a_connection() {
        let (mut client, _stop) = connect();
        client.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        tokio::time::sleep(3 * LIMITS.write).await;
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest).await;
        assert!(rest.len() < 1 << 20, "{} bytes were sent", rest.len());
        let (mut client, stop) = connect();
        client.write_all(b"GET / HT").await.unwrap();
        stop.send(true).unwrap();
        assert!(until_closed(&mut client).await < Duration::from_secs(5));
    }
}
