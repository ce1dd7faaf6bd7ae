//! Settings and addresses of a server.

use std::net::SocketAddr;
use std::time::Duration;

use cupola_budget::MemoryLimits;
use cupola_serving::{MonitorSettings, SchedulerLimits};
use cupola_spec::Tls;

/// Settings of a server.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Limits of each model's queue, batches and caches.
    pub limits: SchedulerLimits,
    /// Memory for requests in flight.
    pub memory: MemoryLimits,
    /// Largest body in bytes.
    pub body_bytes: usize,
    /// Longest time until the response.
    pub timeout: Duration,
    /// Time after a signal in which the server reports that it is not ready, but still responds.
    pub lame_duck: Duration,
    /// Longest time to wait for open requests after that.
    pub drain: Duration,
    /// Connections of the main port and the gRPC port at once.
    pub connections: usize,
    /// Connections of one address at once; `None` for no limit of its own.
    pub address_connections: Option<usize>,
    /// Time for a TLS handshake, for the first request of a connection, and for each later head of HTTP/1.
    pub head_timeout: Duration,
    /// Time that a connection may be open without a request in flight.
    pub idle_timeout: Duration,
    /// Time in which a client must take a part of its response.
    pub write_timeout: Duration,
    /// Interval between two looks for aliases that have moved.
    pub poll: Duration,
    /// `true` to serve a newer version of a plain name as soon as it is published.
    pub follow: bool,
    /// `true` to refuse rows with columns that the model does not have.
    pub strict: bool,
    /// Origins of web pages that may send requests; `*` allows all of them.
    pub cors: Vec<String>,
    /// Names by which clients reach a server without keys, beside `localhost` and its address.
    pub hosts: Vec<String>,
    /// Public keys of minisign, one of which must have signed each package; packages need no signature if there
    /// are none.
    pub trusted: Vec<String>,
    /// Live monitoring; `None` if it is off.
    pub monitor: Option<MonitorSettings>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            limits: SchedulerLimits::default(),
            memory: MemoryLimits::default(),
            body_bytes: 16 << 20,
            timeout: Duration::from_secs(30),
            lame_duck: Duration::ZERO,
            drain: Duration::from_secs(30),
            connections: 4096,
            address_connections: None,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            follow: false,
            strict: false,
            cors: Vec::new(),
            hosts: Vec::new(),
            trusted: Vec::new(),
            monitor: Some(MonitorSettings::default()),
        }
    }
}

/// Addresses to listen on.
#[derive(Debug, Clone)]
pub struct ListenConfig {
    /// HTTP, and gRPC on the same port.
    pub main: SocketAddr,
    /// gRPC only.
    pub grpc: Option<SocketAddr>,
    /// Metrics, health and administration over HTTP and gRPC, which are then not served on the other ports.
    pub admin: Option<SocketAddr>,
    /// Certificates of all ports.
    pub tls: Option<Tls>,
}

/// Addresses that a server listens on.
#[derive(Debug, Clone, Copy)]
pub struct BoundAddresses {
    /// HTTP, and gRPC on the same port.
    pub main: SocketAddr,
    /// gRPC only.
    pub grpc: Option<SocketAddr>,
    /// Metrics and administration.
    pub admin: Option<SocketAddr>,
}
