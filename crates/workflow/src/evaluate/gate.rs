//! Gates: conditions on the evaluation of a model, judged at the end of a run and by `cupola gate`.
//!
//! [`judge`] is pure: it takes the conditions of a config, an [`Evaluation`](cupola_report::Evaluation), and a function
//! that compares the model with another version. Whatever it does not find breaks the gate. The result, a
//! [`GateReport`], is kept with the package as `gate.json`, and written for people and continuous integration.

mod format;
mod judge;
mod lineage;
mod package;
mod report;
mod sealed;
mod value;

pub use self::format::{evaluation_junit, gate_junit, gate_markdown, to_yaml};
pub use self::judge::{Opponent, judge};
pub(crate) use self::lineage::{SplitOrigin, unfair_comparison};
pub use self::package::{GateConditions, GateRequest, JudgedModel};
pub(crate) use self::package::{conditions_of, other_version, sealed_gate};
pub use self::report::{GateOutcome, GateReport, JudgedCondition};
pub use self::sealed::sealed_evaluation;
