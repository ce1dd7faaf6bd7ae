//! Data of a run: source, expectations, inferred columns, splits.

use cupola_datasets::ContractReport;
use cupola_prep::SplitPart;
use cupola_sources::SourceNote;
use cupola_spec::Run;
use cupola_workflow::{LoadedData, NetworkPlan};

use super::{Ui, grouped};

/// Shows source, version, expectations and splits, and the inferred columns if `inferred` is `true`.
pub fn show_data(ui: Ui, run: &Run, data: &LoadedData, inferred: bool) {
    let version = &data.source.version;
    let (source, rows) = (version.source.join(", "), grouped(version.rows));
    let (columns, digest) = (version.schema.len(), &version.sha256[..12]);
    ui.line(format!("data    {source}: {rows} rows, {columns} columns, version {digest}"));
    if let Some(test) = &data.test {
        let (source, rows) = (test.version.source.join(", "), grouped(test.version.rows));
        ui.line(format!("        {source}: {rows} rows for the test"));
    }
    show_notes(ui, data.notes());
    show_expectations(ui, &data.source.report);
    if inferred {
        show_findings(ui, data);
    }
    for suspicion in &data.prepared.suspicions {
        ui.line(format!("look    {suspicion}"));
    }
    let [train, valid, test] =
        [SplitPart::Train, SplitPart::Valid, SplitPart::Test].map(|part| grouped(data.prepared.rows(part)));
    let calibration = match data.prepared.rows(SplitPart::Calibrate) {
        0 => String::new(),
        rows => format!(", calibration {}", grouped(rows)),
    };
    ui.line(format!("split   train {train}, valid {valid}, test {test}{calibration} (seed {})", run.seed));
}

/// Shows the decisions of the readers.
pub fn show_notes<'a>(ui: Ui, notes: impl IntoIterator<Item = &'a SourceNote>) {
    for note in notes {
        ui.line(format!("note    {note}"));
    }
}

fn show_findings(ui: Ui, data: &LoadedData) {
    let findings = &data.prepared.findings;
    if findings.is_empty() {
        return;
    }
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

/// Shows unmet expectations, the number of met ones and the file of quarantined rows.
pub fn show_expectations(ui: Ui, report: &ContractReport) {
    for outcome in report.outcomes.iter().filter(|outcome| !outcome.met) {
        ui.line(format!("expect  {}", outcome.line()));
    }
    if !report.outcomes.is_empty() {
        let met = report.outcomes.iter().filter(|outcome| outcome.met).count();
        ui.line(format!("expect  {met} of {} conditions are met", report.outcomes.len()));
    }
    if let Some(file) = &report.file {
        ui.line(format!("        {} rows are left out: {}", report.quarantined, file.display()));
    }
}

/// Shows the layers with their shapes and parameters.
pub fn show_network(ui: Ui, network: &NetworkPlan) {
    let shape = |sizes: &[usize]| sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
    let cells = network
        .layers
        .iter()
        .map(|row| {
            let parameters = grouped(row.parameters);
            vec![row.name.clone(), row.kind.to_owned(), shape(&row.input), shape(&row.output), parameters]
        })
        .collect();
    ui.table(&["layer", "type", "in", "out", "parameters"], &[2, 3, 4], cells);
    let total: usize = network.layers.iter().map(|row| row.parameters).sum();
    ui.line(format!("parameters in all: {}", grouped(total)));
}
