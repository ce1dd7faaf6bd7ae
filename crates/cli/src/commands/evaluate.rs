//! `cupola evaluate`: a published model on data that has the target.

use anyhow::Result;
use cupola_prep::examples_with_targets;
use cupola_registry::{Home, write_file};
use cupola_spec::Source;
use cupola_train::{default_objectives, metrics_from_logits};

use crate::args::EvaluateArgs;
use crate::commands::predict;
use crate::ui::{Ui, metric, metrics};

pub fn run(home: &Home, ui: Ui, args: &EvaluateArgs) -> Result<()> {
    let (package, mut predictor) = predict::load(home, &args.model)?;
    let frame =
        predict::frame(home, ui, &Source::One(args.data.clone()), &predictor.package.plan.null_texts)?;
    let part = examples_with_targets(&predictor.package.plan, &frame)?;
    let rows: Vec<usize> = (0..part.examples.rows).collect();
    let mut logits = Vec::new();
    for chunk in rows.chunks(1024) {
        logits.extend(predictor.logits(part.examples.gather(chunk))?);
    }
    let found = metrics_from_logits(
        &predictor.package.plan,
        &default_objectives(&predictor.package.plan),
        &logits,
        &part,
    );
    ui.line(format!("{} on {} rows of {}", package.label(), found.rows, args.data));
    if !found.classes.is_empty() {
        let rows = found
            .classes
            .iter()
            .map(|c| {
                vec![
                    c.class.clone(),
                    metric(c.precision),
                    metric(c.recall),
                    metric(c.f1),
                    c.support.to_string(),
                ]
            })
            .collect();
        ui.table(&["class", "precision", "recall", "f1", "rows"], &[1, 2, 3, 4], rows);
    }
    ui.line(metrics(found.values.iter().map(|(n, v)| (n, *v))));
    if let Some(folder) = &args.out {
        let mut bytes = serde_json::to_vec_pretty(&found)?;
        bytes.push(b'\n');
        write_file(&folder.join("metrics.json"), &bytes)?;
        ui.line(format!("written to {}", folder.join("metrics.json").display()));
    }
    ui.result(&found)
}
