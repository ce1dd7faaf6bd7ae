//! `cupola monitor merge`: windows of several servers as those of one.

use std::io::Write;

use anyhow::Result;
use cupola_operate::{judge_states, merge_states};
use cupola_registry::Home;

use crate::args::MonitorMergeArgs;

/// Prints the merged state as JSON, with and without `--json`; with a model also the drift of its embeddings.
pub fn run(home: &Home, args: &MonitorMergeArgs) -> Result<()> {
    let merged = merge_states(&args.files)?;
    let mut out = std::io::stdout().lock();
    match &args.model {
        None => serde_json::to_writer(&mut out, &merged)?,
        Some(model) => serde_json::to_writer(&mut out, &judge_states(&home.package(model)?, merged)?)?,
    }
    writeln!(out)?;
    Ok(())
}
