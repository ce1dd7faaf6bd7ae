//! `cupola monitor`: models in production.

mod drift;
mod export;
mod merge;
mod performance;

use anyhow::Result;
use cupola_registry::Home;

use crate::args::{MonitorArgs, MonitorCommand};
use crate::draw::Ui;

pub fn run(home: &Home, ui: Ui, args: &MonitorArgs) -> Result<()> {
    match &args.command {
        MonitorCommand::Report(args) => drift::report(home, ui, args),
        MonitorCommand::Check(args) => drift::check(home, ui, args),
        MonitorCommand::Merge(args) => merge::run(args),
        MonitorCommand::Export(args) => export::run(ui, args),
        MonitorCommand::Performance(args) => performance::show(home, ui, args),
    }
}
