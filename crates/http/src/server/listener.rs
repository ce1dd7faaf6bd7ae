//! Listeners: they accept connections as the table has room for them, until the server stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::activity::ConnectionLimits;
use super::connection::Connection;
use super::connections::ConnectionTable;
use super::socket::TimedSocket;
use crate::error::Error;

/// Idle connections that are closed when the process is out of file descriptors.
const SHED: usize = 8;
/// Wait after a failed accept. Out of descriptors, the loop would otherwise spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Interval at which failed accepts are logged.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Listening socket with its routes.
pub(crate) struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    table: Arc<ConnectionTable>,
    limits: ConnectionLimits,
}

impl Listener {
    /// Binds an address.
    ///
    /// # Errors
    /// [`Error::Bind`].
    pub async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
        TcpListener::bind(address).await.map_err(|source| Error::Bind { address, source })
    }

    /// Listener for the connections of a bound socket.
    pub fn new(
        socket: TcpListener,
        tls: Option<TlsAcceptor>,
        router: Router,
        table: Arc<ConnectionTable>,
        limits: ConnectionLimits,
    ) -> Self {
        Self { socket, tls, router, table, limits }
    }

    /// Accepts connections until `stop` becomes `true`; returns when all of them are closed.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        let (closed_sender, mut closed) = mpsc::channel::<()>(1);
        let mut trouble = AcceptTrouble::default();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stopped| *stopped) => break,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => self.open(stream, address, &stop, &closed_sender),
                Err(error) => trouble.handle(&error, &self.table).await,
            }
        }
        drop((self.socket, closed_sender));
        // Nothing is ever sent: this returns when the last connection drops its sender.
        let _ = closed.recv().await;
    }

    /// Serves a connection in a task of its own, or closes it if there is no room for it.
    fn open(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        stop: &watch::Receiver<bool>,
        open: &mpsc::Sender<()>,
    ) {
        let Some(slot) = self.table.admit(address.ip()) else { return };
        // Responses are small, and waiting to fill a packet costs 40 ms.
        let _ = stream.set_nodelay(true);
        let socket = TimedSocket::new(stream, Arc::clone(&slot.activity), self.limits.write);
        let connection = Connection::new(slot, self.router.clone(), self.limits, stop.clone());
        let (tls, open) = (self.tls.clone(), open.clone());
        tokio::spawn(async move {
            let _open = open;
            match tls {
                None => connection.serve(socket).await,
                Some(tls) => connection.serve_tls(socket, tls).await,
            }
        });
    }
}

/// Failures to accept a connection, and the time when one was last logged.
#[derive(Default)]
struct AcceptTrouble(Option<Instant>);

impl AcceptTrouble {
    /// Makes room and waits, unless only the client has gone.
    async fn handle(&mut self, error: &std::io::Error, table: &ConnectionTable) {
        use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return;
        }
        // Most likely out of file descriptors.
        table.shed(SHED);
        if self.0.is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL) {
            self.0 = Some(Instant::now());
            tracing::warn!(%error, "failed to accept a connection; idle ones are closed");
        }
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
