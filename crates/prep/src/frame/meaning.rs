//! Meaning of the values of raw columns: decided when a plan is fitted, sealed in it, applied on every channel.
//!
//! A category is the text that the source wrote, so columns that the config or a signature declares as categories, texts
//! or dates are read as texts ([`ExactColumns`]). [`ValueRulesFit`] looks at all rows once and decides per column
//! ([`ValueRules`]): the decimal mark of numbers, the canonical form of categories, the format of dates.

mod exact;
mod fit;
mod rules;

pub use self::exact::ExactColumns;
pub use self::fit::{ColumnReading, ValueRulesFit, read_columns};
pub(crate) use self::rules::shortened;
pub use self::rules::{ValueRule, ValueRules};
