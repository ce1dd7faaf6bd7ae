//! Presets: several families trained within a time budget, and their ensemble as one package.
//!
//! A [`PresetJob`] goes through a portfolio of members in the order of their expected value ([`portfolio`]). Each member is a
//! run of its own with the rows, the split and the seed of the config. A few rounds, trees or steps of it are timed first
//! ([`pilot`]), so that it is sized to the time that is left, or skipped. If none fits, the cheapest one is cut to what is left. At the end a greedy selection on the valid rows
//! weighs the members, and the ensemble is published under the name of the config. `presets/NAME/` of the home folder has
//! the config of each member and a record of the whole.

mod bags;
mod budget;
mod files;
mod job;
mod member;
mod networks;
mod pilot;
mod portfolio;
mod report;
mod units;

pub use self::job::{PresetJob, PresetOutcome};
pub use self::portfolio::Preset;
pub use self::report::{PresetMember, PresetMemberState, PresetProgress, PresetReport};
