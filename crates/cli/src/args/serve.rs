//! Arguments of servers, their keys, and workers of a cluster.

use std::net::{IpAddr, SocketAddr};

use clap::builder::RangedI64ValueParser;
use clap::{Args, Subcommand};
use cupola_runtime::EngineChoice;
use cupola_spec::Canary;

use super::DeviceArg;

/// Parser of durations: up to a day.
fn seconds() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=86_400)
}

/// Parses a number of requests per second.
fn rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok().filter(|rate| cupola_spec::is_valid_rate(*rate));
    rate.ok_or("expected a number of requests per second from 0.001 to 1000000000")
}

/// Parses a version and its share of the requests.
fn canary(text: &str) -> Result<Canary, &'static str> {
    let parts = text.rsplit_once('=').filter(|(serve, _)| !serve.is_empty());
    let share = |text: &str| text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    let parsed = parts.and_then(|(serve, text)| Some((serve.to_owned(), share(text)?)));
    let (serve, weight) = parsed.ok_or("expected a model and a share from 0 to 1, such as digits:2=0.1")?;
    Ok(Canary { serve, weight, sticky: None })
}

#[derive(Args, Clone)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  cupola serve --model digits
  cupola serve --model digits@champion --model diamonds --port 9000
  cupola serve --model digits:1 --canary digits:2=0.1     # a tenth of requests
  curl -s localhost:8080/v1/models"
)]
pub struct ServeArgs {
    /// NAME, NAME@ALIAS, NAME:VERSION or a folder (may be repeated)
    #[arg(long = "model", value_name = "MODEL")]
    pub models: Vec<String>,
    /// Another version of a served model, and the share of its requests that it answers (may be repeated)
    #[arg(long = "canary", value_name = "MODEL=SHARE", value_parser = canary)]
    pub canaries: Vec<Canary>,
    /// Serve a newer version of a plain NAME as soon as it is published; without it only NAME@ALIAS is followed
    #[arg(long)]
    pub follow: bool,
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
    /// Requests that may wait; further ones get status 429
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub queue: u32,
    /// Maximum rows of one forward pass
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub batch_rows: u32,
    /// Memory for the KV caches and the prefix cache of each language-model engine, in MiB [default: a quarter of
    /// the machine's memory, divided among the engines]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    pub kv_mib: Option<u32>,
    /// Memory for requests in flight, in MiB: bodies, rows, pictures, logits and responses [default: a quarter of
    /// the machine's memory]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(64..=16_777_216))]
    pub memory_mib: Option<u32>,
    /// Maximum size of a request body in MiB
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..4096))]
    pub body_mib: u32,
    /// Seconds after which a request gets status 504
    #[arg(long, default_value_t = 30, value_parser = seconds())]
    pub timeout: u32,
    /// TOML file with models, canaries, shadows, certificates and CORS; reloaded on SIGHUP
    #[arg(long, value_name = "FILE")]
    pub config: Option<std::path::PathBuf>,
    /// Separate port for gRPC, which --port serves too
    #[arg(long)]
    pub grpc_port: Option<u16>,
    /// Separate port for metrics and administration, which --port then does not serve
    #[arg(long)]
    pub admin_port: Option<u16>,
    /// Engines of each model on the CPU, each with its own weights
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub replicas: u32,
    /// Maximum number of open connections; idle ones give way to new ones [default: 4096, or fewer where the limit
    /// of file descriptors is low]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections: Option<u32>,
    /// Maximum number of open connections of one address [default: no limit of its own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub address_connections: Option<u32>,
    /// Seconds for a TLS handshake, and for the head of a request to arrive
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = seconds())]
    pub head_timeout: u32,
    /// Seconds after which a connection without requests is closed
    #[arg(long, value_name = "SECONDS", default_value_t = 75, value_parser = seconds())]
    pub idle_timeout: u32,
    /// Seconds in which a client must take some of its response
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = seconds())]
    pub write_timeout: u32,
    /// Seconds after a stop signal in which the server reports "not ready" but still takes requests
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=86_400))]
    pub lame_duck: u32,
    /// OpenTelemetry collector that receives traces over gRPC (`http://HOST:4317`)
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp: Option<String>,
    /// File of keys, such as a secret that a cluster mounts; read again when it changes [default: keys.json in the home]
    #[arg(long, value_name = "FILE")]
    pub keys: Option<std::path::PathBuf>,
    /// Serve without keys even if --host can be reached from other machines
    #[arg(long)]
    pub open: bool,
    /// Start no server: ask the one at this URL (http://HOST:PORT) if it is ready, and exit with 1 if it is not
    #[arg(long, value_name = "URL")]
    pub health: Option<String>,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  cupola keys add --name shop --scope predict:prices\n  cupola keys list")]
pub struct KeysArgs {
    #[command(subcommand)]
    pub command: KeysCommand,
}

#[derive(Subcommand)]
pub enum KeysCommand {
    /// Create a key and show its secret once; a server with keys requires one for every request
    #[command(after_help = "\
Examples:
  cupola keys add --name shop --scope predict:prices --rate 100
  cupola keys add --name sensors --scope rows:sensors --quota 1000000
  cupola keys add --name prometheus --scope metrics")]
    Add {
        /// Name of its holder
        #[arg(long)]
        name: String,
        /// predict, predict:MODEL, rows, rows:DATASET, metrics or admin (may be repeated)
        #[arg(long = "scope", required = true)]
        scopes: Vec<String>,
        /// Maximum requests per second
        #[arg(long, value_parser = rate)]
        rate: Option<f64>,
        /// Maximum requests per day
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        quota: Option<u64>,
        /// Days until the key expires
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=36_500))]
        days: Option<u32>,
    },
    /// List all keys, without their secrets
    List,
    /// Give a key a new secret; the previous one stays valid for a while
    Rotate {
        /// Id of the key
        id: String,
        /// Minutes for which the previous secret stays valid
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(..=5_256_000))]
        grace: u32,
    },
    /// Revoke a key immediately
    Revoke {
        /// Id of the key
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
    /// Distribute the tasks of `[data] engine = "ballista"` among executors
    #[command(after_help = "Example:\n  cupola worker scheduler --listen 0.0.0.0:50050")]
    Scheduler {
        /// Address and port to listen on
        #[arg(long, default_value = "127.0.0.1:50050")]
        listen: SocketAddr,
        /// Seconds without a heartbeat after which an executor counts as dead
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(2..))]
        patience: u32,
    },
    /// Run tasks of a scheduler; the files of a config must exist on this machine under the same paths
    #[command(
        after_help = "Example:\n  cupola worker executor --scheduler 10.0.0.1:50050 --listen 10.0.0.2:50051"
    )]
    Executor {
        /// HOST:PORT of the scheduler
        #[arg(long, default_value = "127.0.0.1:50050")]
        scheduler: String,
        /// Address and port at which other machines reach this one; the next port is used too
        #[arg(long, default_value = "127.0.0.1:50051")]
        listen: SocketAddr,
        /// Concurrent tasks [default: number of cores]
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        tasks: Option<u32>,
        /// Seconds between heartbeats
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
        heartbeat: u32,
    },
}
