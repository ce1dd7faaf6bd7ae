//! Texts as token indices.

use cupola_spec::{Tokens, TokensKind};

use super::FittedInput;
use crate::error::Error;
use crate::examples::ExampleBuilder;
use crate::features::ResolvedInput;
use crate::frame::{Frame, SEND_TRAINED_COLUMNS};
use crate::text::FittedTokenizer;

/// Default size of a learned vocabulary.
const DEFAULT_VOCABULARY: usize = 8000;
/// Default number of tokens of one example.
const DEFAULT_LENGTH: usize = 128;

/// Bytes that a tokenizer needs for each byte of a text.
const TOKENIZER_BYTES: usize = 48;

/// Fits a text input: its tokenizer is learned unless the input has one.
///
/// # Errors
/// [`Error::Input`] for an input with several columns, or the error of the tokenizer.
pub(super) fn fit(resolved: &ResolvedInput, sample: &Frame) -> Result<FittedInput, Error> {
    let (input, name) = (&resolved.input, resolved.input.name.clone());
    let [column] = resolved.columns.as_slice() else {
        let why = format!(
            "expected one column of text, found {}; declare one input for each",
            resolved.columns.len()
        );
        return Err(Error::Input { input: name, why });
    };
    let spec = input.tokens.clone().unwrap_or(Tokens {
        kind: TokensKind::Bpe,
        vocabulary: DEFAULT_VOCABULARY,
        length: DEFAULT_LENGTH,
        lowercase: false,
        file: None,
    });
    let tokenizer = match &resolved.tokenizer {
        Some(learned) if spec.file.is_none() => learned.clone(),
        _ => FittedTokenizer::fit(&name, column, &spec, sample)?,
    };
    let prompt = String::new();
    Ok(FittedInput::Text { name, column: column.clone(), length: spec.length, tokenizer, prompt })
}

/// Writes the tokens of all rows, each text after the prompt. A missing text is empty.
///
/// # Errors
/// [`Error::Value`] for a text that the tokenizer rejects.
pub(super) fn apply(
    tokenizer: &FittedTokenizer,
    column: &str,
    (length, prompt): (usize, &str),
    frame: &Frame,
    out: &mut ExampleBuilder,
) -> Result<(), Error> {
    let values = frame.require(column, SEND_TRAINED_COLUMNS)?;
    let at = out.take_tokens(length);
    for row in 0..frame.rows() {
        let mut text = values.text(row).unwrap_or_default();
        if !prompt.is_empty() {
            text = format!("{prompt}{text}").into();
        }
        out.budget().check()?;
        // The tokenizer keeps offsets, words and texts of all tokens, also of those that are cut off.
        let _hold = out.budget().take_each(text.len(), TOKENIZER_BYTES)?;
        let tokens = tokenizer.encode_within(&text, length).map_err(|error| Error::Value {
            row: row + 1,
            column: column.to_owned(),
            expected: "a text".to_owned(),
            found: error.to_string(),
            remedy: "send another text".to_owned(),
        })?;
        for (offset, token) in tokens.into_iter().enumerate() {
            out.set_index(row, at + offset, token as usize);
        }
    }
    Ok(())
}
