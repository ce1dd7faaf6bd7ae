//! `cupola doctor`: devices and the home folder, and the process that looks for a GPU.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use cupola_registry::{Home, Index, Leftover, LeftoverState};
use cupola_workflow::{Silent, VulkanProbe};
use serde_json::{Value, json};

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
    ui.line(format!("home      {}", home.location().display()));
    if home.remote().is_some() {
        ui.line(format!("cache     {}", home.root().display()));
    }
    home.check()?;
    let leftovers = leftovers(home, ui, args.rebuild)?;
    let counts = index(home, ui, args.rebuild)?;
    let findings = home.findings();
    for finding in &findings {
        ui.line(format!("problem   {}: {}", shown(&finding.path), finding.problem));
    }
    let findings = findings.iter().map(|one| json!({ "path": lossy(&one.path), "problem": one.problem }));
    ui.result(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "threads": threads,
        "vector_bits": bits,
        "int8_by": int8,
        "gpu": gpu.as_ref().ok(),
        "no_gpu_because": gpu.as_ref().err().map(ToString::to_string),
        "home": lossy(home.root()),
        "runs": counts.map(|c| c.0),
        "packages": counts.map(|c| c.1),
        "leftovers": leftovers,
        "findings": findings.collect::<Vec<_>>(),
    }))
}

/// Shows what killed processes left behind, and removes what is abandoned if `remove` is set.
fn leftovers(home: &Home, ui: Ui, remove: bool) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for leftover in home.leftovers()? {
        let removed = remove && leftover.remove()?;
        let state = match leftover.state {
            _ if removed => "removed",
            LeftoverState::InUse => "in use",
            LeftoverState::Recent => "too young to be removed",
            LeftoverState::Abandoned => "abandoned; remove it with: cupola doctor --rebuild",
        };
        let Leftover { path, bytes, age, .. } = &leftover;
        ui.line(format!("leftover  {}: {bytes} bytes, {} old, {state}", shown(path), since(*age)));
        let state = state.split(';').next().unwrap_or_default();
        found.push(json!({ "path": lossy(path), "bytes": bytes, "seconds": age.as_secs(), "state": state }));
    }
    Ok(found)
}

/// Shows the index, or rebuilds it; the numbers of its runs and packages.
fn index(home: &Home, ui: Ui, rebuild: bool) -> Result<Option<(usize, usize)>> {
    if rebuild {
        // A damaged database must not be read.
        Index::discard(home);
    } else if !home.index().exists() {
        ui.line("index     none yet");
        return Ok(None);
    }
    let mut index = Index::open(home)?;
    let (runs, packages) = (index.runs()?.len(), index.packages()?.len());
    match index.unusable() {
        Some(why) => ui.line(format!("index     not usable ({why}); {runs} runs, {packages} packages")),
        None if rebuild => ui.line(format!("index     rebuilt: {runs} runs, {packages} packages")),
        None => ui.line(format!("index     {runs} runs, {packages} packages")),
    }
    Ok(Some((runs, packages)))
}

/// Path as one line, whatever is in its name.
fn shown(path: &Path) -> String {
    lossy(path).escape_debug().to_string()
}

fn lossy(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn since(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..120 => format!("{seconds} seconds"),
        120..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Prints a [`VulkanProbe`] as one line of JSON.
pub fn probe() -> Result<()> {
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&VulkanProbe::run())?)?;
    Ok(())
}
