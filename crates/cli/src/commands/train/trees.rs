//! A run of trees: no steps, no device, the same record and the same package.

use anyhow::Result;
use cupola_prep::Part;
use cupola_registry::{Home, Status};
use cupola_spec::{Boosting, Run};
use cupola_train::{loss_of, metrics_of};
use cupola_trees::Boosted;
use serde_json::{Map, json};

use super::publish::{Made, finish};
use super::record::{create, note};
use crate::load::Loaded;
use crate::ui::{Ui, grouped};

/// Grows trees, evaluates and publishes.
pub fn run(home: &Home, ui: Ui, run: &Run, loaded: &Loaded, spec: &Boosting) -> Result<()> {
    let prepared = &loaded.prepared;
    let (folder, mut record) = create(home, run, loaded)?;
    let _held = folder.hold()?;
    "trees on the CPU".clone_into(&mut record.device);
    note(home, &folder, &record)?;
    ui.line(format!("run     {} in {}", record.id, folder.path().display()));
    let (target, train) = (&prepared.plan.target, prepared.part(Part::Train));
    let width = target.width();
    let mut told = |done: usize| {
        if width > 1 {
            ui.line(format!("class {done}/{width}"));
        }
    };
    let trees = match Boosted::fit(spec, &train.examples, &train.targets, width, run.seed, &mut told) {
        Ok(trees) => trees,
        Err(error) => {
            record.status = Status::Failed;
            // The first error is the one to tell.
            let _ = note(home, &folder, &record);
            return Err(error.into());
        }
    };
    ui.line(format!("grown   {} trees", grouped(trees.trees())));
    let made = Made {
        run,
        prepared,
        folder: &folder,
        model: trees.to_safetensors()?,
        config: json!({ "family": run.family, "trees": { "width": width, "columns": prepared.plan.layout() } }),
        about: Map::from_iter([("trees".to_owned(), json!(trees.trees()))]),
    };
    finish(home, ui, &made, record, |part| {
        let part = prepared.part(part);
        Ok(metrics_of(target, loss_of(target), &trees.logits(&part.examples)?, part))
    })
}
