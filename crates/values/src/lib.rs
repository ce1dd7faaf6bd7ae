//! The meaning of a raw value, written once: numbers as people type them, missing values, categories, dates.
//!
//! Training decides how the texts of a column are read ([`NumberEvidence`], [`CategoryEvidence`], [`DateEvidence`])
//! and seals the decision in the package. Every channel, be it a file, a request or a tensor, then applies the same
//! functions ([`parse_number`], [`CategoryForm::canonical`], [`parse_date`]), so that one spelling has one meaning.

mod category;
mod date;
mod decimal;
mod missing;
mod number;

pub use self::category::{CategoryEvidence, CategoryForm};
pub use self::date::{DateEvidence, DateGuess, clock_at, clock_microseconds, clock_seconds, parse_date};
pub use self::decimal::{canonical_number, number_text};
pub use self::missing::{COMMON_MARKERS, is_common_marker};
pub use self::number::{DecimalMark, NumberEvidence, NumberReading, parse_number};
