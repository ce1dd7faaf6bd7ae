//! Panics as errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `f` and returns a panic's message instead of unwinding: Burn panics if a driver fails.
///
/// # Errors
/// The message.
pub fn catch_panic<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| {
        panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_else(|| "the device failed".to_owned())
    })
}
