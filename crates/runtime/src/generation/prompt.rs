//! Prompts as tokens that fit into a model's context.

use cupola_budget::{Budget, Hold};
use cupola_prep::{FittedInput, FittedTokenizer};
use serde_json::Value;

use super::chat::{self, ChatPrompt, Prompt};
use super::params::{ContextOverflow, GenerationParams};
use crate::error::Error;
use crate::predict::LoadedPackage;

/// Bytes that encoding takes for each byte of a prompt: alignments, pieces and tokens.
const ENCODING_FACTOR: usize = 32;
/// Bytes of a prompt for each token of a long context; texts have about four.
const BYTES_PER_TOKEN: usize = 24;
/// Bytes up to which a prompt may have nothing but the longest tokens.
const SHORT_PROMPT: usize = 1 << 20;

/// Prompt of a sequence.
pub(super) struct EncodedPrompt {
    /// Tokens that the model continues.
    pub tokens: Vec<u32>,
    /// Plain text that the tokens stand for; `None` for other prompts, and after a truncation.
    pub text: Option<String>,
}

impl LoadedPackage {
    /// Largest number of tokens that the model sees at once; `None` unless its input is one text.
    pub fn context_length(&self) -> Option<usize> {
        match self.plan.inputs.as_slice() {
            [FittedInput::Text { length, .. }] => Some(*length),
            _ => None,
        }
    }

    /// Checks that the vocabulary has these ids.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] for the first id that it has not.
    pub fn check_tokens(&self, ids: impl IntoIterator<Item = u32>) -> Result<(), Error> {
        // Index 0 is the padding.
        let vocabulary =
            self.plan.tokenizer().map_or(0, |tokenizer| tokenizer.vocabulary().saturating_sub(1));
        match ids.into_iter().find(|id| *id as usize >= vocabulary) {
            Some(id) => Err(Error::UnknownToken { id, vocabulary }),
            None => Ok(()),
        }
    }

    /// Encodes a prompt and limits it and the number of generated tokens to the context.
    pub(super) fn encode_prompt(
        &self,
        prompt: &Prompt,
        tokenizer: &FittedTokenizer,
        params: &mut GenerationParams,
        budget: &Budget,
    ) -> Result<EncodedPrompt, Error> {
        let most = match params.overflow {
            // Texts of the command line, of which the end is used.
            ContextOverflow::Slide => usize::MAX,
            _ => self.context_length().map_or(usize::MAX, |context| longest_prompt(context, tokenizer)),
        };
        let limits = PromptLimits { bytes: most, overflow: params.overflow, budget };
        let mut tokens = self.prompt_tokens(prompt, tokenizer, &limits)?;
        if tokens.is_empty() {
            return Err(Error::Tokens { why: "the prompt has no tokens".to_owned() });
        }
        let truncated = match self.context_length() {
            Some(context) => fit(&mut tokens, context, params)?,
            None => false,
        };
        let text = match prompt {
            Prompt::Text(text) if !truncated => Some(text.clone()),
            _ => None,
        };
        Ok(EncodedPrompt { tokens, text })
    }

    fn prompt_tokens(
        &self,
        prompt: &Prompt,
        tokenizer: &FittedTokenizer,
        limits: &PromptLimits<'_>,
    ) -> Result<Vec<u32>, Error> {
        let failed = |error: cupola_prep::Error| Error::Tokens { why: error.to_string() };
        let too_long = |bytes: usize| self.too_many_bytes(bytes, tokenizer);
        let tokens = match prompt {
            Prompt::Text(text) => {
                let (text, _hold) =
                    limits.apply(text).map_err(|error| error.unwrap_or_else(|| too_long(text.len())))?;
                tokenizer.encode(text)
            }
            Prompt::Tokens(ids) => {
                self.check_tokens(ids.iter().copied())?;
                Ok(ids.iter().map(|id| id + 1).collect())
            }
            Prompt::Chat(prompt) => {
                let bytes = prompt.bytes();
                // Templates may leave old messages out, but not most of a chat.
                if bytes > limits.bytes.saturating_mul(2) {
                    return Err(too_long(bytes));
                }
                let text = match &self.chat {
                    Some(template) => template.render(prompt)?,
                    None => chat::without_template(&prompt.messages),
                };
                limits.budget.check()?;
                let (text, _hold) =
                    limits.apply(&text).map_err(|error| error.unwrap_or_else(|| too_long(text.len())))?;
                if self.chat.is_some() { tokenizer.encode_bare(text) } else { tokenizer.encode(text) }
            }
        };
        let tokens = tokens.map_err(failed)?;
        // An empty prompt becomes the line break that ends each text of the training rows.
        if tokens.is_empty() { tokenizer.encode("\n").map_err(failed) } else { Ok(tokens) }
    }

    /// Error for a prompt that has more bytes than the tokens of any context.
    fn too_many_bytes(&self, bytes: usize, tokenizer: &FittedTokenizer) -> Error {
        let context = self.context_length().unwrap_or_default();
        let least = bytes / tokenizer.longest_token().max(1);
        Error::ContextLength { context, found: least.max(context + 1), requested: 1 }
    }
}

/// Limits of a prompt that is not encoded yet.
struct PromptLimits<'a> {
    bytes: usize,
    overflow: ContextOverflow,
    budget: &'a Budget,
}

impl PromptLimits<'_> {
    /// The part of a text that is worth encoding, with the memory that this takes; `None` is the error of a text that
    /// is too long.
    fn apply<'t>(&self, text: &'t str) -> Result<(&'t str, Hold), Option<Error>> {
        let text = match self.overflow {
            ContextOverflow::KeepEnd(_) => end_of(text, self.bytes),
            ContextOverflow::Refuse if text.len() > self.bytes => return Err(None),
            ContextOverflow::Refuse | ContextOverflow::Slide => text,
        };
        let hold =
            self.budget.take_each(text.len(), ENCODING_FACTOR).map_err(|exceeded| Some(exceeded.into()))?;
        Ok((text, hold))
    }
}

/// The last bytes of a text, from a whole character on.
fn end_of(text: &str, bytes: usize) -> &str {
    let mut from = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

/// Bytes that a prompt for this context may have. A longer one certainly has more tokens, or is no text.
fn longest_prompt(context: usize, tokenizer: &FittedTokenizer) -> usize {
    let longest = context.saturating_mul(tokenizer.longest_token());
    longest.min(context.saturating_mul(BYTES_PER_TOKEN).max(SHORT_PROMPT))
}

impl ChatPrompt {
    /// Bytes of all texts, counted before they are rendered.
    fn bytes(&self) -> usize {
        let tools = self.tools.iter().map(json_bytes);
        let messages = self.messages.iter().map(|message| {
            let options = [message.name.as_deref(), message.tool_call_id.as_deref()];
            let texts = options.into_iter().flatten().map(str::len).sum::<usize>();
            let calls: usize = message.tool_calls.iter().map(json_bytes).sum();
            message.content.len() + texts + calls
        });
        tools.chain(messages).fold(0, usize::saturating_add)
    }
}

/// Bytes of the texts and keys of a JSON value, and one for each value.
fn json_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 1,
        Value::Array(items) => items.iter().map(json_bytes).sum::<usize>() + 1,
        Value::Object(entries) => {
            entries.iter().map(|(key, value)| key.len() + json_bytes(value)).sum::<usize>() + 1
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

/// Limits a prompt and the number of generated tokens to the context; `true` if the prompt lost tokens.
fn fit(tokens: &mut Vec<u32>, context: usize, params: &mut GenerationParams) -> Result<bool, Error> {
    let requested = usize::try_from(params.max_tokens).unwrap_or(usize::MAX);
    let found = tokens.len();
    match params.overflow {
        ContextOverflow::Slide => return Ok(false),
        ContextOverflow::Refuse => {}
        ContextOverflow::KeepEnd(most) => {
            let most = most.unwrap_or_else(|| context - requested.min(context / 2));
            tokens.drain(..found.saturating_sub(most));
        }
    }
    if tokens.len() + usize::from(requested > 0) > context {
        return Err(Error::ContextLength { context, found: tokens.len(), requested });
    }
    params.max_tokens = params.max_tokens.min((context - tokens.len()) as u64);
    Ok(tokens.len() < found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(found: u32, max_tokens: u64, overflow: ContextOverflow) -> Result<(Vec<u32>, u64), String> {
        let mut params = GenerationParams { max_tokens, overflow, ..GenerationParams::default() };
        let mut tokens: Vec<u32> = (1..=found).collect();
        let truncated = fit(&mut tokens, 8, &mut params).map_err(|error| error.to_string())?;
        assert_eq!(truncated, tokens.len() < found as usize);
        Ok((tokens, params.max_tokens))
    }

    #[test]
    fn prompts_and_generated_tokens_fit_into_the_context() {
        let refuse = |found, most| fitted(found, most, ContextOverflow::Refuse);
        assert_eq!(refuse(3, 2).unwrap(), (vec![1, 2, 3], 2));
        assert_eq!(refuse(3, 100).unwrap().1, 5);
        assert_eq!(refuse(7, 100).unwrap().1, 1);
        let error = refuse(8, 1).unwrap_err();
        assert!(error.contains("8 tokens"), "{error}");
        // Without generated tokens the prompt may fill the context.
        assert_eq!(refuse(8, 0).unwrap().1, 0);
        assert!(refuse(9, 0).is_err());
    }

    #[test]
    fn only_the_end_of_a_long_text_is_encoded() {
        assert_eq!(end_of("abc", 2), "bc");
        assert_eq!(end_of("abc", 9), "abc");
        assert_eq!(end_of("aé", 1), "");
        let limits = |overflow| {
            PromptLimits { bytes: 2, overflow, budget: &Budget::unlimited() }
                .apply("abc")
                .map(|(text, _)| text.to_owned())
                .map_err(|error| error.is_none())
        };
        assert_eq!(limits(ContextOverflow::Refuse), Err(true));
        assert_eq!(limits(ContextOverflow::KeepEnd(None)), Ok("bc".to_owned()));
        assert_eq!(limits(ContextOverflow::Slide), Ok("abc".to_owned()));
    }

    #[test]
    fn truncation_keeps_the_end_of_a_prompt() {
        let keep = |found, most, count| fitted(found, most, ContextOverflow::KeepEnd(count));
        assert_eq!(keep(20, 2, None).unwrap(), (vec![15, 16, 17, 18, 19, 20], 2));
        // At least half of the context is left to the prompt.
        assert_eq!(keep(20, 100, None).unwrap(), (vec![17, 18, 19, 20], 4));
        assert_eq!(keep(3, 100, None).unwrap(), (vec![1, 2, 3], 5));
        assert_eq!(keep(20, 100, Some(2)).unwrap(), (vec![19, 20], 6));
        assert!(keep(20, 1, Some(9)).is_err());
        assert_eq!(fitted(20, 9, ContextOverflow::Slide).unwrap(), ((1..=20).collect(), 9));
    }
}
