//! Output for people: lines, tables, progress bars, and events of the workflow as text.

mod collection;
mod data;
mod draft;
mod gate;
mod numbers;
mod operate;
mod outcome;
mod preset;
mod screen;
mod training;
mod tune;
mod ui;

pub use self::collection::CollectionProgress;
pub use self::data::{show_expectations, show_notes};
pub use self::draft::show_draft;
pub use self::gate::{gate_text, show_gate};
pub use self::numbers::{duration, grouped, metric, metrics, percent, setting, summary};
pub use self::operate::{
    ByteProgress, cycle_row, job_row, show_cycle, show_drift, show_image, show_job, show_look,
    show_performance, show_record, show_service_log,
};
pub use self::outcome::{WhatNext, show_outcome};
pub use self::preset::{PresetScreen, show_members};
pub use self::screen::Screen;
pub use self::tune::{TuneScreen, show_leaderboard};
pub use self::ui::Ui;
