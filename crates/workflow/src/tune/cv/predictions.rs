//! Predictions of each row by the model that has not seen it.

use std::path::Path;

use cupola_nn::DeviceChoice;
use cupola_prep::{
    ExamplesWithTargets, FittedTarget, FoldedRows, Frame, PredictedValue, Predictions, SplitPart, Targets,
};
use cupola_registry::Package;
use cupola_runtime::{EngineChoice, Predictor, blended_values, logits_of_blend};
use cupola_spec::TargetList;
use cupola_store::write_file;
use cupola_train::SplitOutputs;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::session::Session;
use crate::tune::ensemble::join::{CHUNK, JoinedModel};

/// Prediction of one row, a line of the file.
#[derive(Serialize)]
struct Line<'a> {
    /// Number of the row in its source, from 1.
    row: usize,
    repeat: usize,
    fold: usize,
    targets: Map<String, Value>,
    predictions: &'a Predictions,
}

/// Writes the predictions of all folds as JSON lines to `path`, and returns those of the first repeat as the outputs of all
/// rows. `packages` are those of the runs, of which each is a member of `model`.
pub(super) fn write_predictions(
    session: &Session<'_>,
    (model, packages): (&JoinedModel, &[Package]),
    (rows, exact): (&FoldedRows, &ExactTargets),
    runs: &[[usize; 2]],
    path: &Path,
) -> Result<SplitOutputs, Error> {
    let device = session.open_device(DeviceChoice::Flex)?;
    let test = rows.prepared.part(SplitPart::Test);
    let plan = &model.plan;
    let mut values: Vec<f64> = Vec::new();
    let mut file: Vec<u8> = Vec::new();
    let members = model.members.members.iter().zip(packages);
    for (((member, package), own), [repeat, fold]) in members.zip(&rows.folds).zip(runs) {
        let mut predictor = Predictor::load(package, EngineChoice::Auto, &device)?;
        let places = plan.member_places(&member.inputs)?;
        for chunk in own.chunks(CHUNK) {
            let ExamplesWithTargets { examples, targets } = test.gather(chunk)?;
            let logits = predictor.target_logits(places.examples(&examples))?;
            let predictions = predictor.package.predictions(&logits, &[])?;
            for (at, (row, predictions)) in chunk.iter().zip(&predictions).enumerate() {
                let targets = named(&plan.targets, &targets, at, exact, *row);
                let line =
                    Line { row: rows.numbers[*row], repeat: *repeat, fold: *fold, targets, predictions };
                serde_json::to_writer(&mut file, &line)?;
                file.push(b'\n');
            }
            if *repeat == 0 {
                let found = blended_values(&member.targets, &logits);
                let width = found.len() / chunk.len().max(1);
                values.resize(test.len() * width, 0.0);
                for (row, found) in chunk.iter().zip(found.chunks_exact(width.max(1))) {
                    values[row * width..(row + 1) * width].copy_from_slice(found);
                }
            }
        }
    }
    write_file(path, &file)?;
    // Metrics need the number of rows only.
    let mut examples = test.gather(&(0..test.len()).collect::<Vec<_>>())?;
    (examples.examples.dense, examples.examples.indices) = (Vec::new(), Vec::new());
    Ok(SplitOutputs { logits: logits_of_blend(&plan.targets, &values), examples })
}

/// Numbers of the targets as the source has them: training holds them in single precision.
pub(super) struct ExactTargets(Vec<Option<Vec<f64>>>);

impl ExactTargets {
    /// Numbers of the rows with these numbers in the source, from 1; none of a target whose column the source lacks.
    pub fn of(targets: &TargetList<FittedTarget>, frame: &Frame, numbers: &[usize]) -> Self {
        let column = |target: &FittedTarget| {
            let column = match target {
                FittedTarget::Number { column, .. } => frame.get(column)?,
                _ => return None,
            };
            let value = |number: &usize| column.number(number - 1).ok().flatten();
            Some(numbers.iter().map(|number| value(number).unwrap_or(f64::NAN)).collect())
        };
        Self(targets.iter().map(column).collect())
    }

    /// Exact number of a target in a row where it is the one that was trained on; else `trained` itself, as of a column
    /// that a feature has replaced.
    fn value(&self, target: usize, row: usize, trained: f64) -> f64 {
        let exact = self.0.get(target).and_then(Option::as_ref).and_then(|rows| rows.get(row));
        let is_near = |exact: &&f64| (**exact - trained).abs() <= 1e-5 * exact.abs().max(trained.abs());
        exact.filter(is_near).copied().unwrap_or(trained)
    }
}

/// Values of the targets of one row of a chunk, which is `row` among all.
fn named(
    plan: &TargetList<FittedTarget>,
    targets: &TargetList<Targets>,
    at: usize,
    exact: &ExactTargets,
    row: usize,
) -> Map<String, Value> {
    let each = plan.iter().zip(targets).enumerate().map(|(index, (target, values))| {
        let value = match (target, values) {
            (FittedTarget::Category { .. }, Targets::Class(classes)) => {
                let class = classes.get(at).and_then(|class| usize::try_from(*class).ok());
                class.map(|class| target.class_value(class))
            }
            (FittedTarget::Number { shift, factor, .. }, Targets::Number(numbers)) => {
                let trained = numbers.get(at).map(|number| f64::from(*number) / factor + shift);
                trained.map(|trained| PredictedValue::Number(exact.value(index, row, trained)))
            }
            _ => None,
        };
        let value = value.and_then(|value| serde_json::to_value(value).ok()).unwrap_or_default();
        (target.name().to_owned(), value)
    });
    each.collect()
}
