//! `cupola serve`: published models over HTTP and gRPC.

mod adapters;
mod descriptors;
mod settings;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use cupola_datasets::{Datasets, IngestLog};
use cupola_http::{BoundAddresses, ListenConfig, Server, ServerSettings};
use cupola_registry::Home;
use cupola_runtime::Predictor;
use cupola_serving::access::{KeyFile, KeyRing};
use cupola_serving::{Catalog, GpuCards, Loader, Pseudonyms, RecordPrivacy, RecordSampler};
use cupola_spec::{Notify, Serve};
use cupola_workflow::Silent;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::adapters::{DatasetSink, JournalRecorder};
use self::descriptors::connection_cap;
use self::settings::{settings, spec};
use crate::args::ServeArgs;
use crate::commands::session;
use crate::draw::Ui;
use crate::failure::{ErrorCode, UserError};

/// Signal of a write beyond the largest size of a file, on Linux and macOS.
const SIGXFSZ: i32 = 25;

/// Exit code of a process that a signal ended, less the number of the signal.
const EXIT_OF_SIGNALS: i32 = 128;
/// File in the home with the key of the pseudonyms in the prediction log.
const LOG_KEY: &str = "log.key";
/// Time for work on other threads to end after the last request.
const LAST_WORK: Duration = Duration::from_secs(10);

pub fn run(home: &Home, ui: Ui, args: &ServeArgs) -> Result<()> {
    if let Some(url) = &args.health {
        cupola_http::check_ready(url)?;
        ui.line(format!("ready   {url}"));
        return Ok(());
    }
    let device = session(home, &Silent).open_device(args.device.device)?;
    ui.line(format!("device  {device}"));
    let spec = spec(args)?;
    let keys = KeyRing::from_file(key_file(home, args)?)?;
    check(home, args, &spec, &keys)?;
    let cards = device.is_gpu().then(|| GpuCards::at(device.pci_address().as_deref()));
    let engine = args.engine;
    let loader: Loader = Arc::new(move |package| Predictor::load(package, engine, &device));
    let cap = connection_cap(args.connections);
    if let Some(limit) = cap.lowered_by {
        let connections = cap.connections;
        ui.line(format!(
            "note    {connections} connections at once: the process may have {limit} files open"
        ));
    }
    let settings = settings(args, &spec, cap.connections)?;
    let server = server(home, settings, &spec, keys, loader, ui)?;
    let server = with_telemetry(server, args, cards);
    let catalog = server.catalog();
    let names = load(&spec, &catalog, ui)?;
    server.check_alerts(&spec)?;
    show_alerts(ui, &spec);
    let at = |port: u16| SocketAddr::new(args.host, port);
    let listen = ListenConfig {
        main: at(args.port),
        grpc: args.grpc_port.map(at),
        admin: args.admin_port.map(at),
        tls: spec.tls.clone(),
    };
    let scheme = if spec.tls.is_some() { "https" } else { "http" };
    let ready = |bound: BoundAddresses| show_ready(ui, scheme, &bound, names.first());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let hangup = signal(SignalKind::hangup())?;
        // With a handler, a file that reaches the limit of its size is an error of the write and not the end.
        let _file_size = signal(SignalKind::from_raw(SIGXFSZ))?;
        tokio::spawn(reload_on(hangup, args.clone(), Arc::clone(&catalog), ui));
        let stop = async move {
            stop_signal(&mut term, &mut int).await;
            ui.line("draining: no new requests are taken, open ones are finished; a second signal ends them");
            tokio::spawn(async move {
                let signal = stop_signal(&mut term, &mut int).await;
                std::process::exit(EXIT_OF_SIGNALS + signal);
            });
        };
        Ok(server.run(listen, ready, stop).await?)
    });
    // A blocked thread must not keep a process that has drained.
    runtime.shutdown_timeout(LAST_WORK);
    done
}

/// Waits for SIGTERM or SIGINT, and returns its number.
async fn stop_signal(term: &mut Signal, int: &mut Signal) -> i32 {
    tokio::select! {
        _ = term.recv() => SignalKind::terminate().as_raw_value(),
        _ = int.recv() => SignalKind::interrupt().as_raw_value(),
    }
}

/// File of `--keys`, which must exist, or that of the home, which may be missing.
fn key_file(home: &Home, args: &ServeArgs) -> Result<KeyFile> {
    let Some(path) = &args.keys else { return Ok(KeyFile::new(home.root())) };
    if let Err(error) = std::fs::metadata(path) {
        return Err(
            UserError::new(format!("failed to read {}: {error}", path.display()), "check --keys").into()
        );
    }
    Ok(KeyFile::at(path.clone()))
}

/// Refuses to serve nothing, and to serve other machines without keys.
fn check(home: &Home, args: &ServeArgs, spec: &Serve, keys: &KeyRing) -> Result<()> {
    if !args.host.is_loopback() && keys.is_empty() && spec.jwt.is_none() && !args.open {
        let message = format!("{} can be reached by other machines, and there are no keys", args.host);
        let hint = "create a key with `cupola keys add --name NAME --scope predict`, or pass --open";
        return Err(UserError::new(message, hint).into());
    }
    if spec.models.is_empty() && Datasets::new(home.root()).names().is_empty() {
        return Err(UserError::new("nothing to serve", "name a model with --model").into());
    }
    Ok(())
}

/// Sends traces, if the options name a collector, and shows the figures of the cards that models run on.
fn with_telemetry(server: Server, args: &ServeArgs, cards: Option<GpuCards>) -> Server {
    let server = match cards {
        Some(cards) => server.with_gpu(cards),
        None => server,
    };
    match args.otlp.as_deref().filter(|endpoint| !endpoint.is_empty()) {
        Some(endpoint) => server.with_traces(endpoint.to_owned()),
        None => server,
    }
}

fn server(
    home: &Home,
    settings: ServerSettings,
    spec: &Serve,
    keys: KeyRing,
    loader: Loader,
    ui: Ui,
) -> Result<Server> {
    let mut server = Server::new(home.clone(), loader, settings)
        .with_keys(keys)
        .with_row_sink(Arc::new(DatasetSink(IngestLog::new(home.root()))))
        .with_audit(&home.root().join("audit.jsonl"))?
        .with_alerts(spec, home.root().join("alerts.json"))?;
    if let Some(log) = &spec.log {
        let pseudonyms =
            if log.hash.is_empty() { None } else { Some(Pseudonyms::open(&home.root().join(LOG_KEY))?) };
        let privacy = RecordPrivacy { drop: log.drop.clone(), hash: log.hash.clone(), pseudonyms };
        let recorder = JournalRecorder::new(home.root(), log, ui)?;
        server = server.with_recorder(RecordSampler::new(log.share, privacy, Arc::new(recorder)));
    }
    if let Some(log) = spec.monitor.performance_log.as_ref().filter(|_| spec.monitor.enabled) {
        let interval = Duration::from_secs(u64::from(log.seconds));
        server = server.with_performance_log(home.root().join(&log.folder), interval, log.keep_days);
    }
    if let Some(jwt) = &spec.jwt {
        server = server.with_tokens(jwt.clone());
    }
    if let Some(limits) = &spec.limits {
        server = server.with_shared_limits(limits.clone());
    }
    Ok(server)
}

/// Shows how many rules are checked, and where their notifications go.
fn show_alerts(ui: Ui, spec: &Serve) {
    let rules = spec.alert_rules.len();
    if rules > 0 {
        let receivers: Vec<&str> = spec.notify.iter().map(Notify::name).collect();
        let to = if receivers.is_empty() { "GET /v1/alerts".to_owned() } else { receivers.join(", ") };
        ui.line(format!("alerts  {rules} rules, told to {to}"));
    }
}

/// Address that a client of this host can ask: `localhost` in place of one that stands for all interfaces.
fn reachable(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("localhost:{}", address.port()) } else { address.to_string() }
}

fn show_ready(ui: Ui, scheme: &str, bound: &BoundAddresses, first: Option<&String>) {
    let address = bound.main;
    ui.line(format!("ready   {scheme}://{address}"));
    if let Some(grpc) = bound.grpc {
        ui.line(format!("grpc    {grpc}"));
    }
    if let Some(admin) = bound.admin {
        ui.line(format!("admin   {scheme}://{admin}"));
    }
    let path = first.map_or("models".to_owned(), |name| format!("models/{name}"));
    ui.line(format!("next    curl -s {scheme}://{}/v1/{path}", reachable(address)));
}

/// Loads all models, shows them and returns their names.
fn load(spec: &Serve, catalog: &Catalog, ui: Ui) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for model in &spec.models {
        let name = catalog.configure(model)?;
        for line in catalog.summary(&name).unwrap_or_default() {
            ui.line(format!("model   {line}"));
        }
        names.push(name);
    }
    Ok(names)
}

/// Reloads the config on every SIGHUP. An invalid config is reported and changes nothing.
async fn reload_on(mut hangup: Signal, args: ServeArgs, catalog: Arc<Catalog>, ui: Ui) {
    while hangup.recv().await.is_some() {
        let (args, catalog) = (args.clone(), Arc::clone(&catalog));
        let done = tokio::task::spawn_blocking(move || reload(&args, &catalog, ui)).await;
        if let Ok(Err(error)) = done {
            ui.error(&error, ErrorCode::of(&error));
        }
    }
}

fn reload(args: &ServeArgs, catalog: &Catalog, ui: Ui) -> Result<()> {
    let loaded = load(&spec(args)?, catalog, ui)?;
    for name in catalog.names().iter().filter(|name| !loaded.contains(name)) {
        catalog.unload(name);
        ui.line(format!("unload  {name}"));
    }
    Ok(())
}
