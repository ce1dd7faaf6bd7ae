//! Text generation: from a prompt to tokens to text.

mod chat;
mod detokenizer;
mod echo;
mod grammar;
mod logits;
mod params;
mod pieces;
mod prefix_cache;
mod prompt;
mod sampling;
mod sequence;
mod template;

pub use chat::{ChatPrompt, ChatRenderer, Prompt, PromptMessage, check_chat_template};
pub(crate) use grammar::GrammarVocabulary;
pub use grammar::{CompiledGrammar, FunctionSchema, Grammar};
pub use logits::LogitsProcessor;
pub use params::{ContextOverflow, GenerationParams, OmittedOptions};
pub use pieces::{FinishReason, TextPiece, TokenLogprobs};
pub use prefix_cache::PrefixCache;
pub use sampling::Sampling;
pub use sequence::{ChatAnswer, ChatSession, GeneratedText, Sequence, SequenceOptions};
