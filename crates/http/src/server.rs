//! Life of a server: it listens, follows aliases, and drains.

mod activity;
mod connection;
mod connections;
mod drain;
mod listener;
mod patience;
mod receiver;
mod response;
mod settings;
mod socket;
mod stream;
mod tls;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use cupola_budget::Accounts;
use cupola_registry::Home;
use cupola_serving::access::{AccessControl, KeyRing, TokenVerifier};
use cupola_serving::notify::{AlertWatch, check_drift_columns};
use cupola_serving::{
    Catalog, FeedbackLog, GpuCards, Lifecycle, Loader, OutcomeJoin, Pipeline, RecordSampler, RowIntake,
    RowSink, Telemetry, TraceExporter,
};
use cupola_spec::{Jwt, RateLimits, Serve};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use self::activity::ConnectionLimits;
use self::connections::ConnectionTable;
use self::listener::Listener;
pub use self::receiver::{AlertReceiver, AlertSink, ReceivedAlert, SenderProof};
pub use self::settings::{BoundAddresses, ListenConfig, ServerSettings};
use crate::error::Error;
use crate::ops::PerformanceFiles;
use crate::routes::{self, PageRules};
use crate::state::{EndlessStreams, RequestLimits, ServerState};

/// Longest wait for the audit log at shutdown.
const AUDIT_FLUSH: Duration = Duration::from_secs(2);

/// A server with its models.
pub struct Server {
    settings: ServerSettings,
    catalog: Arc<Catalog>,
    telemetry: Arc<Telemetry>,
    access: AccessControl,
    feedback: FeedbackLog,
    intake: Option<Arc<RowIntake>>,
    alerts: Option<Arc<AlertWatch>>,
    /// `true` to compare predictions with feedback.
    compares: bool,
    sampler: Option<RecordSampler>,
    performance: Option<PerformanceFiles>,
    jwt: Option<Jwt>,
    /// Store in which replicas count requests together.
    shared_limits: Option<RateLimits>,
    otlp: Option<String>,
}

impl Server {
    /// Server without models, open to everybody.
    pub fn new(home: Home, loader: Loader, settings: ServerSettings) -> Self {
        let telemetry = Arc::new(Telemetry::monitoring(settings.monitor.clone()));
        let feedback = FeedbackLog::new(home.root().join("feedback"));
        let (limits, trusted) = (settings.limits, settings.trusted.clone());
        let catalog =
            Catalog::new(home, loader, limits, trusted, Arc::clone(&telemetry)).following(settings.follow);
        Self {
            settings,
            catalog: Arc::new(catalog),
            telemetry,
            access: AccessControl::new(KeyRing::open()),
            feedback,
            intake: None,
            alerts: None,
            compares: false,
            sampler: None,
            performance: None,
            jwt: None,
            shared_limits: None,
            otlp: None,
        }
    }

    /// Requires keys.
    #[must_use]
    pub fn with_keys(mut self, keys: KeyRing) -> Self {
        self.access.set_keys(keys);
        self
    }

    /// Accepts tokens of an identity provider too.
    #[must_use]
    pub fn with_tokens(mut self, jwt: Jwt) -> Self {
        self.jwt = Some(jwt);
        self
    }

    /// Counts the requests of each key together with other servers.
    #[must_use]
    pub fn with_shared_limits(mut self, limits: RateLimits) -> Self {
        self.shared_limits = Some(limits);
        self
    }

    /// Exports traces to the collector at `http://HOST:4317`.
    #[must_use]
    pub fn with_traces(mut self, endpoint: String) -> Self {
        self.otlp = Some(endpoint);
        self
    }

    /// Accepts rows for datasets.
    #[must_use]
    pub fn with_row_sink(mut self, sink: Arc<dyn RowSink>) -> Self {
        self.intake = Some(Arc::new(RowIntake::new(sink)));
        self
    }

    /// Logs administrative and refused calls.
    ///
    /// # Errors
    /// [`Error::Serving`] if the file cannot be opened.
    pub fn with_audit(mut self, path: &Path) -> Result<Self, Error> {
        self.access.set_audit(path)?;
        Ok(self)
    }

    /// Records a sample of the predictions of the native protocol.
    #[must_use]
    pub fn with_recorder(mut self, sampler: RecordSampler) -> Self {
        self.sampler = Some(sampler);
        self
    }

    /// Logs the performance of each version to a folder, and compares predictions with feedback for it. Monitoring has to be
    /// on.
    #[must_use]
    pub fn with_performance_log(mut self, folder: PathBuf, interval: Duration, keep_days: u32) -> Self {
        self.performance = Some(PerformanceFiles { folder, interval, keep_days });
        self.compares = true;
        self
    }

    /// Shows the figures of the GPUs that models run on, in the metrics and the performance log.
    #[must_use]
    pub fn with_gpu(self, cards: GpuCards) -> Self {
        self.telemetry.watch_gpu(cards);
        self
    }

    /// Checks the rules of `[[alert]]` and notifies the receivers of `[[notify]]`. `file` keeps the states of alerts.
    ///
    /// # Errors
    /// [`Error::Serving`] for an invalid rule or receiver.
    pub fn with_alerts(mut self, spec: &Serve, file: PathBuf) -> Result<Self, Error> {
        if !spec.alert_rules.is_empty() {
            let watch = AlertWatch::open(spec, file, self.telemetry.alert_metrics())?;
            self.alerts = Some(Arc::new(watch));
            self.compares |= spec.alert_rules.iter().any(|alert| alert.when.needs_outcomes());
        }
        Ok(self)
    }

    /// Checks that the rules of drift and the statistics of `[monitor]` fit columns of the loaded models.
    ///
    /// # Errors
    /// [`Error::Serving`] for a column that no loaded model has, or whose values its statistic does not compare.
    pub fn check_alerts(&self, spec: &Serve) -> Result<(), Error> {
        Ok(check_drift_columns(spec, &self.telemetry)?)
    }

    /// Models of the server, to load and unload them.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog)
    }

    /// Router of the main listener, for requests within this process. It does not listen, and follows no
    /// aliases.
    pub fn router(self) -> Router {
        let origins = self.settings.cors.clone();
        let pages = PageRules { origins: &origins, hosts: &[], address: None };
        routes::main(&self.into_state(None), true, pages)
    }

    /// Serves until `stop` resolves, then reports that it is not ready, refuses new requests, completes the open
    /// ones and returns. `ready` gets the addresses once it listens.
    ///
    /// # Errors
    /// [`Error::Bind`], [`Error::Tls`], and [`Error::Serving`] for tokens, shared limits and traces.
    pub async fn run(
        mut self,
        listen: ListenConfig,
        ready: impl FnOnce(BoundAddresses),
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        let acceptor = listen.tls.as_ref().map(tls::acceptor).transpose()?;
        let traces = self.otlp.as_deref().map(TraceExporter::open).transpose()?;
        let mut background = Vec::new();
        if let Some(jwt) = self.jwt.take() {
            let tokens = Arc::new(TokenVerifier::open(jwt).await?);
            self.access.set_tokens(Arc::clone(&tokens));
            background.push(tokio::spawn(tokens.keep_fresh()));
        }
        let (settings, performance) = (self.settings.clone(), self.performance.take());
        let (stop_sender, stopped) = watch::channel(false);
        let limits = self.share_limits(stopped.clone()).await?;
        let state = self.into_state(traces);
        let (listeners, bound) = bind(&state, &settings, &listen, acceptor).await?;
        ready(bound);
        let serving: Vec<_> =
            listeners.into_iter().map(|listener| tokio::spawn(listener.serve(stopped.clone()))).collect();
        background.push(tokio::spawn(follow_aliases(Arc::clone(&state.catalog), settings.poll)));
        background.extend(watch_alerts(&state));
        let performance = performance.map(|files| files.start(&state));
        stop.await;
        // Load balancers need time to notice that the server is not ready.
        state.lifecycle.leave();
        tokio::time::sleep(settings.lame_duck).await;
        state.lifecycle.drain();
        let _ = stop_sender.send(true);
        background.iter().for_each(JoinHandle::abort);
        let closed = async {
            for task in serving.into_iter().chain(limits) {
                let _ = task.await;
            }
        };
        let _ = tokio::time::timeout(settings.drain, closed).await;
        if let Some(performance) = performance {
            performance.finish().await;
        }
        if let Some(alerts) = state.alerts {
            let _ = tokio::task::spawn_blocking(move || alerts.write()).await;
        }
        if let Some(audit) = state.access.audit() {
            audit.flush(AUDIT_FLUSH);
        }
        Ok(())
    }

    /// Starts to exchange the use of keys with other servers, if the config names a store for it.
    async fn share_limits(
        &mut self,
        stopped: watch::Receiver<bool>,
    ) -> Result<Option<JoinHandle<()>>, Error> {
        let Some(spec) = self.shared_limits.take() else { return Ok(None) };
        let mut limits = self.access.share_limits(&spec, self.telemetry.limit_metrics())?;
        limits.join().await;
        Ok(Some(tokio::spawn(limits.run(stopped))))
    }

    fn into_state(self, traces: Option<TraceExporter>) -> ServerState {
        let lifecycle = Arc::new(Lifecycle::default());
        let telemetry = self.telemetry;
        let mut pipeline =
            Pipeline::new(Arc::clone(&self.catalog), Arc::clone(&lifecycle), Arc::clone(&telemetry));
        if let Some(traces) = traces {
            pipeline.set_traces(traces);
        }
        if let Some(sampler) = self.sampler {
            pipeline.set_sampler(sampler);
        }
        if self.compares {
            pipeline.set_outcomes(OutcomeJoin::new(telemetry.outcome_metrics()));
        }
        ServerState {
            catalog: self.catalog,
            pipeline: Arc::new(pipeline),
            telemetry,
            lifecycle,
            access: Arc::new(self.access),
            feedback: Arc::new(self.feedback),
            intake: self.intake,
            alerts: self.alerts,
            limits: RequestLimits {
                body_bytes: self.settings.body_bytes,
                timeout: self.settings.timeout,
                strict: self.settings.strict,
            },
            accounts: Accounts::new(self.settings.memory),
            streams: EndlessStreams::default(),
        }
    }
}

/// Connections of the administrative listener. They are apart from the others, which cannot shut it out.
const ADMIN_CONNECTIONS: usize = 64;

/// Binds all listeners before any of them accepts a connection.
async fn bind(
    state: &ServerState,
    settings: &ServerSettings,
    listen: &ListenConfig,
    acceptor: Option<TlsAcceptor>,
) -> Result<(Vec<Listener>, BoundAddresses), Error> {
    let ServerSettings { head_timeout: head, idle_timeout: idle, write_timeout: write, .. } = *settings;
    let limits = ConnectionLimits { head, idle, write };
    let table = ConnectionTable::new(settings.connections, settings.address_connections);
    let pages = PageRules { origins: &settings.cors, hosts: &settings.hosts, address: None };
    let everything = listen.admin.is_none();
    let mut listeners = Vec::new();
    let mut add = |socket: TcpListener, router, table: &Arc<ConnectionTable>| {
        let address = socket.local_addr()?;
        listeners.push(Listener::new(socket, acceptor.clone(), router, Arc::clone(table), limits));
        Ok::<_, Error>(address)
    };
    let socket = Listener::bind(listen.main).await?;
    let main = add(socket, routes::main(state, everything, pages.at(listen.main)), &table)?;
    let mut bound = BoundAddresses { main, grpc: None, admin: None };
    if let Some(address) = listen.grpc {
        let socket = Listener::bind(address).await?;
        bound.grpc = Some(add(socket, routes::grpc(state, everything, pages.at(address)), &table)?);
    }
    if let Some(address) = listen.admin {
        let socket = Listener::bind(address).await?;
        let table = ConnectionTable::new(ADMIN_CONNECTIONS, None);
        bound.admin = Some(add(socket, routes::admin(state, pages.at(address)), &table)?);
    }
    Ok((listeners, bound))
}

/// Checks the rules of alerts on the server's own metrics, periodically.
fn watch_alerts(state: &ServerState) -> Option<JoinHandle<()>> {
    let alerts = state.alerts.clone()?;
    let catalog = Arc::clone(&state.catalog);
    Some(tokio::spawn(alerts.run(Arc::new(move || catalog.metrics_text()))))
}

/// Looks for aliases that have moved, periodically.
async fn follow_aliases(catalog: Arc<Catalog>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let catalog = Arc::clone(&catalog);
        let _ = tokio::task::spawn_blocking(move || catalog.refresh()).await;
    }
}
