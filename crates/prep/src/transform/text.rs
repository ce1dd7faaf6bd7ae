//! Free text as indices of tokens.

use cupola_spec::{Tokens, TokensKind};

use super::FittedInput;
use crate::error::Error;
use crate::examples::Filling;
use crate::features::Resolved;
use crate::frame::{Frame, SEND};
use crate::text::FittedTokenizer;

pub(super) fn fit(resolved: &Resolved, sample: &Frame) -> Result<FittedInput, Error> {
    let (input, name) = (&resolved.input, resolved.input.name.clone());
    let [column] = resolved.columns.as_slice() else {
        let why =
            format!("{} columns; a text has one, so declare one input for each", resolved.columns.len());
        return Err(Error::Input { input: name, why });
    };
    let kind = TokensKind::Bpe;
    let standard = Tokens { kind, vocabulary: 8000, length: 128, lowercase: false, file: None };
    let spec = input.tokens.clone().unwrap_or(standard);
    let tokenizer = match &resolved.tokenizer {
        Some(learned) if spec.file.is_none() => learned.clone(),
        _ => FittedTokenizer::fit(&name, column, &spec, sample)?,
    };
    Ok(FittedInput::Text { name, column: column.clone(), length: spec.length, tokenizer })
}

pub(super) fn apply(
    tokenizer: &FittedTokenizer,
    column: &str,
    length: usize,
    frame: &Frame,
    out: &mut Filling,
) -> Result<(), Error> {
    let values = frame.require(column, SEND)?;
    let at = out.take_tokens(length);
    for row in 0..frame.rows() {
        let text = values.text(row).unwrap_or_default();
        let tokens = tokenizer.encode_within(&text, length).map_err(|why| Error::Value {
            row: row + 1,
            column: column.to_owned(),
            expected: "a text".to_owned(),
            found: why,
            remedy: "send another text".to_owned(),
        })?;
        for (offset, token) in tokens.into_iter().enumerate() {
            out.set_index(row, at + offset, token as usize);
        }
    }
    Ok(())
}
