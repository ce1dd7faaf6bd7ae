//! Reference profile of a model: the distributions that it was trained with, sealed in its package as `monitor.json`.

mod build;
mod category;
mod collect;
mod content;
mod number;
mod reference;
mod sample;
mod text;
mod texts;

pub use self::build::NamedColumn;
pub use self::category::CategoryReference;
pub use self::collect::{ColumnCollector, ObservedColumn, ObservedKind, ObservedValues};
pub use self::content::ContentSample;
pub use self::number::NumberReference;
pub use self::reference::{ColumnRole, ReferenceColumn, ReferenceProfile, ReferenceValues};
pub use self::sample::SortedNumbers;
pub use self::text::TextReference;
pub use self::texts::SampledTexts;
