//! Settings of inputs of kind `date`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DatePart {
    /// Year, such as 2024.
    Year,
    /// Month, 1 to 12.
    Month,
    /// Day of the month, 1 to 31.
    Day,
    /// Day of the week, 1 (Monday) to 7.
    Weekday,
    /// Day of the year, 1 to 366.
    DayOfYear,
    /// Hour, 0 to 23.
    Hour,
    /// Minute, 0 to 59.
    Minute,
    /// Seconds since 1970-01-01 00:00 UTC.
    Time,
}
