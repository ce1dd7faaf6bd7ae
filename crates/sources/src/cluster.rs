//! Ballista cluster that reads files and runs `data.query`. Scheduler and executors are this same binary, so
//! that all of them have the same SQL functions.
//!
//! Every executor reads the files by the client's paths, so they must be on shared storage. The result is
//! streamed back, partition after partition, and written to a Parquet file, so that later passes do not use
//! the cluster again.

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
use crate::read::{Scan, TextColumns, TextFormat, keeping_case};
use crate::table::TableWriter;

/// Partitions of a scan, each of which is a task.
const PARTS: usize = 16;
/// Attempts for a job whose number of rows differs from a second count.
const TRIES: usize = 3;

/// Reads `files` on the cluster of a scheduler and writes the rows after `data.query` to `path`.
pub(crate) async fn run(
    url: &str,
    files: &[DataFile],
    request: &SourceRequest<'_>,
    path: &Path,
) -> Result<(), Error> {
    if files.iter().any(|file| file.format == FileFormat::Avro) {
        let why =
            "Avro is not supported on a cluster; convert it to Parquet, or remove `data.engine`".to_owned();
        return Err(Error::Remote { location: url.to_owned(), why });
    }
    let label = request.label();
    let scan = |infer_from_all| Scan {
        files,
        query: request.data.query.as_deref(),
        nulls: &request.data.null,
        texts: TextColumns::None,
        format: TextFormat::of(request.data),
        label: &label,
        infer_from_all,
        keep_text_types: false,
    };
    request.progress.begin(&format!("rows from {url}"), ProgressUnit::Rows, None);
    let mut done = checked(url, &scan(false), request, path).await;
    // A task reports no kind of error: the inferred types may be too narrow.
    if done.as_ref().err().is_some_and(Error::is_of_a_guess) {
        done = checked(url, &scan(true), request, path).await;
    }
    request.progress.end();
    done
}

/// Writes the rows and compares their number with a second job. After the loss of an executor, Ballista 55
/// may return the rows of the lost tasks and of their repetition.
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

/// Session that plans for the cluster.
async fn context(url: &str, scan: &Scan<'_>) -> Result<SessionContext, Error> {
    let config = keeping_case(SessionConfig::new_with_ballista().with_target_partitions(PARTS))
        .with_ballista_job_name(scan.label)
        // With the adaptive planner a job may wait forever after the loss of an executor (Ballista 55).
        .with_ballista_adaptive_query_planner(false);
    let state = SessionStateBuilder::new().with_config(config).with_default_features().build();
    SessionContext::remote_with_state(url, state).await.map_err(|error| unreachable(url, &error))
}

fn unreachable(url: &str, error: &DataFusionError) -> Error {
    let why =
        format!("{}; is a scheduler there? `cupola worker scheduler` starts one", error.strip_backtrace());
    Error::Remote { location: url.to_owned(), why }
}

/// Streams all rows to a file that is not finished yet; returns the writer and the number of rows.
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

/// Ballista scheduler.
#[derive(Debug, Clone)]
pub struct ClusterScheduler {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Time without a heartbeat after which the tasks of an executor go to others.
    pub patience: Duration,
}

impl ClusterScheduler {
    /// Runs until the process ends.
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

/// Ballista executor.
#[derive(Debug, Clone)]
pub struct Executor {
    /// Address and port from which others fetch results; the next port is used as well.
    pub listen: SocketAddr,
    /// Host of the scheduler.
    pub scheduler_host: String,
    /// Port of the scheduler.
    pub scheduler_port: u16,
    /// Number of concurrent tasks.
    pub tasks: usize,
    /// Interval of heartbeats, at least one second.
    pub heartbeat: Duration,
}

impl Executor {
    /// Runs until the process ends.
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

/// Runtime with large stacks, since query plans nest deeply.
fn runtime(address: &str) -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(32 << 20)
        .build()
        .map_err(|error| Error::Engine { path: address.to_owned(), why: error.to_string() })
}
