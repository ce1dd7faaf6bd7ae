//! `cupola serve`

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use cupola_datasets::{Datasets, IngestError, IngestLog, JournalEntry, PredictionJournal};
use cupola_http::{BoundAddresses, ListenConfig, Server, ServerSettings};
use cupola_registry::Home;
use cupola_runtime::Predictor;
use cupola_serving::access::{KeyFile, KeyRing};
use cupola_serving::{
    Catalog, Loader, PredictionRecord, PredictionRecorder, PushError, RowSink, SchedulerLimits,
};
use cupola_spec::{Serve, ServedModel, parse_serve};
use cupola_workflow::{Silent, machine_memory};
use serde_json::{Map, Value};
use tokio::signal::unix::{SignalKind, signal};

use super::session;
use crate::args::ServeArgs;
use crate::draw::Ui;
use crate::failure::UserError;

/// Rows go to the datasets of the home.
struct Intake(IngestLog);

impl RowSink for Intake {
    fn push(&self, dataset: &str, rows: &[Map<String, Value>]) -> Result<usize, PushError> {
        self.0.push(dataset, rows).map_err(|error| match error {
            IngestError::Unknown(error) => PushError::UnknownDataset(error.to_string()),
            IngestError::Row { row, column, why } => PushError::Row { row, column, why },
            IngestError::Failed(error) => PushError::Failed(error.to_string()),
        })
    }
}

/// Requests are written down in Parquet files.
struct Written(PredictionJournal);

impl PredictionRecorder for Written {
    fn record(&self, record: PredictionRecord) {
        let time = jiff::Timestamp::now().as_millisecond();
        let PredictionRecord { request, model, version, row, prediction } = record;
        self.0.push(JournalEntry { time, request, model, version, row, answer: prediction });
    }
}

pub fn run(home: &Home, ui: Ui, args: &ServeArgs) -> Result<()> {
    let device = session(home, &Silent).open_device(args.device.device)?;
    ui.line(format!("device  {device}"));
    let spec = spec(args)?;
    let keys = KeyRing::from_file(KeyFile::new(home.root()))?;
    let reachable = !args.host.is_loopback();
    if reachable && keys.is_empty() && spec.jwt.is_none() && !args.open {
        let message = format!("{} can be reached by other machines, and there are no keys", args.host);
        let hint = "create a key with `cupola keys add --name NAME --scope predict`, or pass --open";
        return Err(UserError::new(message, hint).into());
    }
    if spec.models.is_empty() && Datasets::new(home.root()).names().is_empty() {
        return Err(UserError::new("nothing to serve", "name a model with --model").into());
    }
    let engine = args.engine;
    let loader: Loader = Arc::new(move |package| Predictor::load(package, engine, &device));
    let mut server = Server::new(home.clone(), loader, settings(args, &spec))
        .with_keys(keys)
        .with_row_sink(Arc::new(Intake(IngestLog::new(home.root()))))
        .with_audit(&home.root().join("audit.jsonl"))?;
    if let Some(log) = &spec.log {
        let journal = PredictionJournal::new(&home.root().join(&log.folder))?;
        server = server.with_recorder(log.share, Arc::new(Written(journal)));
    }
    if let Some(jwt) = &spec.jwt {
        server = server.with_tokens(jwt.clone());
    }
    if let Some(endpoint) = args.otlp.as_deref().filter(|endpoint| !endpoint.is_empty()) {
        server = server.with_traces(endpoint.to_owned());
    }
    let catalog = server.catalog();
    let names = load(&spec, &catalog, ui)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let at = |port: u16| SocketAddr::new(args.host, port);
    let listen = ListenConfig {
        main: at(args.port),
        grpc: args.grpc_port.map(at),
        admin: args.admin_port.map(at),
        tls: spec.tls.clone(),
    };
    let scheme = if spec.tls.is_some() { "https" } else { "http" };
    let ready = |opened: BoundAddresses| {
        let address = opened.main;
        ui.line(format!("ready   {scheme}://{address}"));
        if let Some(grpc) = opened.grpc {
            ui.line(format!("grpc    {grpc}"));
        }
        if let Some(admin) = opened.admin {
            ui.line(format!("admin   http://{admin}"));
        }
        let next = names.first().map_or("models".to_owned(), |name| format!("models/{name}"));
        ui.line(format!("next    curl -s {scheme}://{address}/v1/{next}"));
    };
    runtime.block_on(async {
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let hangup = signal(SignalKind::hangup())?;
        tokio::spawn(reloads(hangup, args.clone(), Arc::clone(&catalog), ui));
        let stop = async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            ui.line("draining: no new work, open requests are finished");
        };
        Ok(server.run(listen, ready, stop).await?)
    })
}

fn settings(args: &ServeArgs, spec: &Serve) -> ServerSettings {
    ServerSettings {
        limits: SchedulerLimits {
            queue: args.queue as usize,
            batch_rows: args.batch_rows as usize,
            replicas: args.replicas as usize,
            kv_cache_bytes: kv_cache_bytes(args, spec),
        },
        body_bytes: (args.body_mib as usize) << 20,
        timeout: Duration::from_secs(u64::from(args.timeout)),
        lame_duck: Duration::from_secs(u64::from(args.lame_duck)),
        connections: args.connections as usize,
        cors: spec.cors.clone(),
        trusted: spec.trusted.clone(),
        ..ServerSettings::default()
    }
}

/// What is asked for, or a quarter of the memory, shared out among the engines.
fn kv_cache_bytes(args: &ServeArgs, spec: &Serve) -> usize {
    if let Some(mib) = args.kv_mib {
        return (mib as usize) << 20;
    }
    let quarter = usize::try_from(machine_memory() / 4).unwrap_or(usize::MAX);
    quarter / (spec.models.len().max(1) * args.replicas as usize)
}

/// What the config says, then what the command line names.
fn spec(args: &ServeArgs) -> Result<Serve> {
    let mut spec = match &args.config {
        None => Serve::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| UserError::config(path, &error))?;
            parse_serve(&path.to_string_lossy(), &text)?
        }
    };
    let named =
        args.models.iter().map(|serve| ServedModel { serve: serve.clone(), canary: None, shadow: None });
    spec.models.extend(named);
    let mut names: Vec<&str> = Vec::new();
    for model in &spec.models {
        let name = model.serve.split([':', '@']).next().unwrap_or_default();
        if names.contains(&name) {
            return Err(cupola_serving::Error::Duplicate { name: name.to_owned() }.into());
        }
        names.push(name);
    }
    Ok(spec)
}

/// Loads all models and tells of them; their names.
fn load(spec: &Serve, catalog: &Catalog, ui: Ui) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for model in &spec.models {
        let name = catalog.load(model)?;
        for line in catalog.summary(&name).unwrap_or_default() {
            ui.line(format!("model   {line}"));
        }
        names.push(name);
    }
    Ok(names)
}

/// Reads the config again whenever the process is told to (SIGHUP). What is wrong in it changes nothing.
async fn reloads(mut hangup: tokio::signal::unix::Signal, args: ServeArgs, catalog: Arc<Catalog>, ui: Ui) {
    while hangup.recv().await.is_some() {
        let (args, catalog) = (args.clone(), Arc::clone(&catalog));
        let done = tokio::task::spawn_blocking(move || reload(&args, &catalog, ui)).await;
        if let Ok(Err(error)) = done {
            Ui::error(&error);
        }
    }
}

fn reload(args: &ServeArgs, catalog: &Catalog, ui: Ui) -> Result<()> {
    let kept = load(&spec(args)?, catalog, ui)?;
    for name in catalog.names().iter().filter(|name| !kept.contains(name)) {
        catalog.unload(name);
        ui.line(format!("unload  {name}"));
    }
    Ok(())
}
