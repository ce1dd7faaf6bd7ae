//! `cupola gate`: judges a published model by the conditions of a config.

use std::fs;

use anyhow::Result;
use cupola_registry::{Home, write_file};
use cupola_workflow::{GateConditions, GateRequest, JudgedModel, gate_junit, gate_markdown, to_yaml};
use serde_json::{Value, json};

use crate::args::{GateArgs, GateFormat};
use crate::commands::session;
use crate::draw::{CollectionProgress, Ui, gate_text, show_gate};
use crate::failure::{GateBroken, UserError, of_output};

pub fn run(home: &Home, ui: Ui, args: &GateArgs) -> Result<()> {
    let progress = CollectionProgress::new(ui);
    let session = session(home, &progress);
    let conditions = args.config.as_deref().map(|path| {
        let text = fs::read_to_string(path).map_err(|error| UserError::config(path, &error))?;
        Ok::<_, UserError>(GateConditions { origin: path.display().to_string(), text })
    });
    let request = GateRequest {
        model: args.model.selection(),
        conditions: conditions.transpose()?,
        data: args.data.clone(),
    };
    let judged = session.gate(&request)?;
    match (&args.out, args.format) {
        (Some(path), _) => {
            write_file(path, formatted(&judged, args.format)?.as_bytes()).map_err(of_output("--out"))?;
            ui.line(format!("written to {}", path.display()));
        }
        (None, GateFormat::Text) => show_gate(ui, &judged.package, &judged.gate),
        // A format that was asked for is the result itself, whatever `--json` says of results.
        (None, format) if !ui.json => ui.line(formatted(&judged, format)?.trim_end()),
        (None, _) => {}
    }
    ui.result(&as_json(&judged))?;
    GateBroken::check(&judged.package, &judged.gate)
}

fn as_json(judged: &JudgedModel) -> Value {
    json!({ "package": judged.package, "passed": judged.gate.passed, "conditions": judged.gate.conditions })
}

fn formatted(judged: &JudgedModel, format: GateFormat) -> Result<String> {
    let JudgedModel { package, gate } = judged;
    Ok(match format {
        GateFormat::Text => gate_text(package, gate),
        GateFormat::Json => serde_json::to_string_pretty(&as_json(judged))? + "\n",
        GateFormat::Yaml => to_yaml(&as_json(judged))?,
        GateFormat::Junit => gate_junit(package, gate)?,
        GateFormat::Markdown => gate_markdown(package, gate),
    })
}
