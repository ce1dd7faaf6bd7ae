//! Plans of models that were trained elsewhere.

use cupola_spec::{SourceFormat, TargetList};

use super::Plan;
use crate::features::Derivation;
use crate::frame::meaning::ValueRules;
use crate::target::{ChatTemplate, FittedTarget, GenerationDefaults};
use crate::text::FittedTokenizer;
use crate::transform::FittedInput;

/// Name of the text input and its column.
const TEXT: &str = "text";
/// Name of the class and its column.
const CLASS: &str = "label";
/// Name of the vector.
const EMBEDDING: &str = "embedding";

impl Plan {
    /// Plan of a model that maps a text to a vector of `width` numbers. The text is in the column `text`; `prompt` is
    /// put before it.
    pub fn embedding(tokenizer: FittedTokenizer, length: usize, width: usize, prompt: String) -> Self {
        let target = FittedTarget::Embedding { name: EMBEDDING.to_owned(), width };
        Self::of_text(tokenizer, length, prompt, target)
    }

    /// Plan of a model that classifies a text. The text is in the column `text`, the class in `label`.
    pub fn classifier(tokenizer: FittedTokenizer, length: usize, classes: Vec<String>) -> Self {
        let (name, column) = (CLASS.to_owned(), CLASS.to_owned());
        let target = FittedTarget::Category {
            name,
            column,
            classes,
            numeric: false,
            calibration: None,
            threshold: None,
        };
        Self::of_text(tokenizer, length, String::new(), target)
    }

    /// Plan of a language model for texts of up to `length` tokens, which are in the column `text`. The tokens `ends`
    /// end a text, and `generation` holds where a request leaves an option out.
    pub fn language_model(
        tokenizer: FittedTokenizer,
        length: usize,
        ends: Vec<u32>,
        chat: Option<ChatTemplate>,
        generation: GenerationDefaults,
    ) -> Self {
        let (name, column, vocabulary) = (TEXT.to_owned(), TEXT.to_owned(), tokenizer.vocabulary());
        let target = FittedTarget::NextToken { name, column, vocabulary, ends, chat, generation };
        Self::of_text(tokenizer, length, String::new(), target)
    }

    fn of_text(tokenizer: FittedTokenizer, length: usize, prompt: String, target: FittedTarget) -> Self {
        let (name, column) = (TEXT.to_owned(), TEXT.to_owned());
        Self {
            format_version: Self::FORMAT_VERSION,
            null_texts: Vec::new(),
            values: ValueRules::default(),
            query: None,
            format: SourceFormat::default(),
            derive: Derivation::default(),
            series: None,
            frequency: None,
            inputs: vec![FittedInput::Text { name, column, length, tokenizer, prompt }],
            targets: TargetList::single(target),
            uncertainty: None,
        }
    }
}
