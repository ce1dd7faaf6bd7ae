//! A server's life: its doors open, its models follow their aliases, it drains.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use cupola_registry::Home;
use cupola_spec::{Jwt, Tls};
use tokio::sync::{Semaphore, watch};

use crate::audit::Audit;
use crate::catalog::{Catalog, Loader};
use crate::error::Error;
use crate::feedback::Kept;
use crate::jwt::Tokens;
use crate::keys::Keys;
use crate::listen::Door;
use crate::record::{Recorder, Sampling};
use crate::routes;
use crate::rows::{Intake, Keeper};
use crate::state::{Settings, Shared};
use crate::telemetry::Telemetry;
use crate::traces::Traces;

/// Where a server listens.
#[derive(Debug, Clone)]
pub struct Doors {
    /// HTTP, and gRPC on the same port.
    pub main: SocketAddr,
    /// gRPC alone.
    pub grpc: Option<SocketAddr>,
    /// Metrics, health and administration: these are then not to be had at the main door.
    pub admin: Option<SocketAddr>,
    /// Certificates of the main and the gRPC door.
    pub tls: Option<Tls>,
}

/// Addresses that a server got.
#[derive(Debug, Clone, Copy)]
pub struct Opened {
    /// HTTP.
    pub main: SocketAddr,
    /// gRPC alone.
    pub grpc: Option<SocketAddr>,
    /// Metrics and administration.
    pub admin: Option<SocketAddr>,
}

/// A server with its models.
pub struct Server {
    shared: Shared,
    jwt: Option<Jwt>,
    otlp: Option<String>,
}

impl Server {
    /// A server without models.
    pub fn new(home: Home, loader: Loader, settings: Settings) -> Self {
        let telemetry = Arc::new(Telemetry::new());
        let feedback = Kept(home.root().join("feedback"));
        let catalog = Catalog::new(home, loader, &settings, Arc::clone(&telemetry));
        Self {
            shared: Shared {
                catalog: Arc::new(catalog),
                settings,
                telemetry,
                draining: AtomicBool::new(false),
                leaving: AtomicBool::new(false),
                keys: Keys::open(),
                intake: None,
                audit: None,
                recorded: None,
                traces: None,
                feedback,
                apart: false,
            },
            jwt: None,
            otlp: None,
        }
    }

    /// Answers only those who have a key.
    #[must_use]
    pub fn with_keys(mut self, keys: Keys) -> Self {
        self.shared.keys = keys;
        self
    }

    /// Answers those too who have a token of an identity provider.
    #[must_use]
    pub fn with_tokens(mut self, jwt: Jwt) -> Self {
        self.jwt = Some(jwt);
        self
    }

    /// Sends traces to the collector at `http://HOST:4317`.
    #[must_use]
    pub fn with_traces(mut self, endpoint: String) -> Self {
        self.otlp = Some(endpoint);
        self
    }

    /// Takes rows for datasets.
    #[must_use]
    pub fn with_keeper(mut self, keeper: Arc<dyn Keeper>) -> Self {
        self.shared.intake = Some(Intake::new(keeper));
        self
    }

    /// Writes down who administers it.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn with_audit(mut self, path: &Path) -> Result<Self, Error> {
        self.shared.audit = Some(Audit::open(path)?);
        Ok(self)
    }

    /// Writes down a share of the requests to the rows' own path, with their answers.
    #[must_use]
    pub fn with_recorder(mut self, share: f64, recorder: Arc<dyn Recorder>) -> Self {
        self.shared.recorded = Some(Sampling { share, recorder });
        self
    }

    /// Its models, to load and unload them.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.shared.catalog)
    }

    /// What the main door answers, to be asked in this process: nobody listens, no alias is followed.
    pub fn router(self) -> Router {
        routes::main(&Arc::new(self.shared))
    }

    /// Answers until `stop` resolves, then says that it is not ready, refuses new work, finishes what it
    /// has begun and returns. `ready` hears the addresses once it listens.
    ///
    /// # Errors
    /// [`Error::Bind`], [`Error::Tls`], [`Error::Jwt`], [`Error::Otlp`].
    pub async fn run(
        mut self,
        doors: Doors,
        ready: impl FnOnce(Opened),
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        self.shared.apart = doors.admin.is_some();
        let tls = doors.tls.as_ref().map(crate::tls::acceptor).transpose()?;
        self.shared.traces = self.otlp.as_deref().map(Traces::open).transpose()?;
        let mut following = Vec::new();
        if let Some(jwt) = self.jwt {
            let tokens = Arc::new(Tokens::open(jwt).await?);
            self.shared.keys.also(Arc::clone(&tokens));
            following.push(tokio::spawn(tokens.follow()));
        }
        let shared = Arc::new(self.shared);
        let settings = shared.settings.clone();
        let main = Door::open(doors.main, tls.clone(), routes::main(&shared)).await?;
        let mut opened = Opened { main: main.address()?, grpc: None, admin: None };
        let mut all = vec![main];
        if let Some(address) = doors.grpc {
            let door = Door::open(address, tls, routes::grpc(&shared)).await?;
            opened.grpc = Some(door.address()?);
            all.push(door);
        }
        if let Some(address) = doors.admin {
            let door = Door::open(address, None, routes::admin(&shared)).await?;
            opened.admin = Some(door.address()?);
            all.push(door);
        }
        ready(opened);
        let (stopped, told) = watch::channel(false);
        let connections = Arc::new(Semaphore::new(settings.connections));
        let serving: Vec<_> = all
            .into_iter()
            .map(|door| tokio::spawn(door.serve(Arc::clone(&connections), told.clone())))
            .collect();
        following.push(tokio::spawn(follow(Arc::clone(&shared.catalog), settings.poll)));
        stop.await;
        // Readiness goes first: whoever balances load has time to look elsewhere.
        shared.leaving.store(true, Ordering::Release);
        tokio::time::sleep(settings.lame_duck).await;
        shared.draining.store(true, Ordering::Release);
        let _ = stopped.send(true);
        following.iter().for_each(tokio::task::JoinHandle::abort);
        let done = async {
            for door in serving {
                let _ = door.await;
            }
        };
        let _ = tokio::time::timeout(settings.drain, done).await;
        Ok(())
    }
}

/// Looks for aliases that have moved, again and again.
async fn follow(catalog: Arc<Catalog>, pause: std::time::Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let catalog = Arc::clone(&catalog);
        let _ = tokio::task::spawn_blocking(move || catalog.refresh()).await;
    }
}
