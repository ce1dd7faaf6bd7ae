//! Prompts as tokens that fit into a model's context.

use cupola_prep::{FittedInput, FittedTokenizer};

use super::chat::{self, Prompt};
use super::params::{ContextOverflow, GenerationParams};
use crate::error::Error;
use crate::predict::LoadedPackage;

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
    ) -> Result<EncodedPrompt, Error> {
        let mut tokens = self.prompt_tokens(prompt, tokenizer)?;
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

    fn prompt_tokens(&self, prompt: &Prompt, tokenizer: &FittedTokenizer) -> Result<Vec<u32>, Error> {
        let failed = |error: cupola_prep::Error| Error::Tokens { why: error.to_string() };
        let tokens = match prompt {
            Prompt::Text(text) => tokenizer.encode(text),
            Prompt::Tokens(ids) => {
                self.check_tokens(ids.iter().copied())?;
                Ok(ids.iter().map(|id| id + 1).collect())
            }
            Prompt::Chat(prompt) => match &self.chat {
                Some(template) => tokenizer.encode_bare(&template.render(prompt)?),
                None => tokenizer.encode(&chat::without_template(&prompt.messages)),
            },
        };
        let tokens = tokens.map_err(failed)?;
        // An empty prompt becomes the line break that ends each text of the training rows.
        if tokens.is_empty() { tokenizer.encode("\n").map_err(failed) } else { Ok(tokens) }
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
