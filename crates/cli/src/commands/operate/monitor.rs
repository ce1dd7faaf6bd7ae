//! `cupola monitor`: models in production.

mod export;

use anyhow::Result;

use crate::args::{MonitorArgs, MonitorCommand};
use crate::draw::Ui;

pub fn run(ui: Ui, args: &MonitorArgs) -> Result<()> {
    match &args.command {
        MonitorCommand::Export(args) => export::run(ui, args),
    }
}
