//! Failures of deliveries.

/// Reason why an attempt failed. The messages hold no address, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DeliveryError {
    /// A later attempt may succeed.
    Retry(String),
    /// The receiver does not accept this message.
    Refused(String),
}
