//! Panics as errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// A panic that was caught, shown as its message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PanicError(String);

impl From<PanicError> for String {
    fn from(panic: PanicError) -> Self {
        panic.0
    }
}

/// Runs `f` and returns a panic as an error instead of unwinding: Burn panics if a driver fails.
///
/// # Errors
/// [`PanicError`] if `f` panics.
pub fn catch_panic<T>(f: impl FnOnce() -> T) -> Result<T, PanicError> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_else(|| "the device failed".to_owned());
        PanicError(message)
    })
}
