//! A chat with its history: one message in, one answer out.

use std::ops::ControlFlow;

use super::{GeneratedText, Sequence};
use crate::error::Error;
use crate::generation::chat::{ChatPrompt, Prompt, PromptMessage, SYSTEM};
use crate::generation::params::{ContextOverflow, GenerationParams};
use crate::generation::prefix_cache::PrefixCache;
use crate::predict::Predictor;

const USER: &str = "user";
const ASSISTANT: &str = "assistant";
/// Part of the context that is kept free for an answer, unless a shorter one is asked for.
const ANSWER_SHARE: usize = 4;
/// Bytes of keys and values that are kept from one turn to the next.
const CACHE_BYTES: usize = 1 << 30;

/// Chat with a model: the instructions, the messages so far, and their keys and values.
#[derive(Debug, Default)]
pub struct ChatSession {
    system: Option<String>,
    messages: Vec<PromptMessage>,
    cache: PrefixCache,
}

/// Answer of a model to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatAnswer {
    /// Text and reason for its end.
    pub generated: GeneratedText,
    /// Number of old messages that were left out, because the context has no room for them.
    pub forgotten: usize,
}

impl ChatSession {
    /// Chat without messages.
    pub fn new(system: Option<String>) -> Self {
        Self { system, ..Self::default() }
    }

    /// Removes all messages; the instructions stay.
    pub fn reset(&mut self) {
        self.messages.clear();
    }

    /// Replaces the instructions; the messages stay.
    pub fn set_system(&mut self, system: Option<String>) {
        self.system = system;
    }

    /// All messages that the model sees, the instructions first.
    pub fn messages(&self) -> Vec<PromptMessage> {
        let system = self.system.iter().map(|text| message(SYSTEM, text));
        system.chain(self.messages.iter().cloned()).collect()
    }

    /// Sends a message and passes the answer to `on_text` piece by piece. A break of `on_text` ends the answer; the text
    /// so far stays in the chat. Where the context is too short for the whole chat, the oldest turns are left out.
    ///
    /// A model without a chat template sees `ROLE: TEXT` lines, and its answer ends where it begins the user's line.
    ///
    /// # Errors
    /// The errors of [`Predictor::generate`]; the chat then is as before the message.
    pub fn answer(
        &mut self,
        predictor: &mut Predictor,
        text: &str,
        params: &GenerationParams,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<ChatAnswer, Error> {
        let before = self.messages.clone();
        self.messages.push(message(USER, text));
        let answered = self.answer_last(predictor, params, on_text);
        match &answered {
            Ok(answer) => self.messages.push(message(ASSISTANT, &answer.generated.text)),
            Err(_) => self.messages = before,
        }
        answered
    }

    fn answer_last(
        &mut self,
        predictor: &mut Predictor,
        params: &GenerationParams,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<ChatAnswer, Error> {
        let mut params = GenerationParams { overflow: ContextOverflow::Refuse, ..params.clone() };
        if predictor.package.chat.is_none() {
            params.stop.push(format!("\n{USER}:"));
        }
        let (mut sequence, forgotten) = self.begin(predictor, &params)?;
        self.cache.attach(&mut sequence);
        let generated = predictor.finish_text(&mut sequence, on_text)?;
        self.cache.insert(sequence);
        self.cache.evict_to(CACHE_BYTES);
        Ok(ChatAnswer { generated, forgotten })
    }

    /// Begins the answer, and leaves the oldest turns out until there is room for it.
    fn begin(
        &mut self,
        predictor: &Predictor,
        params: &GenerationParams,
    ) -> Result<(Sequence, usize), Error> {
        let package = &predictor.package;
        let context = package.context_length().unwrap_or(usize::MAX);
        let wanted = usize::try_from(params.max_tokens).unwrap_or(usize::MAX).min(context / ANSWER_SHARE);
        let mut forgotten = 0;
        loop {
            let prompt = Prompt::Chat(ChatPrompt { messages: self.messages(), tools: Vec::new() });
            let begun = package.begin_sequence(&prompt, params.clone());
            let has_room = match &begun {
                Ok(sequence) => context.saturating_sub(sequence.prompt_tokens) >= wanted,
                Err(error) => !matches!(error, Error::ContextLength { .. }),
            };
            if has_room || self.messages.len() < 3 {
                return Ok((begun?, forgotten));
            }
            // The oldest message and its answer.
            self.messages.drain(..2);
            forgotten += 2;
        }
    }
}

fn message(role: &str, content: &str) -> PromptMessage {
    PromptMessage { role: role.to_owned(), content: content.to_owned(), ..PromptMessage::default() }
}
