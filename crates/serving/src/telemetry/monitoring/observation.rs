//! Rows and logits of a request, on their way to the sketches.

use std::sync::Arc;

use cupola_monitor::ColumnRole;
use cupola_monitor::sketch::{ColumnSketch, SketchColumn, SketchKind, SketchLayout, SketchTable};
use cupola_prep::{Column, ColumnType, Frame, PredictedValue, Predictions, Signature, number_text};
use cupola_runtime::{LoadedPackage, PredictInput};

use super::pictures::{file_rows, measured};
use super::version::VersionMonitor;

/// Most rows of a request that are observed; of more, evenly spaced ones.
const MOST_ROWS: usize = 1024;

/// Rows and logits of a request that was answered.
pub(crate) struct Observation {
    /// Monitoring of the version that answered it.
    pub monitor: Arc<VersionMonitor>,
    model: Arc<LoadedPackage>,
    input: PredictInput,
    /// Few rows with the files of pictures; `None` without any.
    files: Option<Frame>,
    logits: Vec<f32>,
    references: Vec<f32>,
}

impl Observation {
    /// Takes what is observed of a request: no files, and a sample of many rows.
    pub fn new(
        monitor: Arc<VersionMonitor>,
        model: Arc<LoadedPackage>,
        input: PredictInput,
        (logits, references): (Vec<f32>, Vec<f32>),
    ) -> Self {
        if let Ok(embeddings) = &monitor.embeddings {
            embeddings.offer(&input);
        }
        let signature = &model.signature;
        let files = file_rows(&input, &model.plan);
        let input = without_files(input, signature);
        let (rows, examples) = (input.rows(signature.inputs.len()), logits.len() / model.plan.width().max(1));
        if rows > MOST_ROWS && rows == examples {
            let chosen: Vec<usize> = (0..rows).step_by(rows.div_ceil(MOST_ROWS)).collect();
            let (logits, references) = (picked(&logits, rows, &chosen), picked(&references, rows, &chosen));
            let input = match input {
                PredictInput::Frame(frame) => PredictInput::Frame(frame.take(&chosen)),
                PredictInput::Floats(values) => PredictInput::Floats(picked(&values, rows, &chosen)),
                PredictInput::Tokens(_) => PredictInput::Tokens(Vec::new()),
            };
            return Self { monitor, model, input, files, logits, references };
        }
        Self { monitor, model, input, files, logits, references }
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        let input = match &self.input {
            PredictInput::Frame(frame) => frame.memory_bytes(),
            PredictInput::Floats(values) => values.len() * size_of::<f32>(),
            PredictInput::Tokens(texts) => texts.iter().map(|text| text.len() * size_of::<u32>()).sum(),
        };
        let files = self.files.as_ref().map_or(0, Frame::memory_bytes);
        input + files + (self.logits.len() + self.references.len()) * size_of::<f32>()
    }

    /// Adds rows and predictions to the sketches.
    pub fn add_to(&self, layout: &SketchLayout, table: &mut SketchTable) {
        let Self { model, .. } = self;
        let signature = &model.signature;
        let predictions = model.predictions(&self.logits, &self.references).unwrap_or_default();
        // Rows of files have only predictions, and windows of rows have fewer of them than rows.
        let rows = self.input.rows(signature.inputs.len()).max(predictions.len());
        table.rows += rows as u64;
        let measures = measured(&self.input, self.files.as_ref(), &model.plan);
        for (column, sketch) in layout.columns.iter().zip(&mut table.columns) {
            if let Some(values) = measures.get(&column.name).filter(|_| column.role == ColumnRole::Input) {
                for value in values {
                    sketch.add_number(column, *value);
                }
                continue;
            }
            match (column.role, &self.input) {
                (ColumnRole::Input, PredictInput::Frame(frame)) => {
                    add_column(column, sketch, frame, layout.shows_values);
                }
                (ColumnRole::Input, PredictInput::Floats(values)) => {
                    let width = signature.inputs.len().max(1);
                    let at = signature.inputs.iter().position(|input| input.name == column.name);
                    for row in at.into_iter().flat_map(|at| values.iter().skip(at).step_by(width)) {
                        sketch.add_single(column, *row);
                    }
                }
                // Tokens have no text to measure.
                (ColumnRole::Input, PredictInput::Tokens(_)) | (ColumnRole::Target, _) => {}
                (ColumnRole::Prediction | ColumnRole::Probability, _) => {
                    add_predictions(column, sketch, &predictions, layout.shows_values);
                }
            }
        }
    }
}

/// Rows of `values`, which has the same number of values for each of `rows` rows.
fn picked(values: &[f32], rows: usize, chosen: &[usize]) -> Vec<f32> {
    let width = values.len() / rows.max(1);
    chosen.iter().flat_map(|row| &values[row * width..(row + 1) * width]).copied().collect()
}

/// Files are not observed but by a few measures, and are most of the memory of a request.
fn without_files(input: PredictInput, signature: &Signature) -> PredictInput {
    let PredictInput::Frame(mut frame) = input else { return input };
    let files = signature.inputs.iter().filter(|input| input.kind == ColumnType::File);
    for file in files.filter(|_| signature.inputs.len() > 1) {
        frame = frame.without(&file.name);
    }
    if let [only] = signature.inputs.as_slice()
        && only.kind == ColumnType::File
    {
        return PredictInput::Tokens(Vec::new());
    }
    PredictInput::Frame(frame)
}

/// Adds the values of an input. A column that the request leaves out is missing in each of its rows; so is a text in a
/// column of numbers, as in the reference.
fn add_column(column: &SketchColumn, sketch: &mut ColumnSketch, frame: &Frame, shows_values: bool) {
    let Some(values) = frame.get(&column.name) else {
        for _ in 0..frame.rows() {
            sketch.add_number(column, None);
            sketch.add_text(column, None, shows_values);
        }
        return;
    };
    match (column.kind(), values) {
        (SketchKind::Number, _) => {
            for row in 0..values.len() {
                sketch.add_number(column, values.number(row).unwrap_or_default());
            }
        }
        (_, Column::Bytes(_)) => {}
        (SketchKind::Category | SketchKind::Text, _) => {
            for row in 0..values.len() {
                sketch.add_text(column, values.text(row).as_deref(), shows_values);
            }
        }
    }
}

fn add_predictions(
    column: &SketchColumn,
    sketch: &mut ColumnSketch,
    predictions: &[Predictions],
    shows_values: bool,
) {
    for prediction in predictions.iter().filter_map(|row| row.get(&column.name)) {
        if let Some(class) = &column.class {
            if let Some(probability) = prediction.probabilities.as_ref().and_then(|all| all.get(class)) {
                sketch.add_number(column, Some(f64::from(*probability)));
            }
            continue;
        }
        let is_number = column.kind() == SketchKind::Number;
        let mut add_text = |text: &str| sketch.add_text(column, Some(text), shows_values);
        match &prediction.value {
            PredictedValue::Text(text) => add_text(text),
            PredictedValue::Integer(class) if !is_number => add_text(&class.to_string()),
            PredictedValue::Number(class) if !is_number => add_text(&number_text(*class)),
            #[allow(clippy::cast_precision_loss, reason = "classes are small numbers")]
            PredictedValue::Integer(value) => sketch.add_number(column, Some(*value as f64)),
            PredictedValue::Number(value) => sketch.add_number(column, Some(*value)),
            // Each step of a forecast counts, as in the reference.
            PredictedValue::Numbers(values) => {
                for value in values {
                    sketch.add_number(column, Some(*value));
                }
            }
        }
    }
}
