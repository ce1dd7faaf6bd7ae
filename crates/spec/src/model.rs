//! `[model]`: the families by name, references to architectures, the design that a family expands to, and how
//! several inputs meet.

mod catalog;
mod combine;
mod design;
mod family;
mod reference;

pub use self::catalog::{FamilyInfo, FamilyUse, families, families_for};
pub use self::combine::Combine;
pub use self::design::{ColumnDefaults, Design, Head, TableStem};
pub use self::family::Family;
pub use self::reference::{Expect, Lora, Model, ModelFile, PackageRef};
