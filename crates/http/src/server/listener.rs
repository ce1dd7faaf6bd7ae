//! Connections: accepted up to a cap, each with its own time limits, closed in order at shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::drain;
use crate::error::Error;

/// Time limit of a TLS handshake and of the head of a request.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time that a connection may be idle between requests.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// Listening socket with its routes.
pub(crate) struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
}

impl Listener {
    /// Binds an address.
    ///
    /// # Errors
    /// [`Error::Bind`].
    pub async fn bind(address: SocketAddr, tls: Option<TlsAcceptor>, router: Router) -> Result<Self, Error> {
        let socket = TcpListener::bind(address).await.map_err(|source| Error::Bind { address, source })?;
        Ok(Self { socket, tls, router })
    }

    /// Bound address.
    pub fn address(&self) -> Result<SocketAddr, Error> {
        Ok(self.socket.local_addr()?)
    }

    /// Accepts connections until `stop` becomes `true`; returns when all of them are closed. Connections beyond
    /// the cap wait in the system's backlog.
    pub async fn serve(self, connections: Arc<Semaphore>, mut stop: watch::Receiver<bool>) {
        let (closed_sender, mut closed) = tokio::sync::mpsc::channel::<()>(1);
        loop {
            let stream = tokio::select! {
                biased;
                _ = stop.wait_for(|stopped| *stopped) => break,
                stream = accept(&self.socket, &connections) => stream,
            };
            let Some((stream, permit)) = stream else { continue };
            let (router, tls, stop) = (self.router.clone(), self.tls.clone(), stop.clone());
            let open = closed_sender.clone();
            tokio::spawn(async move {
                let _held = (permit, open);
                match tls {
                    None => serve_connection(stream, router, stop).await,
                    Some(tls) => {
                        if let Ok(Ok(stream)) =
                            tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await
                        {
                            serve_connection(stream, router, stop).await;
                        }
                    }
                }
            });
        }
        drop((self.socket, closed_sender));
        // Nothing is ever sent: this returns when the last connection drops its sender.
        let _ = closed.recv().await;
    }
}

async fn accept(
    socket: &TcpListener,
    connections: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, _)) => {
            // Responses are small, and waiting to fill a packet costs 40 ms.
            let _ = stream.set_nodelay(true);
            Some((stream, permit))
        }
        Err(error) => {
            // Most likely out of file descriptors, which is temporary.
            tracing::warn!(%error, "failed to accept a connection");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn serve_connection<S>(stream: S, router: Router, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE_TIMEOUT.max(IDLE_TIMEOUT))
        .keep_alive(true);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(IDLE_TIMEOUT).max_concurrent_streams(1024);
    let service = service_fn(move |request: Request<Incoming>| drain::call(router.clone(), request));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // Errors here are clients that disconnect.
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stopped| *stopped) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
