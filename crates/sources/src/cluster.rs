//! A cluster that reads files and runs `data.query`: Ballista's scheduler and executors, which are this
//! binary too, so that all of them know the same functions.
//!
//! Every executor reads the files by the paths that the client has, so they lie on storage that all share.
//! The answer comes back as one stream, partition after partition, and is written down as Parquet: what is
//! made of it afterwards never asks the cluster again.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use ballista::extension::{SessionConfigExt, SessionContextExt};
use ballista_core::config::TaskSchedulingPolicy;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::start_server;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;

use crate::error::Error;
use crate::fetch::SourceRequest;
use crate::file::{DataFile, FileFormat};
use crate::progress::ProgressUnit;
use crate::read::{Scan, keeping_case};
use crate::table::TableWriter;

/// Parts that a scan is cut into, for as many tasks.
const PARTS: usize = 16;
/// Times that a job is run whose rows are not as many as they are counted to be.
const TRIES: usize = 3;

/// Reads `files` on the cluster of a scheduler and writes the rows after `data.query` to `path`.
pub(crate) async fn run(
    url: &str,
    files: &[DataFile],
    request: &SourceRequest<'_>,
    path: &Path,
) -> Result<(), Error> {
    if files.iter().any(|file| file.format == FileFormat::Avro) {
        let why = "a cluster reads no Avro; write Parquet, or leave `data.engine` out".to_owned();
        return Err(Error::Remote { location: url.to_owned(), why });
    }
    let label = request.label();
    let scan = |infer_from_all| Scan {
        files,
        query: request.data.query.as_deref(),
        nulls: &request.data.null,
        label: &label,
        infer_from_all,
        keep_text_types: false,
    };
    request.progress.begin(&format!("rows from {url}"), ProgressUnit::Rows, None);
    let mut done = checked(url, &scan(false), request, path).await;
    // A task does not say what kind of error it had: types that were guessed too narrow are one.
    if matches!(&done, Err(Error::Row { .. })) {
        done = checked(url, &scan(true), request, path).await;
    }
    request.progress.end();
    done
}

/// SourceRows that are as many as a second job counts. After an executor was lost, Ballista 55 has been seen to
/// hand out what it made before and what another made again.
async fn checked(url: &str, scan: &Scan<'_>, request: &SourceRequest<'_>, path: &Path) -> Result<(), Error> {
    let mut seen = Vec::new();
    for _ in 0..TRIES {
        let (writer, rows) = write(url, scan, request, path).await?;
        let counted = count(url, scan).await?;
        if rows == counted {
            return writer.finish();
        }
        seen.push(format!("{rows} rows, and {counted} when they were counted"));
    }
    let why = format!("it gave {}; run the command again when no executor is lost", seen.join("; "));
    Err(Error::Remote { location: url.to_owned(), why })
}

async fn count(url: &str, scan: &Scan<'_>) -> Result<usize, Error> {
    let frame = scan.frame_in(&context(url, scan).await?).await?;
    frame.count().await.map_err(|error| scan.explain(&error))
}

/// What plans for the cluster.
async fn context(url: &str, scan: &Scan<'_>) -> Result<SessionContext, Error> {
    let config = keeping_case(SessionConfig::new_with_ballista().with_target_partitions(PARTS))
        .with_ballista_job_name(scan.label)
        // With the adaptive planner a job may wait for ever after an executor was lost (Ballista 55).
        .with_ballista_adaptive_query_planner(false);
    let state = SessionStateBuilder::new().with_config(config).with_default_features().build();
    SessionContext::remote_with_state(url, state).await.map_err(|error| unreachable(url, &error))
}

fn unreachable(url: &str, error: &DataFusionError) -> Error {
    let why =
        format!("{}; is a scheduler there? `cupola worker scheduler` starts one", error.strip_backtrace());
    Error::Remote { location: url.to_owned(), why }
}

/// All rows of the answer, in a file that has not appeared yet.
async fn write(
    url: &str,
    scan: &Scan<'_>,
    request: &SourceRequest<'_>,
    path: &Path,
) -> Result<(TableWriter, usize), Error> {
    let context = context(url, scan).await?;
    let frame = scan.frame_in(&context).await?;
    let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
    let failed = |error: DataFusionError| {
        let text = error.strip_backtrace();
        if text.contains("transport error") || text.contains("onnection refused") {
            return unreachable(url, &error);
        }
        match scan.explain(&error) {
            Error::Engine { path, why } if why.contains("pars") && !scan.infer_from_all => {
                Error::Row { path, row: String::new(), why }
            }
            other => other,
        }
    };
    let mut batches = frame.execute_stream().await.map_err(failed)?;
    let (mut writer, mut rows) = (TableWriter::new(path, &schema)?, 0);
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(failed)?;
        request.progress.advance(batch.num_rows() as u64);
        rows += batch.num_rows();
        writer.push(&batch)?;
    }
    Ok((writer, rows))
}

/// Where a scheduler listens, and how soon it gives up an executor.
#[derive(Debug, Clone)]
pub struct Scheduler {
    /// Address and port.
    pub listen: SocketAddr,
    /// An executor that says nothing for so long is dead: its tasks go to others.
    pub patience: Duration,
}

impl Scheduler {
    /// Serves until the process ends.
    ///
    /// # Errors
    /// [`Error::Remote`].
    pub fn run(&self) -> Result<(), Error> {
        let address = self.listen.to_string();
        let wrong = |error: ballista_core::error::BallistaError| Error::Remote {
            location: address.clone(),
            why: error.to_string(),
        };
        let seconds = self.patience.as_secs().max(2);
        let config = SchedulerConfig {
            bind_host: self.listen.ip().to_string(),
            external_host: self.listen.ip().to_string(),
            bind_port: self.listen.port(),
            scheduling_policy: TaskSchedulingPolicy::PullStaged,
            executor_timeout_seconds: seconds,
            expire_dead_executor_interval_seconds: (seconds / 2).max(1),
            ..SchedulerConfig::default()
        };
        runtime(&address)?.block_on(async {
            let cluster = BallistaCluster::new_from_config(&config).await.map_err(wrong)?;
            start_server(cluster, self.listen, Arc::new(config)).await.map_err(wrong)
        })
    }
}

/// An executor of a scheduler.
#[derive(Debug, Clone)]
pub struct Executor {
    /// Address and port where others fetch what it has made; the port after it is used as well.
    pub listen: SocketAddr,
    /// Host of the scheduler.
    pub scheduler_host: String,
    /// Its port.
    pub scheduler_port: u16,
    /// Tasks at once.
    pub tasks: usize,
    /// Seconds between signs of life.
    pub heartbeat: Duration,
}

impl Executor {
    /// Works until the process ends.
    ///
    /// # Errors
    /// [`Error::Remote`].
    pub fn run(&self) -> Result<(), Error> {
        let address = format!("{}:{}", self.scheduler_host, self.scheduler_port);
        let config = ExecutorProcessConfig {
            bind_host: self.listen.ip().to_string(),
            external_host: Some(self.listen.ip().to_string()),
            port: self.listen.port(),
            grpc_port: self.listen.port().saturating_add(1),
            scheduler_host: self.scheduler_host.clone(),
            scheduler_port: self.scheduler_port,
            scheduler_connect_timeout_seconds: 20,
            vcores: self.tasks,
            task_scheduling_policy: TaskSchedulingPolicy::PullStaged,
            executor_heartbeat_interval_seconds: self.heartbeat.as_secs().max(1),
            ..ExecutorProcessConfig::default()
        };
        runtime(&address)?.block_on(start_executor_process(Arc::new(config))).map_err(|error| Error::Remote {
            location: address.clone(),
            why: format!("{error}; is the scheduler there? `cupola worker scheduler` starts one"),
        })
    }
}

/// Plans of queries nest deeply.
fn runtime(address: &str) -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(32 << 20)
        .build()
        .map_err(|error| Error::Engine { path: address.to_owned(), why: error.to_string() })
}
