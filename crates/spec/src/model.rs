//! `[model]`: families with their sizes, the design that a family expands to, and how inputs meet.

mod combine;
mod design;
mod family;
mod sizes;

pub use self::combine::Combine;
pub use self::design::{Design, Head, TableStem};
pub use self::family::{Expect, Family, Lora, Model, ModelFile, PackageRef};
pub use self::sizes::{Bagging, Boosting, Depth, ImageStem, Numbers, Recurrence, TreesSpec};
