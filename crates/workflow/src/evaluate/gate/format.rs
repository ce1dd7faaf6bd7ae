//! Results for people and continuous integration: `JUnit`, Markdown and YAML.

mod junit;
mod markdown;

pub use self::junit::{evaluation_junit, gate_junit};
pub use self::markdown::gate_markdown;

use serde::Serialize;

use crate::error::Error;

/// YAML of a result.
///
/// # Errors
/// [`Error::Format`] for a value that YAML cannot hold.
pub fn to_yaml(value: &impl Serialize) -> Result<String, Error> {
    let text = serde_saphyr::to_string(value);
    text.map_err(|error| Error::Format { format: "YAML", why: error.to_string() })
}

/// Number with four decimals, or in scientific notation where these show little of it.
fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&size) { format!("{value:.4}") } else { format!("{value:.3e}") }
}

/// `0.9100 to 0.9500`
fn interval(bounds: Option<(f64, f64)>) -> String {
    bounds.map_or_else(String::new, |(low, high)| format!("{} to {}", number(low), number(high)))
}
