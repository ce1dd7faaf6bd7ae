//! Measures of the pictures of a request.

use std::collections::HashMap;

use cupola_prep::{FittedInput, Frame, PictureMeasures, Plan};
use cupola_runtime::PredictInput;

/// Pictures of a request that are measured.
const MOST_FILES: usize = 2;
/// Largest files of pictures that are measured, in bytes of a request together.
const MOST_BYTES: usize = 4 << 20;

/// The first rows of a request, only with the columns of pictures in files; `None` without any, and for large files.
pub(super) fn file_rows(input: &PredictInput, plan: &Plan) -> Option<Frame> {
    let PredictInput::Frame(frame) = input else { return None };
    let rows: Vec<usize> = (0..frame.rows().min(MOST_FILES)).collect();
    let files = plan.inputs.iter().filter(|input| input.reads_files());
    let names: Vec<&str> = files.filter_map(|input| Some(input.picture_names()?.0)).collect();
    if names.is_empty() {
        return None;
    }
    let taken = frame.take(&rows);
    let mut few = Frame::default();
    for name in names {
        few = few.with(name, taken.get(name)?.clone());
    }
    (few.rows() > 0 && few.memory_bytes() <= MOST_BYTES).then_some(few)
}

/// Measures of pictures by the names of their columns in a profile: those of files in `files`, and those of pixels in `input`.
pub(super) fn measured(
    input: &PredictInput,
    files: Option<&Frame>,
    plan: &Plan,
) -> HashMap<String, Vec<Option<f64>>> {
    let mut measures = HashMap::new();
    for picture in &plan.inputs {
        let Some((column, names)) = picture.picture_names() else { continue };
        let found = if picture.reads_files() {
            files.map(|files| of_frame(picture, files)).unwrap_or_default()
        } else {
            match input {
                PredictInput::Frame(frame) => of_frame(picture, frame),
                _ => Vec::new(),
            }
        };
        for (at, name) in names.iter().enumerate() {
            let values = found.iter().map(|own| own.and_then(|own| own.values().nth(at)));
            measures.insert(format!("{column} {name}"), values.collect());
        }
    }
    measures
}

fn of_frame(picture: &FittedInput, frame: &Frame) -> Vec<Option<PictureMeasures>> {
    (0..frame.rows()).map(|row| picture.picture_measures(frame, row)).collect()
}
