//! `cupola doctor`: devices and the home folder, and the process that looks for a GPU.

use std::io::Write;

use anyhow::Result;
use cupola_registry::{Home, Index};
use cupola_workflow::{Silent, VulkanProbe};
use serde_json::json;

use super::session;
use crate::args::DoctorArgs;
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
    let leftovers = home.leftovers()?;
    let mut counts = None;
    if args.rebuild {
        for path in &leftovers {
            std::fs::remove_dir_all(path)?;
        }
        // A damaged database is not worth reading.
        Index::discard(home);
        let (runs, packages) = Index::open(home)?.rebuild(home)?;
        ui.line(format!(
            "index     rebuilt: {runs} runs, {packages} packages; {} leftovers removed",
            leftovers.len()
        ));
        counts = Some((runs, packages));
    } else if home.index().exists() {
        let mut index = Index::open(home)?;
        let (runs, packages) = (index.runs()?.len(), index.packages()?.len());
        ui.line(format!(
            "index     {runs} runs, {packages} packages; {} leftovers of killed processes",
            leftovers.len()
        ));
        counts = Some((runs, packages));
    } else {
        ui.line("index     none yet");
    }
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

/// Prints a [`VulkanProbe`] as one line of JSON.
pub fn probe() -> Result<()> {
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&VulkanProbe::run())?)?;
    Ok(())
}
