//! A server: its models, its settings, its life from listening to drained.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cupola_infer::{EngineReport, Predictor};
use cupola_prep::{Plan, Signature};
use cupola_registry::Manifest;
use tokio::net::TcpListener;

use crate::batcher::{Batcher, Limits};
use crate::error::Error;
use crate::routes;
use crate::telemetry::{ModelMetrics, Telemetry};

/// What an operator sets.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Queue and batch.
    pub limits: Limits,
    /// Largest body in bytes.
    pub body_bytes: usize,
    /// Longest time a request may take.
    pub timeout: Duration,
    /// Longest time to wait for open requests after a signal.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits { queue: 256, batch_rows: 64 },
            body_bytes: 16 << 20,
            timeout: Duration::from_secs(30),
            drain: Duration::from_secs(30),
        }
    }
}

/// A model that is served.
pub struct Model {
    pub(crate) manifest: Manifest,
    pub(crate) plan: Plan,
    pub(crate) signature: Signature,
    pub(crate) report: EngineReport,
    pub(crate) batcher: Batcher,
    pub(crate) metrics: ModelMetrics,
}

/// What every request handler sees.
pub(crate) struct Shared {
    pub models: BTreeMap<String, Model>,
    pub settings: Settings,
    pub telemetry: Telemetry,
    pub draining: AtomicBool,
}

/// A server with its models loaded.
pub struct Server {
    shared: Shared,
}

impl Server {
    /// A server without models.
    pub fn new(settings: Settings) -> Self {
        Self {
            shared: Shared {
                models: BTreeMap::new(),
                settings,
                telemetry: Telemetry::new(),
                draining: AtomicBool::new(false),
            },
        }
    }

    /// Adds a model and starts its engine thread.
    ///
    /// # Errors
    /// [`Error::Twice`] for a name that is served already.
    pub fn add(&mut self, manifest: Manifest, predictor: Predictor) -> Result<(), Error> {
        let name = manifest.name.clone();
        if self.shared.models.contains_key(&name) {
            return Err(Error::Twice { name });
        }
        let metrics = self.shared.telemetry.model(&name, manifest.version);
        let model = Model {
            plan: predictor.plan.clone(),
            signature: predictor.signature.clone(),
            report: predictor.report.clone(),
            batcher: Batcher::start(&name, predictor, self.shared.settings.limits, metrics.clone())?,
            manifest,
            metrics,
        };
        self.shared.models.insert(name, model);
        Ok(())
    }

    /// Answers until `stop` resolves, then refuses new work, finishes what it has begun and
    /// returns. `ready` hears the address once it listens.
    ///
    /// # Errors
    /// [`Error::Bind`].
    pub async fn run(
        self,
        address: SocketAddr,
        ready: impl FnOnce(SocketAddr),
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        let bind = |source| Error::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        ready(listener.local_addr().map_err(bind)?);
        let drain = self.shared.settings.drain;
        let shared = Arc::new(self.shared);
        let (stopped, mut told) = tokio::sync::watch::channel(false);
        let flag = Arc::clone(&shared);
        let signal = async move {
            stop.await;
            flag.draining.store(true, Ordering::Release);
            let _ = stopped.send(true);
        };
        let serving = axum::serve(listener, routes::router(shared)).with_graceful_shutdown(signal);
        let late = async move {
            if told.wait_for(|stopped| *stopped).await.is_ok() {
                tokio::time::sleep(drain).await;
            }
        };
        tokio::select! {
            done = serving => Ok(done?),
            () = late => Ok(()),
        }
    }
}
