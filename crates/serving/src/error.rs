//! Everything that can go wrong between the start of a server and a response.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cupola_budget::Exceeded;

/// Error of the serving layer.
///
/// The first group keeps a server from starting or a model from loading. The second group ends one request;
/// protocols map it to their status codes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Two packages of one name.
    #[error("model `{name}` is given twice; serve each name once")]
    Duplicate {
        /// Name of the model.
        name: String,
    },
    /// A package that fails to load.
    #[error(transparent)]
    Model(#[from] cupola_runtime::Error),
    /// A canary or shadow of another model.
    #[error(
        "`{reference}` is not a version of `{name}`; canary and shadow must be versions of the same model"
    )]
    OtherModel {
        /// Name of the served model.
        name: String,
        /// Reference that leads to another model.
        reference: String,
    },
    /// The key file.
    #[error("{path}: {why}")]
    Keys {
        /// The file.
        path: PathBuf,
        /// Reason, with the remedy.
        why: String,
    },
    /// The audit log.
    #[error("failed to open the audit log {path}: {source}; {}", cupola_store::io_remedy(.source))]
    Audit {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The store of shared limits.
    #[error("`[limits]` shared: {why}; expected redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]")]
    Limits {
        /// Reason.
        why: String,
    },
    /// The public keys of an identity provider.
    #[error("{from}: {why}; check `[jwt]`")]
    Jwt {
        /// URL or file of the keys.
        from: String,
        /// Reason.
        why: String,
    },
    /// Rules or receivers of alerts.
    #[error("{0}; see `[[alert]]` and `[[notify]]` in docs/monitor.md")]
    Alerts(String),
    /// Statistics of live monitoring.
    #[error("`[monitor]`: {0}")]
    Monitor(String),
    /// The trace collector.
    #[error("{endpoint}: {why}; name a collector as `--otlp http://HOST:4317`")]
    Otlp {
        /// The given endpoint.
        endpoint: String,
        /// Reason.
        why: String,
    },
    /// The system refuses threads or files.
    #[error("{0}; check the limits of this process")]
    System(#[from] std::io::Error),

    /// No known key, and no valid token.
    #[error("a valid key or token is required; send it as `Authorization: Bearer ...`")]
    Unauthenticated,
    /// The key's rate limit or daily quota is used up.
    #[error("the key exceeds its rate limit; try again in {} s", retry_seconds(.wait))]
    RateLimited {
        /// Time until the next request is admitted.
        wait: Duration,
    },
    /// The audit log takes no further administrative calls.
    #[error(
        "the audit log cannot be written, so no administrative call is accepted; check the server's disk"
    )]
    Unrecorded,
    /// The key lacks the scope.
    #[error("key {key} lacks the scope `{scope}{}`; use a key that has it", of_name(.name))]
    Forbidden {
        /// Id of the key.
        key: String,
        /// Required scope.
        scope: &'static str,
        /// Model or dataset; empty for all of them.
        name: String,
    },
    /// The model is not served.
    ///
    /// The message lists no other models: the caller's key may not cover them.
    #[error("unknown model `{name}`; GET /v1/models lists those that you may use")]
    UnknownModel {
        /// Requested name.
        name: String,
    },
    /// The version is not loaded.
    #[error("version {version} of `{name}` is not loaded; loaded versions: {}", listed(.loaded))]
    UnknownVersion {
        /// Name of the model.
        name: String,
        /// Requested version.
        version: u64,
        /// Loaded versions.
        loaded: Vec<u64>,
    },
    /// The server is shutting down.
    #[error("the server is draining; send the request to another one")]
    Draining,
    /// The queue is full.
    #[error("{limit} requests are already waiting; try again in a second")]
    Overloaded {
        /// Length of the queue.
        limit: usize,
    },
    /// No prediction within the deadline.
    #[error("no prediction within {timeout:?}; send fewer rows or allow more time")]
    Deadline {
        /// The request's deadline.
        timeout: Duration,
    },
    /// The request exceeds its share of memory, or its deadline.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// The text was not complete within the deadline.
    #[error("the text was not complete within the deadline; request fewer tokens or allow more time")]
    GenerationDeadline,
    /// The engine's thread is gone.
    #[error("the engine has stopped; restart the server")]
    EngineStopped,
    /// The engine failed.
    #[error(transparent)]
    Inference(Arc<cupola_runtime::Error>),
    /// A response format that a text can't follow to its end.
    #[error(transparent)]
    ResponseFormat(Arc<cupola_runtime::Error>),
    /// A row that the model does not accept.
    #[error(transparent)]
    Row(cupola_runtime::Error),
    /// An explanation that the model or the request does not allow.
    #[error(transparent)]
    Explain(cupola_runtime::Error),
    /// Intervals that the model or the request does not allow.
    #[error(transparent)]
    Interval(cupola_runtime::Error),
    /// A pushed row that violates the dataset's contract.
    #[error("row {row}: {why}; no row of the request was stored")]
    PushedRow {
        /// Number of the row, from 1.
        row: usize,
        /// Name of the column, where the error is about one.
        column: Option<String>,
        /// Reason.
        why: String,
    },
    /// The dataset that rows were pushed to does not exist.
    #[error("{0}")]
    UnknownDataset(String),
    /// Pushed rows that could not be written.
    #[error("{0}")]
    PushFailed(String),
    /// Pushed rows for which there is no space until a store answers again.
    #[error("{0}")]
    PushFull(String),
    /// Too many pushes at once.
    #[error("{limit} pushes are already being written; try again in a second")]
    PushOverloaded {
        /// Pushes that are written at once.
        limit: usize,
    },
    /// A row of feedback that does not fit the model's targets.
    #[error("row {row}, `{column}`: {why}")]
    FeedbackRow {
        /// Number of the row, from 1.
        row: usize,
        /// Name of the column.
        column: String,
        /// Reason, with the remedy.
        why: String,
    },
    /// A silence that is invalid, or one too many.
    #[error("{0}")]
    Silence(String),
    /// Feedback that could not be written.
    #[error("failed to store the rows: {0}; try again")]
    FeedbackFailed(String),
}

impl Error {
    /// Memory or time that the request exceeds; `None` for any other error.
    pub fn exceeded(&self) -> Option<Exceeded> {
        match self {
            Self::Exceeded(exceeded) => Some(*exceeded),
            Self::Row(error) | Self::Model(error) => error.exceeded(),
            Self::Inference(error) => error.exceeded(),
            _ => None,
        }
    }

    /// Value that the error is about, as `(row from 1, column)`.
    pub fn location(&self) -> Option<(usize, &str)> {
        match self {
            Self::Row(error) => error.cell(),
            Self::PushedRow { row, column: Some(column), .. } | Self::FeedbackRow { row, column, .. } => {
                Some((*row, column))
            }
            _ => None,
        }
    }

    /// Seconds after which the client may try again; `None` if the error does not say.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { wait } => Some(retry_seconds(wait)),
            Self::PushFull(_) => Some(STORE_RETRY),
            _ => None,
        }
    }
}

/// Seconds after which a client may push again to a store that was away.
const STORE_RETRY: u64 = 30;

/// Error of a protocol, which knows the status code that is counted and traced.
pub trait ProtocolError: Send + From<Error> {
    /// Status code.
    fn status(&self) -> u16;
}

fn retry_seconds(wait: &Duration) -> u64 {
    wait.as_secs() + 1
}

fn of_name(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(":{name}") }
}

fn listed<T: ToString>(all: &[T]) -> String {
    if all.is_empty() {
        return "none".to_owned();
    }
    all.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}
