//! Texts for language modelling: all rows as one stream of tokens, cut into windows.

use cupola_spec::TargetList;

use crate::error::Error;
use crate::examples::Examples;
use crate::frame::Frame;
use crate::plan::Plan;
use crate::prepare::Labelled;
use crate::target::Targets;
use crate::transform::{FittedInput, SEND};

/// Windows of the text's `length`, one after the other, each with the token that follows each of its
/// tokens. Rows are joined by a line break; what does not fill the last window is left out.
///
/// # Errors
/// Fewer tokens than one window has.
pub fn windows(plan: &Plan, frame: &Frame) -> Result<Labelled, Error> {
    let [FittedInput::Text { name, column, length, tokenizer }] = plan.inputs.as_slice() else {
        let why = "a language model has one input, a text; the plan is of another model".to_owned();
        return Err(Error::Input { input: plan.targets.first().name().to_owned(), why });
    };
    let wrong = |why: String| Error::Input { input: name.clone(), why };
    let values = frame.require(column, SEND)?;
    let mut stream: Vec<i32> = Vec::new();
    for row in 0..frame.rows() {
        let text = values.text(row).unwrap_or_default().into_owned() + "\n";
        let tokens = tokenizer.encode(&text).map_err(|why| wrong(format!("row {}: {why}", row + 1)))?;
        stream.extend(tokens.into_iter().map(|token| i32::try_from(token).unwrap_or(i32::MAX)));
    }
    let count = stream.len().saturating_sub(1) / length;
    if count == 0 && frame.rows() > 0 {
        let (rows, found) = (frame.rows(), stream.len());
        return Err(wrong(format!(
            "{rows} rows have {found} tokens, one window needs {}; lower `length` or add text",
            length + 1
        )));
    }
    let mut examples = Examples::zeros(plan.layout(), count);
    examples.indices.copy_from_slice(&stream[..count * length]);
    let next = if count == 0 { Vec::new() } else { stream[1..=count * length].to_vec() };
    let targets = Targets::Tokens { length: *length, next };
    Ok(Labelled { examples, targets: TargetList::single(targets) })
}
