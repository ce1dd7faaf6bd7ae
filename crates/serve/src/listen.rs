//! Connections: accepted up to a cap, each with time limits of its own, all ended in good order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::Service;

use crate::error::Error;

/// How long a client may take for its hello and for the head of a request.
const SLOW: Duration = Duration::from_secs(10);
/// How long a connection may be idle between requests.
const IDLE: Duration = Duration::from_secs(75);

/// A door of the server.
pub(crate) struct Door {
    pub listener: TcpListener,
    pub tls: Option<TlsAcceptor>,
    pub router: Router,
}

impl Door {
    /// Opens a door.
    ///
    /// # Errors
    /// [`Error::Bind`].
    pub async fn open(address: SocketAddr, tls: Option<TlsAcceptor>, router: Router) -> Result<Self, Error> {
        let listener = TcpListener::bind(address).await.map_err(|source| Error::Bind { address, source })?;
        Ok(Self { listener, tls, router })
    }

    /// Where it is.
    pub fn address(&self) -> Result<SocketAddr, Error> {
        Ok(self.listener.local_addr()?)
    }

    /// Lets clients in until `stop` says so; returns when all of them have gone. A client beyond the cap
    /// waits in the system's queue.
    pub async fn serve(self, connections: Arc<Semaphore>, mut stop: watch::Receiver<bool>) {
        let (all_gone, mut gone) = tokio::sync::mpsc::channel::<()>(1);
        loop {
            let stream = tokio::select! {
                biased;
                _ = stop.wait_for(|stopped| *stopped) => break,
                stream = accept(&self.listener, &connections) => stream,
            };
            let Some((stream, permit)) = stream else { continue };
            let (router, tls, stop) = (self.router.clone(), self.tls.clone(), stop.clone());
            let here = all_gone.clone();
            tokio::spawn(async move {
                let _held = (permit, here);
                match tls {
                    None => talk(stream, router, stop).await,
                    Some(tls) => {
                        if let Ok(Ok(stream)) = tokio::time::timeout(SLOW, tls.accept(stream)).await {
                            talk(stream, router, stop).await;
                        }
                    }
                }
            });
        }
        drop((self.listener, all_gone));
        // Nothing is ever sent: it ends when the last connection drops its end.
        let _ = gone.recv().await;
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are small, and waiting to fill a packet costs 40 ms.
            let _ = stream.set_nodelay(true);
            Some((stream, permit))
        }
        Err(error) => {
            // Out of file descriptors, most likely: it passes.
            tracing::warn!(%error, "a connection was not accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn talk<S>(stream: S, router: Router, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(SLOW.max(IDLE)).keep_alive(true);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(IDLE).max_concurrent_streams(1024);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        async move { router.call(request.map(Body::new)).await }
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // A client that breaks off is no news.
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stopped| *stopped) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
