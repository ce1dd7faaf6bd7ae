//! Delay for connections that go on although they are refused.
//!
//! A refusal costs little, but a client that sends thousands of requests at once gets as many, and those of other
//! clients wait between them. A delay costs nothing and reaches the client as back pressure.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::StatusCode;

/// Refusals in a row that are sent at once.
const FREE_REFUSALS: u32 = 16;
/// Delay of each one after that.
const DELAY: Duration = Duration::from_millis(100);

/// Refusals in a row on one connection.
#[derive(Debug, Default)]
pub(super) struct Patience(AtomicU32);

impl Patience {
    /// Waits before the response with this status is sent: not at all, unless it is one refusal too many for want of a
    /// key, of its scope, or for its rate.
    pub async fn before(&self, status: StatusCode) {
        let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS]
            .contains(&status);
        if !refused {
            self.0.store(0, Ordering::Relaxed);
        } else if self.0.fetch_add(1, Ordering::Relaxed) >= FREE_REFUSALS {
            // Below its maximum, so that it does not begin anew.
            self.0.store(FREE_REFUSALS, Ordering::Relaxed);
            tokio::time::sleep(DELAY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn only_refusals_in_a_row_are_delayed() {
        let patience = Patience::default();
        let began = Instant::now();
        for _ in 0..FREE_REFUSALS {
            patience.before(StatusCode::TOO_MANY_REQUESTS).await;
        }
        assert!(began.elapsed() < DELAY);
        for _ in 0..3 {
            patience.before(StatusCode::UNAUTHORIZED).await;
        }
        assert!(began.elapsed() >= 3 * DELAY);
        let answered = Instant::now();
        patience.before(StatusCode::OK).await;
        patience.before(StatusCode::FORBIDDEN).await;
        assert!(answered.elapsed() < DELAY);
    }
}
