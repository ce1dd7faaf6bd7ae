//! Texts of a request, as such or as token ids, and their truncation.

use cupola_runtime::ContextOverflow;
use serde_json::Value;

use super::fields::Fields;
use crate::error::ApiError;

/// Texts of a request, all of them of one form.
#[derive(Debug, PartialEq)]
pub(super) enum TextInput {
    Texts(Vec<String>),
    /// Ids of the model's tokenizer.
    Tokens(Vec<Vec<u32>>),
}

impl TextInput {
    /// Reads a text, a list of texts, a list of token ids or a list of such lists.
    pub fn parse(value: Value, name: &str) -> Result<Self, ApiError> {
        let values = match value {
            Value::String(text) => return Ok(Self::Texts(vec![text])),
            Value::Array(values) => values,
            _ => return Err(unexpected(name)),
        };
        match values.first() {
            None => Err(empty(name)),
            Some(Value::Number(_)) => Ok(Self::Tokens(vec![ids(values, name)?])),
            Some(Value::String(_)) => {
                let texts = values.into_iter().enumerate().map(|(index, value)| match value {
                    Value::String(text) => Ok(text),
                    _ => Err(unexpected(&format!("{name}[{index}]"))),
                });
                Ok(Self::Texts(texts.collect::<Result<_, _>>()?))
            }
            Some(Value::Array(_)) => {
                let lists = values.into_iter().enumerate().map(|(index, value)| match value {
                    Value::Array(values) => ids(values, &format!("{name}[{index}]")),
                    _ => Err(unexpected(&format!("{name}[{index}]"))),
                });
                Ok(Self::Tokens(lists.collect::<Result<_, _>>()?))
            }
            Some(_) => Err(unexpected(name)),
        }
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.len(),
            Self::Tokens(texts) => texts.len(),
        }
    }
}

fn empty(name: &str) -> ApiError {
    ApiError::invalid_value(format!("`{name}` is empty; send a text, a list of texts or token ids"), name)
}

fn unexpected(name: &str) -> ApiError {
    let message = format!("invalid `{name}`: expected a text, a list of texts, token ids or a list of them");
    ApiError::invalid_value(message, name)
}

fn ids(values: Vec<Value>, name: &str) -> Result<Vec<u32>, ApiError> {
    if values.is_empty() {
        return Err(empty(name));
    }
    let each = values.into_iter().enumerate().map(|(index, value)| {
        let id = value.as_u64().and_then(|id| u32::try_from(id).ok()).filter(|id| *id < u32::MAX);
        id.ok_or_else(|| {
            let path = format!("{name}[{index}]");
            ApiError::invalid_value(
                format!("invalid `{path}`: expected a token id, found {}", shown(&value)),
                &path,
            )
        })
    });
    each.collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        _ => "another type".to_owned(),
    }
}

/// Truncation of inputs that are longer than the model's context.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Truncation {
    #[default]
    Never,
    /// As much as the model takes.
    Auto,
    /// At most this many tokens.
    To(usize),
}

impl Truncation {
    /// Takes `truncate`, or `truncate_prompt_tokens` as vLLM's clients send it.
    pub fn take(fields: &mut Fields) -> Result<Self, ApiError> {
        for name in ["truncate", "truncate_prompt_tokens"] {
            if let Some(value) = fields.take::<Value>(name)? {
                let invalid = || fields.invalid(name, &"expected `auto`, a boolean or a number of tokens");
                return Self::parse(&value).ok_or_else(invalid);
            }
        }
        Ok(Self::Never)
    }

    fn parse(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(false) => Some(Self::Never),
            Value::Bool(true) => Some(Self::Auto),
            Value::String(text) => match text.as_str() {
                "auto" => Some(Self::Auto),
                "none" | "disabled" => Some(Self::Never),
                _ => None,
            },
            // vLLM's word for as much as the model takes.
            Value::Number(number) if number.as_i64() == Some(-1) => Some(Self::Auto),
            Value::Number(number) => {
                let count = number.as_u64().and_then(|count| usize::try_from(count).ok());
                count.filter(|count| *count > 0).map(Self::To)
            }
            _ => None,
        }
    }

    /// Treatment of prompts: their end is kept, because it is what the model continues.
    pub fn of_prompts(self) -> ContextOverflow {
        match self {
            Self::Never => ContextOverflow::Refuse,
            Self::Auto => ContextOverflow::KeepEnd(None),
            Self::To(count) => ContextOverflow::KeepEnd(Some(count)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_and_token_ids_are_told_apart() {
        let parse = |value: Value| TextInput::parse(value, "prompt").map_err(|error| error.field.unwrap());
        assert_eq!(parse(json!("a")), Ok(TextInput::Texts(vec!["a".to_owned()])));
        assert_eq!(parse(json!(["a", ""])).unwrap().len(), 2);
        assert_eq!(parse(json!([1, 2])), Ok(TextInput::Tokens(vec![vec![1, 2]])));
        assert_eq!(parse(json!([[1], [2, 3]])), Ok(TextInput::Tokens(vec![vec![1], vec![2, 3]])));
        for (wrong, field) in [
            (json!([]), "prompt"),
            (json!([[]]), "prompt[0]"),
            (json!([[1], []]), "prompt[1]"),
            (json!(7), "prompt"),
            (json!({}), "prompt"),
            (json!([null]), "prompt"),
            (json!(["a", 1]), "prompt[1]"),
            (json!([1, "a"]), "prompt[1]"),
            (json!([1, 2.5]), "prompt[1]"),
            (json!([1.0]), "prompt[0]"),
            (json!([-1]), "prompt[0]"),
            (json!([4_294_967_295_u64]), "prompt[0]"),
            (json!([[1], 2]), "prompt[1]"),
            (json!([[[1]]]), "prompt[0][0]"),
        ] {
            assert_eq!(parse(wrong.clone()), Err(field.to_owned()), "{wrong}");
        }
    }

    #[test]
    fn truncation_is_asked_for_by_word_or_number() {
        let take = |body: Value| {
            let mut fields = Fields::parse(body.to_string().as_bytes()).unwrap();
            Truncation::take(&mut fields).map_err(|error| error.field.unwrap())
        };
        for (body, expected) in [
            (json!({}), Truncation::Never),
            (json!({ "truncate": null }), Truncation::Never),
            (json!({ "truncate": false }), Truncation::Never),
            (json!({ "truncate": "auto" }), Truncation::Auto),
            (json!({ "truncate": true }), Truncation::Auto),
            (json!({ "truncate": 5 }), Truncation::To(5)),
            (json!({ "truncate_prompt_tokens": 7 }), Truncation::To(7)),
            (json!({ "truncate_prompt_tokens": -1 }), Truncation::Auto),
        ] {
            assert_eq!(take(body.clone()), Ok(expected), "{body}");
        }
        for wrong in [json!(0), json!(-2), json!(1.5), json!("left"), json!([1])] {
            assert_eq!(take(json!({ "truncate": wrong })), Err("truncate".to_owned()));
        }
    }
}
