//! `cupola evaluate`: how good a published model is on data that has the target, and whether another one is better.

mod compare;
mod published;

use std::path::Path;

use anyhow::Result;
use cupola_eval::Metrics;
use cupola_registry::{Home, write_file};
use cupola_report::{Evaluation, Metric};
use cupola_workflow::{
    EvaluatedModel, EvaluationOptions, ModelSelection, evaluation_json, evaluation_junit, explanation_json,
    sealed_document, to_yaml, write_page,
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::args::{EvaluateArgs, EvaluationFormat};
use crate::commands::session;
use crate::draw::{CollectionProgress, Ui, metric};
use crate::failure::{UserError, of_output};

/// Seed of the resamples, so that the same rows have the same intervals.
const SEED: u64 = 0;
/// Groups of a column that are shown.
const GROUPS: usize = 20;
/// Resamples below which there is no interval.
const FEWEST: u32 = 100;

pub fn run(home: &Home, ui: Ui, args: &EvaluateArgs) -> Result<()> {
    if (1..FEWEST).contains(&args.resamples) {
        let hint = "give at least 100, or 0 for no intervals";
        return Err(UserError::new("too few `--resamples` for an interval", hint).into());
    }
    match (&args.data, args.compare.as_slice()) {
        (Some(data), []) => on_rows(home, ui, args, data),
        (Some(data), models) => compare::run(home, ui, args, data, models),
        (None, _) => published::run(home, ui, args),
    }
}

impl EvaluateArgs {
    fn selection(&self, model: &str) -> ModelSelection {
        ModelSelection { reference: model.to_owned(), engine: self.engine, device: self.device.device }
    }

    /// The model of `--model`, which clap requires without `--compare`.
    fn reference(&self) -> &str {
        self.model.as_deref().unwrap_or_default()
    }

    fn options(&self) -> EvaluationOptions {
        let mut subgroups: Vec<String> = Vec::new();
        for column in &self.subgroups {
            if !subgroups.contains(column) {
                subgroups.push(column.clone());
            }
        }
        EvaluationOptions {
            subgroups,
            min_support: self.min_support as usize,
            resamples: self.resamples as usize,
            seed: SEED,
        }
    }
}

fn on_rows(home: &Home, ui: Ui, args: &EvaluateArgs, data: &str) -> Result<()> {
    let progress = CollectionProgress::new(ui);
    let session = session(home, &progress);
    let mut model = session.open_model(&args.selection(args.reference()))?;
    let found = session.evaluate_model(&mut model, data, &args.options())?;
    let EvaluatedModel { package, metrics, evaluation } = &found;
    for (name, why) in &metrics.undefined {
        Ui::warning(&format!("`{name}` is undefined: {why}"));
    }
    let result = as_json(&found)?;
    if let Some(format) = args.format {
        print_form(format, &result, evaluation)?;
    } else {
        ui.line(format!("{package} on {} rows of {data}", metrics.rows));
        show_classes(ui, metrics);
        for target in evaluation.splits.iter().flat_map(|split| &split.targets) {
            show_metrics(ui, &target.metrics);
            show_subgroups(ui, target);
        }
        if let Some(positive) = &metrics.positive {
            ui.line(format!("precision, recall and f1 are those of the positive class, `{positive}`"));
        }
    }
    if let Some(folder) = &args.out {
        write_files(ui, folder, args.format, &result, evaluation)?;
    }
    if args.format.is_some() { Ok(()) } else { ui.result(&result) }
}

/// Metrics in the shape in which `train` reports them, with those of each class, intervals, subgroups and slices.
fn as_json(found: &EvaluatedModel) -> Result<Value> {
    let mut result = Map::from_iter([("package".to_owned(), found.package.as_str().into())]);
    for (name, value) in serde_json::from_value::<Map<String, Value>>(serde_json::to_value(&found.metrics)?)?
    {
        let name = if name == "values" { "metrics".to_owned() } else { name };
        result.insert(name, value);
    }
    for split in &found.evaluation.splits {
        result.extend(evaluation_json(split)?);
        result.extend(explanation_json(split)?);
    }
    result.insert("evaluation".to_owned(), sealed_document(&found.evaluation)?);
    Ok(result.into())
}

/// Prints an evaluation on standard output.
fn print_form(format: EvaluationFormat, result: &impl Serialize, evaluation: &Evaluation) -> Result<()> {
    let text = form(format, result, evaluation)?;
    Ui { json: false }.line(text.trim_end());
    Ok(())
}

fn form(format: EvaluationFormat, result: &impl Serialize, evaluation: &Evaluation) -> Result<String> {
    Ok(match format {
        EvaluationFormat::Json => serde_json::to_string_pretty(result)?,
        EvaluationFormat::Yaml => to_yaml(result)?,
        EvaluationFormat::Markdown => cupola_report::markdown(evaluation),
        EvaluationFormat::Junit => evaluation_junit(evaluation)?,
    })
}

/// Writes `metrics.json`, the page, and the form that was asked for.
fn write_files(
    ui: Ui,
    folder: &Path,
    format: Option<EvaluationFormat>,
    result: &impl Serialize,
    evaluation: &Evaluation,
) -> Result<()> {
    write_json(ui, folder, result)?;
    let name = match format {
        None | Some(EvaluationFormat::Json) => None,
        Some(EvaluationFormat::Yaml) => Some("metrics.yaml"),
        Some(EvaluationFormat::Markdown) => Some("report.md"),
        Some(EvaluationFormat::Junit) => Some("junit.xml"),
    };
    if let Some((name, format)) = name.zip(format) {
        write_file(&folder.join(name), form(format, result, evaluation)?.as_bytes())
            .map_err(of_output("--out"))?;
    }
    let page = write_page(folder, evaluation)?;
    ui.line(format!("report  {}", page.display()));
    Ok(())
}

fn write_json(ui: Ui, folder: &Path, result: &impl Serialize) -> Result<()> {
    let path = folder.join("metrics.json");
    let mut bytes = serde_json::to_vec_pretty(result)?;
    bytes.push(b'\n');
    write_file(&path, &bytes).map_err(of_output("--out"))?;
    ui.line(format!("written to {}", path.display()));
    Ok(())
}

fn show_metrics(ui: Ui, metrics: &[Metric]) {
    let rows = metrics.iter().filter_map(|found| {
        let interval = found.interval.map(|(low, high)| format!("{} to {}", metric(low), metric(high)));
        Some(vec![found.name.clone(), metric(found.value?), interval.unwrap_or_default()])
    });
    ui.table(&["metric", "value", "95 % interval"], &[1], rows.collect());
}

/// Groups of single columns, and the gaps between them; crossed groups are in the JSON and the report.
fn show_subgroups(ui: Ui, target: &cupola_report::TargetEvaluation) {
    show_groups(ui, target);
    show_gaps(ui, target);
}

fn show_groups(ui: Ui, target: &cupola_report::TargetEvaluation) {
    for table in target.subgroups.iter().filter(|table| table.columns.len() == 1) {
        let Some(first) = table.groups.first() else { continue };
        let names = first.metrics.iter().map(|metric| metric.name.as_str());
        let header: Vec<&str> = [table.columns[0].as_str(), "rows"].into_iter().chain(names).collect();
        let rows = table.groups.iter().take(GROUPS).map(|group| {
            let values = group.metrics.iter().map(|found| found.value.map_or_else(|| "-".to_owned(), metric));
            [group.values.join(" x "), group.rows.to_string()].into_iter().chain(values).collect()
        });
        let numbers: Vec<usize> = (1..header.len()).collect();
        ui.table(&header, &numbers, rows.collect());
        let further = table.groups.len().saturating_sub(GROUPS) as u64 + table.left_out;
        if further > 0 {
            ui.line(format!("{further} further groups are not shown"));
        }
    }
}

fn show_gaps(ui: Ui, target: &cupola_report::TargetEvaluation) {
    let single = target.subgroups.iter().filter(|table| table.columns.len() == 1);
    let rows = single.flat_map(|table| {
        table.gaps.iter().map(|gap| {
            let value = gap.value.map_or_else(|| "undefined".to_owned(), metric);
            vec![table.columns.join(" x "), table.groups.len().to_string(), gap.name.clone(), value]
        })
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if !rows.is_empty() {
        ui.table(&["subgroups", "groups", "gap", "value"], &[1, 3], rows);
    }
}

fn show_classes(ui: Ui, found: &Metrics) {
    if found.classes.is_empty() {
        return;
    }
    let rows = found
        .classes
        .iter()
        .map(|c| {
            let [precision, recall, f1] = [c.precision, c.recall, c.f1].map(metric);
            vec![c.class.clone(), precision, recall, f1, c.support.to_string()]
        })
        .collect();
    ui.table(&["class", "precision", "recall", "f1", "rows"], &[1, 2, 3, 4], rows);
}
