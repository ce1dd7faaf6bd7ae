//! The end of a run: evaluated, sealed, published.

use anyhow::Result;
use cupola_eval::Metrics;
use cupola_prep::{Prepared, Signature, SplitPart};
use cupola_registry::{Home, Lineage, Package, PackageContents, RunFolder, RunRecord, Status, publish};
use cupola_spec::Run;
use serde_json::{Map, Value, json};

use super::CODE_VERSION;
use super::record::{index, note};
use crate::ui::{Ui, metrics};

/// What a run has made.
pub struct Made<'a> {
    /// The run.
    pub run: &'a Run,
    /// Its data.
    pub prepared: &'a Prepared,
    /// Its folder.
    pub folder: &'a RunFolder,
    /// `model.safetensors`
    pub model: Vec<u8>,
    /// `config.json`
    pub config: Value,
    /// What metrics.json says beside the metrics.
    pub about: Map<String, Value>,
}

/// Evaluates on valid and test, publishes and says what to do next.
pub fn finish(
    home: &Home,
    ui: Ui,
    made: &Made<'_>,
    mut record: RunRecord,
    mut score: impl FnMut(SplitPart) -> Result<Metrics>,
) -> Result<()> {
    let mut splits = Map::new();
    for (name, part) in [("valid", SplitPart::Valid), ("test", SplitPart::Test)] {
        if made.prepared.rows(part) > 0 {
            splits.insert(name.to_owned(), serde_json::to_value(score(part)?)?);
        }
    }
    let mut all = made.about.clone();
    all.insert("splits".to_owned(), Value::Object(splits.clone()));
    let all = Value::Object(all);
    made.folder.write("metrics.json", &all)?;
    let test: Metrics = splits
        .get("test")
        .or(splits.get("valid"))
        .map_or(Ok(Metrics::default()), |m| serde_json::from_value(m.clone()))?;
    let values: Map<String, Value> = test.values.iter().map(|(n, v)| (n.clone(), (*v).into())).collect();
    let package = seal(home, made, &record, &all, &values)?;
    record.status = Status::Finished;
    record.package = Some(package.label());
    record.metrics = values;
    note(home, made.folder, &record)?;
    index(ui, home, |index| index.package(home, &package));
    ui.line(format!("test    {}", metrics(test.values.iter().map(|(n, v)| (n, *v)))));
    ui.line(format!("model   {} in {}", package.label(), package.path.display()));
    ui.line(format!("next    cupola serve --model {}", package.manifest.name));
    let mut result = made.about.clone();
    result.extend([
        ("run".to_owned(), json!(record.id)),
        ("package".to_owned(), json!(package.label())),
        ("path".to_owned(), json!(package.path)),
        ("device".to_owned(), json!(record.device)),
        ("metrics".to_owned(), json!(record.metrics)),
    ]);
    ui.result(&Value::Object(result))
}

fn seal(
    home: &Home,
    made: &Made<'_>,
    record: &RunRecord,
    all_metrics: &Value,
    values: &Map<String, Value>,
) -> Result<Package> {
    let plan = &made.prepared.plan;
    let config = serde_json::to_vec_pretty(&made.config)?;
    let plan_json = serde_json::to_vec_pretty(plan)?;
    let metrics = serde_json::to_vec_pretty(all_metrics)?;
    let files: [(&str, &[u8]); 4] = [
        ("model.safetensors", &made.model),
        ("config.json", &config),
        ("plan.json", &plan_json),
        ("metrics.json", &metrics),
    ];
    let dataset = record.dataset["sha256"].as_str().unwrap_or_default().to_owned();
    Ok(publish(
        home,
        &PackageContents {
            name: &made.run.name,
            files: &files,
            signature: serde_json::to_value(Signature::of(plan))?,
            lineage: Lineage {
                run: record.id.clone(),
                dataset_version: dataset,
                config_sha256: record.config_sha256.clone(),
                code_version: CODE_VERSION.to_owned(),
                parent: made.run.start.as_ref().map(|start| start.package.clone()),
            },
            metrics: values.clone(),
        },
    )?)
}
