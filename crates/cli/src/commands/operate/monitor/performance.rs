//! `cupola monitor performance`: realised and estimated performance by chunk.

use anyhow::Result;
use cupola_operate::{PerformanceRequest, measure_performance, performance_page};
use cupola_registry::Home;

use super::write_files;
use crate::args::MonitorPerformanceArgs;
use crate::commands::session;
use crate::draw::{CollectionProgress, Ui, show_performance};

pub fn show(home: &Home, ui: Ui, args: &MonitorPerformanceArgs) -> Result<()> {
    let request = PerformanceRequest {
        model: args.model.selection(),
        data: &args.data,
        reference: args.reference.as_deref(),
        feedback: args.feedback.clone().unwrap_or_else(|| home.root().join("feedback")),
        target: args.target.as_deref(),
        chunking: args.chunks.parse().map_err(cupola_operate::Error::Monitor)?,
    };
    let progress = CollectionProgress::new(ui);
    let found = measure_performance(&session(home, &progress), &request)?;
    show_performance(ui, &found);
    if let Some(folder) = &args.out {
        write_files(ui, folder, "performance", &found, &performance_page(&found))?;
    }
    ui.result(&found)
}
