//! Text generation: from a prompt to tokens to text.

mod chat;
mod defaults;
mod detokenizer;
mod grammar;
mod logits;
mod params;
mod pieces;
mod prefix_cache;
mod sampling;
mod sequence;
mod template;

pub(crate) use chat::ChatRenderer;
pub use chat::{Prompt, PromptMessage};
pub use grammar::Grammar;
pub(crate) use grammar::GrammarVocabulary;
pub use logits::LogitsProcessor;
pub use params::{GenerationParams, OmittedOptions};
pub use pieces::{FinishReason, TextPiece, TokenLogprobs};
pub use prefix_cache::PrefixCache;
pub use sampling::Sampling;
pub use sequence::Sequence;
pub use template::check_chat_template;
