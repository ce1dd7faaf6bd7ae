//! `cupola doctor`: devices and the home folder, and the process that looks for a GPU.

use std::io::Write;

use anyhow::Result;
use cupola_registry::{Home, Index};
use cupola_workflow::{Silent, VulkanProbe};
use serde_json::json;

use crate::args::DoctorArgs;
use crate::commands::session;
use crate::draw::Ui;

pub fn run(home: &Home, ui: Ui, args: &DoctorArgs) -> Result<()> {
    let gpu = session(home, &Silent).probe_gpu();
    ui.line(format!("version   {}", env!("CARGO_PKG_VERSION")));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let vectors = cupola_runtime::SimdSupport::detect();
    let (bits, int8) = (vectors.float_bits, vectors.int8);
    ui.line(format!("cpu       flex, {threads} threads; served by vectors of {bits} bits, int8 by {int8}"));
    match &gpu {
        Ok(name) => ui.line(format!("gpu       vulkan: {name}")),
        Err(why) => ui.line(format!("gpu       none ({why})")),
    }
    ui.line(format!("home      {}", home.root().display()));
    let counts = index(home, ui, args.rebuild)?;
    ui.result(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "threads": threads,
        "vector_bits": bits,
        "int8_by": int8,
        "gpu": gpu.as_ref().ok(),
        "no_gpu_because": gpu.as_ref().err().map(ToString::to_string),
        "home": home.root(),
        "runs": counts.map(|c| c.0),
        "packages": counts.map(|c| c.1),
    }))
}

/// Shows the index, or rebuilds it; the numbers of its runs and packages.
fn index(home: &Home, ui: Ui, rebuild: bool) -> Result<Option<(usize, usize)>> {
    let leftovers = home.leftovers()?;
    if rebuild {
        for path in &leftovers {
            std::fs::remove_dir_all(path)?;
        }
        // A damaged database must not be read.
        Index::discard(home);
        let (runs, packages) = Index::open(home)?.rebuild(home)?;
        let removed = leftovers.len();
        ui.line(format!("index     rebuilt: {runs} runs, {packages} packages; {removed} leftovers removed"));
        return Ok(Some((runs, packages)));
    }
    if !home.index().exists() {
        ui.line("index     none yet");
        return Ok(None);
    }
    let mut index = Index::open(home)?;
    let (runs, packages, left) = (index.runs()?.len(), index.packages()?.len(), leftovers.len());
    ui.line(format!("index     {runs} runs, {packages} packages; {left} leftovers of killed processes"));
    Ok(Some((runs, packages)))
}

/// Prints a [`VulkanProbe`] as one line of JSON.
pub fn probe() -> Result<()> {
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&VulkanProbe::run())?)?;
    Ok(())
}
