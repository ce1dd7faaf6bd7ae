//! `cupola graph`: the stages of a config and which of them are up to date.

use anyhow::Result;
use cupola_registry::Home;

use crate::args::GraphArgs;
use crate::commands::session;
use crate::draw::{Screen, Ui};

pub fn run(home: &Home, ui: Ui, args: &GraphArgs) -> Result<()> {
    let screen = Screen::new(ui);
    let session = session(home, &screen);
    let stages = session.stages(&args.config.source(&session, ui)?)?;
    for (depth, node) in stages.iter().enumerate() {
        let arrow = if depth == 0 { String::new() } else { format!("{}└─ ", "   ".repeat(depth - 1)) };
        let (stage, state) = (format!("{arrow}{}", node.stage), node.state.name());
        ui.line(format!("{stage:<20} {state:<10} {}", node.what));
    }
    ui.result(&stages)
}
