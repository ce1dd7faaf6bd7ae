//! Budget of a request, as handlers and the reader of its body share it.

use std::convert::Infallible;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use cupola_budget::{Accounts, Budget};
use cupola_serving::access::Caller;

use super::timeout;
use crate::state::RequestLimits;

/// Memory and time of this request: one budget, whoever asks for it first.
#[derive(Clone)]
pub(crate) struct RequestBudget(pub Budget);

impl<S> FromRequestParts<S> for RequestBudget
where
    S: Send + Sync,
    RequestLimits: FromRef<S>,
    Accounts: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let limit = RequestLimits::from_ref(state).timeout;
        // The handler refuses an invalid header.
        let timeout = timeout(&parts.headers, limit).unwrap_or(limit);
        let budget = Self(budget_of(&Accounts::from_ref(state), parts.extensions.get(), timeout));
        parts.extensions.insert(budget.clone());
        Ok(budget)
    }
}

/// Budget of a request of this caller that begins now.
pub(crate) fn budget_of(
    accounts: &Accounts,
    caller: Option<&Caller>,
    timeout: std::time::Duration,
) -> Budget {
    let id = match caller {
        Some(Caller::Key(key)) => Some(key.id.as_str()),
        // Callers without a key cannot be told apart.
        Some(Caller::Anonymous) | None => None,
    };
    accounts.request(id, timeout)
}
