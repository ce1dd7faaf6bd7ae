//! Reference profile of a model: the distributions that it was trained with, sealed in its package as `monitor.json`.

mod category;
mod number;
mod reference;
mod text;

pub use self::category::CategoryReference;
pub use self::number::NumberReference;
pub use self::reference::{ColumnRole, ReferenceColumn, ReferenceProfile, ReferenceValues};
pub use self::text::TextReference;
