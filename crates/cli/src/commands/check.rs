//! `cupola check`: everything but the training.

use anyhow::Result;
use cupola_prep::SplitPart;
use cupola_registry::Home;
use cupola_spec::{Run, ShapeRow};
use cupola_train::architecture;
use serde_json::json;

use crate::args::CheckArgs;
use crate::commands::data::report;
use crate::load::{self, Loaded};
use crate::memory::Memory;
use crate::ui::{Ui, grouped};

pub fn run(home: &Home, ui: Ui, args: &CheckArgs) -> Result<()> {
    let mut run = load::config(home, &args.config, &args.set)?;
    let loaded = load::data(home, ui, &run, Some(&args.config))?;
    show_data(ui, &run, &loaded);
    if run.trees.is_some() {
        ui.line(format!("ready: cupola train --config {}", args.config.display()));
        return ui
            .result(&json!({ "name": run.name, "dataset": loaded.source.version, "family": run.family }));
    }
    let architecture = architecture(&run, &loaded.prepared.plan)?;
    let rows = architecture.table()?;
    show_layers(ui, &rows);
    let parameters = architecture.parameters()?;
    let mut memory = Memory::of(&run, &rows, parameters);
    if memory.sizes_batch(&mut run, loaded.prepared.rows(SplitPart::Train), false) {
        ui.line(format!("batch of {} examples, as the memory of this machine allows", run.train.batch_size));
        memory = Memory::of(&run, &rows, parameters);
    }
    let mib = memory.mib();
    ui.line(format!("memory for weights, gradients, moments and one batch: about {mib:.1} MiB"));
    ui.line(format!("ready: cupola train --config {}", args.config.display()));
    ui.result(&json!({
        "name": run.name,
        "dataset": loaded.source.version,
        "expected": loaded.source.report,
        "inferred": loaded.prepared.findings,
        "suspicions": loaded.prepared.suspicions,
        "rows": { "train": loaded.prepared.rows(SplitPart::Train), "valid": loaded.prepared.rows(SplitPart::Valid),
                  "test": loaded.prepared.rows(SplitPart::Test) },
        "layers": rows,
        "parameters": parameters,
        "memory_mib": mib,
        "batch_size": run.train.batch_size,
    }))
}

/// Source, version, what was inferred, splits.
pub fn show_data(ui: Ui, run: &Run, loaded: &Loaded) {
    let version = &loaded.source.version;
    let columns = version.schema.len();
    ui.line(format!(
        "data    {}: {} rows, {columns} columns, version {}",
        version.source.join(", "),
        grouped(version.rows),
        &version.sha256[..12]
    ));
    if let Some(test) = &loaded.test {
        let version = &test.version;
        ui.line(format!(
            "        {}: {} rows for the test",
            version.source.join(", "),
            grouped(version.rows)
        ));
    }
    report(ui, &loaded.source.report);
    let findings = &loaded.prepared.findings;
    if !findings.is_empty() {
        ui.line("inferred from the data (declare `[[inputs]]` to change it):");
        let rows = findings
            .iter()
            .map(|f| {
                let (distinct, missing) = (grouped(f.distinct), grouped(f.missing));
                vec![f.column.clone(), f.kind.clone(), distinct, missing, f.note.clone()]
            })
            .collect();
        ui.table(&["column", "kind", "distinct", "missing", "note"], &[2, 3], rows);
    }
    for suspicion in &loaded.prepared.suspicions {
        ui.line(format!("look    {suspicion}"));
    }
    let [train, valid, test] =
        [SplitPart::Train, SplitPart::Valid, SplitPart::Test].map(|part| grouped(loaded.prepared.rows(part)));
    ui.line(format!("split   train {train}, valid {valid}, test {test} (seed {})", run.seed));
}

/// The layer table.
pub fn show_layers(ui: Ui, rows: &[ShapeRow]) {
    let cells = rows
        .iter()
        .map(|row| {
            let shape = |s: &[usize]| s.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
            let parameters = grouped(row.parameters);
            vec![row.name.clone(), row.kind.to_owned(), shape(&row.input), shape(&row.output), parameters]
        })
        .collect();
    ui.table(&["layer", "type", "in", "out", "parameters"], &[2, 3, 4], cells);
    let total: usize = rows.iter().map(|row| row.parameters).sum();
    ui.line(format!("parameters in all: {}", grouped(total)));
}
