//! Examples of a language model: all texts as one stream of tokens, cut into windows.

use cupola_spec::TargetList;

use crate::error::Error;
use crate::examples::{Examples, ExamplesWithTargets, Targets};
use crate::frame::{Frame, SEND_TRAINED_COLUMNS};
use crate::plan::Plan;
use crate::transform::FittedInput;

/// Encodes consecutive windows of `length` tokens, each with the token that follows each of its tokens. Texts are
/// joined by line breaks; tokens that do not fill the last window are left out.
///
/// # Errors
/// [`Error::Input`] if there are fewer tokens than one window requires or the tokenizer rejects a text.
pub(super) fn encode(plan: &Plan, frame: &Frame) -> Result<ExamplesWithTargets, Error> {
    let [FittedInput::Text { name, column, length, tokenizer, .. }] = plan.inputs.as_slice() else {
        let why = "a language model requires one input of kind `text`; this plan has others".to_owned();
        return Err(Error::Input { input: plan.targets.first().name().to_owned(), why });
    };
    let invalid = |why: String| Error::Input { input: name.clone(), why };
    let values = frame.require(column, SEND_TRAINED_COLUMNS)?;
    let mut stream: Vec<i32> = Vec::new();
    for row in 0..frame.rows() {
        let text = values.text(row).unwrap_or_default().into_owned() + "\n";
        let tokens = tokenizer.encode(&text).map_err(|error| Error::Value {
            row: row + 1,
            column: column.clone(),
            expected: "a text that the tokenizer takes".to_owned(),
            found: error.to_string(),
            remedy: "change the text".to_owned(),
        })?;
        stream.extend(tokens.into_iter().map(|token| i32::try_from(token).unwrap_or(i32::MAX)));
    }
    let windows = stream.len().saturating_sub(1) / length;
    if windows == 0 && frame.rows() > 0 {
        return Err(invalid(format!(
            "{} rows have {} tokens, but one window requires {}; lower `length` or add text",
            frame.rows(),
            stream.len(),
            length + 1
        )));
    }
    let mut examples = Examples::zeros(plan.layout(), windows);
    examples.indices.copy_from_slice(&stream[..windows * length]);
    let next = if windows == 0 { Vec::new() } else { stream[1..=windows * length].to_vec() };
    let targets = Targets::Tokens { length: *length, next };
    Ok(ExamplesWithTargets { examples, targets: TargetList::single(targets) })
}
