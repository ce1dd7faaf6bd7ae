//! `cupola evaluate --compare`: two models on the same rows.

use anyhow::Result;
use cupola_registry::Home;
use cupola_workflow::{CompareRequest, ComparedModels};
use serde_json::json;

use super::{print_form, write_files};
use crate::args::EvaluateArgs;
use crate::commands::session;
use crate::draw::{CollectionProgress, Ui, metric};
use crate::failure::UserError;

pub fn run(home: &Home, ui: Ui, args: &EvaluateArgs, data: &str, models: &[String]) -> Result<()> {
    let ((None, [first, second]) | (Some(first), [second])) = (&args.model, models) else {
        let hint = "give two models to `--compare`, or one beside `--model`";
        return Err(UserError::new("expected two models to compare", hint).into());
    };
    let progress = CollectionProgress::new(ui);
    let request = CompareRequest {
        first: args.selection(first),
        second: args.selection(second),
        data: data.to_owned(),
        options: args.options(),
    };
    let ComparedModels { comparison, evaluation } = session(home, &progress).compare_models(&request)?;
    let result = json!(comparison);
    if let Some(format) = args.format {
        print_form(format, &result, &evaluation)?;
    } else {
        ui.line(format!(
            "{} and {} on {} rows of {data}",
            comparison.first, comparison.second, comparison.rows
        ));
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), metric);
        let rows = comparison.metrics.iter().map(|found| {
            let interval = found.interval.map(|(low, high)| format!("{} to {}", metric(low), metric(high)));
            vec![
                found.name.clone(),
                number(found.first),
                number(found.second),
                number(found.difference),
                interval.unwrap_or_default(),
                found.p_value.map_or_else(|| "-".to_owned(), probability),
                found.test.clone().unwrap_or_default(),
            ]
        });
        let header = ["metric", "first", "second", "second - first", "95 % interval", "p", "test"];
        ui.table(&header, &[1, 2, 3, 5], rows.collect());
        ui.line(&comparison.verdict);
    }
    if let Some(folder) = &args.out {
        write_files(ui, folder, args.format, &result, &evaluation)?;
    }
    if args.format.is_some() { Ok(()) } else { ui.result(&result) }
}

/// A p-value with four places; a smaller one is `< 0.0001`.
fn probability(p: f64) -> String {
    if p < 1e-4 { "< 0.0001".to_owned() } else { metric(p) }
}
