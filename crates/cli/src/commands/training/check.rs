//! `cupola check`: everything but the training.

use anyhow::Result;
use cupola_prep::SplitPart;
use cupola_registry::Home;
use cupola_workflow::CheckReport;
use serde_json::{Value, json};

use crate::args::CheckArgs;
use crate::commands::session;
use crate::draw::{Screen, Ui};
use crate::next_step::train_command;

pub fn run(home: &Home, ui: Ui, args: &CheckArgs) -> Result<()> {
    let screen = Screen::new(ui);
    let session = session(home, &screen);
    let report = session.check(&args.config.source(&session, ui)?)?;
    if let Some((_, memory)) = &report.network {
        let mib = memory.mib();
        ui.line(format!("memory for weights, gradients, moments and one batch: about {mib:.1} MiB"));
    }
    let next = train_command(home, &args.config.words());
    ui.line(format!("ready: {next}"));
    let mut result = as_json(&report);
    result["next"] = json!([next]);
    ui.result(&result)
}

fn as_json(report: &CheckReport) -> Value {
    let CheckReport { run, data, network } = report;
    let Some((network, memory)) = network else {
        return json!({ "name": run.name, "dataset": data.source.version, "family": run.family });
    };
    let rows = |part| data.prepared.rows(part);
    json!({
        "name": run.name,
        "dataset": data.source.version,
        "expected": data.source.report,
        "inferred": data.prepared.findings,
        "notes": data.notes().map(ToString::to_string).collect::<Vec<_>>(),
        "suspicions": data.prepared.suspicions,
        "rows": { "train": rows(SplitPart::Train), "valid": rows(SplitPart::Valid), "test": rows(SplitPart::Test) },
        "layers": network.layers,
        "parameters": network.parameters,
        "memory_mib": memory.mib(),
        "batch_size": run.train.batch_size,
    })
}
