//! Serving: servers, their keys, workers of a cluster.

use std::net::{IpAddr, SocketAddr};

use clap::{Args, Subcommand};
use cupola_runtime::EngineChoice;

use super::DeviceArg;

#[derive(Args, Clone)]
#[command(after_help = "\
Examples:
  cupola serve --model digits
  cupola serve --model digits@champion --model diamonds --port 9000
  curl -s localhost:8080/v1/models")]
pub struct ServeArgs {
    /// NAME, NAME@ALIAS, NAME:VERSION or a folder (may be repeated)
    #[arg(long = "model", value_name = "MODEL")]
    pub models: Vec<String>,
    #[command(flatten)]
    pub device: DeviceArg,
    /// auto (the faster one, measured), burn, candle, or int8 (candle in 8 bits: faster, not exact)
    #[arg(long, default_value = "auto")]
    pub engine: EngineChoice,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Requests that may wait; more are refused with 429
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub queue: u32,
    /// Rows that one forward pass takes at most
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_rows: u32,
    /// Memory for keys and values of texts that are made and have been made, in MiB for each engine of a language
    /// model [default: a quarter of the machine's, shared out]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub kv_mib: Option<u32>,
    /// Largest body in MiB
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..4096))]
    pub body_mib: u32,
    /// Seconds until a request is answered with 504
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub timeout: u32,
    /// Models, canaries, shadows, certificates, CORS; read again on SIGHUP
    #[arg(long, value_name = "FILE")]
    pub config: Option<std::path::PathBuf>,
    /// Port for gRPC alone; it is spoken on --port too
    #[arg(long)]
    pub grpc_port: Option<u16>,
    /// Port for metrics and administration, which are then not to be had on --port
    #[arg(long)]
    pub admin_port: Option<u16>,
    /// Engines of each model on the CPU, each with its weights
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub replicas: u32,
    /// Connections at once
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,
    /// Seconds between "not ready" and the end of new work, when it is told to stop
    #[arg(long, default_value_t = 0)]
    pub lame_duck: u32,
    /// Send traces to this collector, by gRPC (`http://HOST:4317`)
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp: Option<String>,
    /// Answer everybody, also at an address that others reach, though there are no keys
    #[arg(long)]
    pub open: bool,
}

#[derive(Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    pub command: KeysCommand,
}

#[derive(Subcommand)]
pub enum KeysCommand {
    /// Make a key; its secret is shown once. A server with keys answers only those who have one
    #[command(after_help = "\
Examples:
  cupola keys add --name shop --scope predict:prices --rate 100
  cupola keys add --name sensors --scope rows:sensors --quota 1000000
  cupola keys add --name prometheus --scope metrics")]
    Add {
        /// Whose it is
        #[arg(long)]
        name: String,
        /// predict, predict:MODEL, rows, rows:DATASET, metrics or admin (may be repeated)
        #[arg(long = "scope", required = true)]
        scopes: Vec<String>,
        /// Requests a second at most
        #[arg(long)]
        rate: Option<f64>,
        /// Requests a day at most
        #[arg(long)]
        quota: Option<u64>,
        /// Days until it ends
        #[arg(long)]
        days: Option<u32>,
    },
    /// All keys, without their secrets
    List,
    /// Give a key a new secret; the one before stays good for a while
    Rotate {
        /// Its id
        id: String,
        /// Minutes that the secret before stays good
        #[arg(long, default_value_t = 60)]
        grace: u32,
    },
    /// End a key, at once
    Revoke {
        /// Its id
        id: String,
    },
}

#[derive(Args)]
pub struct WorkerArgs {
    #[command(subcommand)]
    pub command: WorkerCommand,
}

#[derive(Subcommand)]
pub enum WorkerCommand {
    /// Hand the tasks of `[data] engine = "ballista"` to executors
    #[command(after_help = "Example:\n  cupola worker scheduler --listen 0.0.0.0:50050")]
    Scheduler {
        /// Address and port
        #[arg(long, default_value = "127.0.0.1:50050")]
        listen: SocketAddr,
        /// Seconds of silence after which an executor counts as dead
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(2..))]
        patience: u32,
    },
    /// Work for a scheduler; the files of a config have to be here under the same paths
    #[command(
        after_help = "Example:\n  cupola worker executor --scheduler 10.0.0.1:50050 --listen 10.0.0.2:50051"
    )]
    Executor {
        /// HOST:PORT of the scheduler
        #[arg(long, default_value = "127.0.0.1:50050")]
        scheduler: String,
        /// Address and port where others reach this one; the next port is used too
        #[arg(long, default_value = "127.0.0.1:50051")]
        listen: SocketAddr,
        /// Tasks at once; as many as there are cores where left out
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        tasks: Option<u32>,
        /// Seconds between signs of life
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
        heartbeat: u32,
    },
}
