//! `cupola monitor merge`: windows of several servers as those of one.

use std::io::Write;

use anyhow::Result;
use cupola_operate::merge_states;

use crate::args::MonitorMergeArgs;

/// Prints the merged state as JSON, with and without `--json`.
pub fn run(args: &MonitorMergeArgs) -> Result<()> {
    let merged = merge_states(&args.files)?;
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &merged)?;
    writeln!(out)?;
    Ok(())
}
