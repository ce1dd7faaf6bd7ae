//! `cupola evaluate` without rows: the numbers that a model was published with.

use anyhow::Result;
use cupola_registry::Home;
use cupola_report::Evaluation;
use cupola_workflow::PublishedMetrics;
use serde_json::Value;

use super::{print_form, show_metrics, show_subgroups, write_json};
use crate::args::EvaluateArgs;
use crate::commands::session;
use crate::draw::{CollectionProgress, Ui, metrics};

pub fn run(home: &Home, ui: Ui, args: &EvaluateArgs) -> Result<()> {
    let progress = CollectionProgress::new(ui);
    let PublishedMetrics { package, metrics: found, report } =
        session(home, &progress).published_metrics(args.reference())?;
    let evaluation = found.get("evaluation").cloned().map(serde_json::from_value::<Evaluation>);
    let mut evaluation = evaluation.transpose()?.unwrap_or_default();
    evaluation.model.package.clone_from(&package);
    if let Some(format) = args.format {
        print_form(format, &found, &evaluation)?;
    } else {
        ui.line(format!("{package} as it was published; give --data to evaluate it on rows"));
        show(ui, &found, &evaluation);
    }
    if let Some(folder) = &args.out {
        write_json(ui, folder, &found)?;
        match &report {
            Some(page) => {
                cupola_registry::write_file(&folder.join("report.html"), &std::fs::read(page)?)?;
                ui.line(format!("report  {}", folder.join("report.html").display()));
            }
            None => ui.line("no report: the run that published the model is not in this home folder"),
        }
    } else if let Some(page) = report.filter(|_| args.format.is_none()) {
        ui.line(format!("report  {}", page.display()));
    }
    if args.format.is_some() { Ok(()) } else { ui.result(&found) }
}

/// Metrics of each split. A package of an earlier version has values alone.
fn show(ui: Ui, found: &Value, evaluation: &Evaluation) {
    for split in &evaluation.splits {
        ui.line(format!("{} ({} rows)", split.split, split.rows));
        for target in &split.targets {
            show_metrics(ui, &target.metrics);
            show_subgroups(ui, target);
        }
    }
    if evaluation.splits.is_empty() {
        for (name, split) in found["splits"].as_object().into_iter().flatten() {
            let values = split["values"].as_object().into_iter().flatten();
            let values = metrics(values.filter_map(|(name, value)| Some((name, value.as_f64()?))));
            ui.line(format!("{name:<8}{values}"));
        }
    }
}
