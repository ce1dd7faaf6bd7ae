//! `cupola evaluate`: metrics of a published model on data that has the target.

use anyhow::Result;
use cupola_eval::Metrics;
use cupola_registry::{Home, write_file};
use cupola_spec::Source;
use serde_json::{Map, Value};

use crate::args::EvaluateArgs;
use crate::commands::session;
use crate::draw::{CollectionProgress, Ui, metric, metrics};

pub fn run(home: &Home, ui: Ui, args: &EvaluateArgs) -> Result<()> {
    let progress = CollectionProgress::new(ui);
    let session = session(home, &progress);
    let mut model = session.open_model(&args.model.selection())?;
    let rows = session.read_rows(&Source::One(args.data.clone()), &model.predictor.package.plan)?;
    let found = model.evaluate(&rows)?;
    ui.line(format!("{} on {} rows of {}", model.package.label(), found.rows, args.data));
    show_classes(ui, &found);
    ui.line(metrics(found.values.iter().map(|(n, v)| (n, *v))));
    if let Some(positive) = &found.positive {
        ui.line(format!("precision, recall and f1 are those of the positive class, `{positive}`"));
    }
    if let Some(undefined) = undefined(&found) {
        Ui::warning(undefined);
    }
    let result = as_json(&model.package.label(), &found)?;
    if let Some(folder) = &args.out {
        let path = folder.join("metrics.json");
        let mut bytes = serde_json::to_vec_pretty(&result)?;
        bytes.push(b'\n');
        write_file(&path, &bytes)?;
        ui.line(format!("written to {}", path.display()));
    }
    ui.result(&result)
}

/// Metrics in the shape in which `train` reports them, with those of each class.
fn as_json(package: &str, found: &Metrics) -> Result<Value> {
    let mut result = Map::from_iter([("package".to_owned(), package.into())]);
    for (name, value) in serde_json::from_value::<Map<String, Value>>(serde_json::to_value(found)?)? {
        let name = if name == "values" { "metrics".to_owned() } else { name };
        result.insert(name, value);
    }
    Ok(result.into())
}

/// Statement about the metric that these rows do not define; `None` if they define all.
fn undefined(found: &Metrics) -> Option<&'static str> {
    let lacks = |name: &str| !found.values.contains_key(name);
    if found.classes.len() == 2 && lacks("roc_auc") {
        return Some("`roc_auc` is undefined: all rows have one class");
    }
    (found.values.contains_key("rmse") && lacks("r2"))
        .then_some("`r2` is undefined: all rows have one value of the target")
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
