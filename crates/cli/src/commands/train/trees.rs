//! A run of trees: no steps, no device, the same record and the same package.

use anyhow::Result;
use cupola_prep::{FittedTarget, SplitPart, Targets};
use cupola_registry::{Home, Status};
use cupola_spec::{Run, TreesSpec};
use cupola_train::{default_objectives, metrics_from_logits};
use cupola_trees::Trees;
use serde_json::{Map, json};

use super::publish::{Made, finish};
use super::record::{create, note};
use crate::failure::Mistake;
use crate::load::Loaded;
use crate::ui::{Ui, grouped};

/// Grows trees, evaluates and publishes.
pub fn run(home: &Home, ui: Ui, run: &Run, loaded: &Loaded, spec: &TreesSpec) -> Result<()> {
    let prepared = &loaded.prepared;
    let (folder, mut record) = create(home, run, loaded)?;
    let _held = folder.hold()?;
    "trees on the CPU".clone_into(&mut record.device);
    note(home, &folder, &record)?;
    ui.line(format!("run     {} in {}", record.id, folder.path().display()));
    let plan = &prepared.plan;
    let of = |part: SplitPart| {
        let text = "trees need all rows in memory; leave `data.stream` out";
        prepared.part(part).memory().ok_or_else(|| Mistake(text.into()))
    };
    let train = of(SplitPart::Train)?;
    let width = plan.width();
    let targets: Vec<(&Targets, usize)> =
        train.targets.iter().zip(plan.targets.iter().map(FittedTarget::width)).collect();
    let mut told = |done: usize| {
        if width > 1 {
            ui.line(format!("output {done}/{width}"));
        }
    };
    let trees = match Trees::fit(spec, &train.examples, &targets, run.seed, &mut told) {
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
        let part = of(part)?;
        Ok(metrics_from_logits(plan, &default_objectives(plan), &trees.logits(&part.examples)?, &part))
    })
}
