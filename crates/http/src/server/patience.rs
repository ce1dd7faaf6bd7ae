//! Delay for connections that go on although they are refused.
//!
//! A refusal costs little, but a client that sends thousands of requests at once gets as many, and those of other
//! clients wait between them. A delay costs nothing and reaches the client as back pressure.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::Response;
use tonic::{Code, Status};

/// Refusals in a row that are sent at once.
const FREE_REFUSALS: u32 = 16;
/// Delay of each one after that.
pub(super) const DELAY: Duration = Duration::from_millis(100);

/// Refusals in a row on one connection.
#[derive(Debug, Default)]
pub(super) struct Patience(AtomicU32);

impl Patience {
    /// `true` if this response has to wait for [`DELAY`]: it is one refusal too many for want of a key, of its scope,
    /// or of its rate, memory or place in the queue.
    pub fn ends_with(&self, response: &Response) -> bool {
        if !is_refusal(response) {
            self.0.store(0, Ordering::Relaxed);
            return false;
        }
        let spent = self.0.fetch_add(1, Ordering::Relaxed) >= FREE_REFUSALS;
        if spent {
            // Below its maximum, so that it does not begin anew.
            self.0.store(FREE_REFUSALS, Ordering::Relaxed);
        }
        // One that closes the connection has no successor, and its client may wait for `100 Continue`, which it would
        // get before a refusal that is late.
        spent && !response.headers().contains_key(header::CONNECTION)
    }
}

fn is_refusal(response: &Response) -> bool {
    match response.headers().get(Status::GRPC_STATUS) {
        // The status of HTTP is 200 then.
        Some(code) => [Code::Unauthenticated, Code::PermissionDenied, Code::ResourceExhausted]
            .contains(&Code::from_bytes(code.as_bytes())),
        None => [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS]
            .contains(&response.status()),
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    #[test]
    fn only_refusals_in_a_row_are_delayed() {
        let patience = Patience::default();
        let delays = |status: StatusCode| patience.ends_with(&status.into_response());
        assert!((0..FREE_REFUSALS).all(|_| !delays(StatusCode::TOO_MANY_REQUESTS)));
        assert!(delays(StatusCode::UNAUTHORIZED) && delays(StatusCode::FORBIDDEN));
        let call = |code| patience.ends_with(&Status::new(code, "").into_http());
        assert!(call(Code::Unauthenticated) && call(Code::PermissionDenied) && call(Code::ResourceExhausted));
        let last = (StatusCode::UNAUTHORIZED, [(header::CONNECTION, "close")]).into_response();
        assert!(!patience.ends_with(&last) && delays(StatusCode::FORBIDDEN));
        assert!(!delays(StatusCode::OK) && !delays(StatusCode::FORBIDDEN));
        assert!(!call(Code::NotFound) && !call(Code::Unauthenticated));
    }
}
