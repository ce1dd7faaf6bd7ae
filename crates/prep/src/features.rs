//! Columns that the model sees: cleaned and computed columns, then inputs that are declared or inferred.

mod cleaning;
mod derivation;
mod expression;
mod inference;
mod inputs;
mod inspection;
mod nature;
mod products;
mod resolved;

pub(crate) use self::cleaning::uniting_steps;
pub use self::derivation::{Derivation, FittedFeature, feature_columns};
pub use self::inference::InferredColumn;
pub use self::inputs::resolve;
pub use self::inspection::{ColumnInspection, inspect_columns};
pub use self::nature::{ColumnNature, is_identifier};
pub use self::resolved::ResolvedInput;
