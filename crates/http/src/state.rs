//! Shared state of a server. Handlers extract the parts that they need.

mod streams;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use cupola_budget::Accounts;
use cupola_serving::access::AccessControl;
use cupola_serving::notify::AlertWatch;
use cupola_serving::{Catalog, FeedbackLog, Lifecycle, Pipeline, Processors, RowIntake, Telemetry};

pub(crate) use self::streams::{ConnectionStreams, EndlessStreams, StreamPermit};

/// Limits of a single request, and its treatment of unknown columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestLimits {
    /// Largest body in bytes.
    pub body_bytes: usize,
    /// Longest time until the response.
    pub timeout: Duration,
    /// `true` to refuse rows with columns that the model does not have.
    pub strict: bool,
}

/// Shared state of a server.
#[derive(Clone)]
pub(crate) struct ServerState {
    pub catalog: Arc<Catalog>,
    pub pipeline: Arc<Pipeline>,
    pub telemetry: Arc<Telemetry>,
    pub lifecycle: Arc<Lifecycle>,
    pub access: Arc<AccessControl>,
    pub feedback: Arc<FeedbackLog>,
    pub intake: Option<Arc<RowIntake>>,
    /// Alerts; `None` for a server without rules.
    pub alerts: Option<Arc<AlertWatch>>,
    pub limits: RequestLimits,
    /// Memory of the server and the shares of its callers.
    pub accounts: Accounts,
    pub streams: EndlessStreams,
}

macro_rules! part {
    ($field:ident: $type:ty) => {
        impl FromRef<ServerState> for $type {
            fn from_ref(state: &ServerState) -> Self {
                state.$field.clone()
            }
        }
    };
}

part!(catalog: Arc<Catalog>);
part!(pipeline: Arc<Pipeline>);
part!(telemetry: Arc<Telemetry>);
part!(lifecycle: Arc<Lifecycle>);
part!(access: Arc<AccessControl>);
part!(feedback: Arc<FeedbackLog>);
part!(intake: Option<Arc<RowIntake>>);
part!(alerts: Option<Arc<AlertWatch>>);
part!(limits: RequestLimits);
part!(accounts: Accounts);

impl FromRef<ServerState> for Processors {
    fn from_ref(state: &ServerState) -> Self {
        state.pipeline.processors().clone()
    }
}
