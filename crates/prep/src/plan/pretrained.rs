//! Plans of models that were trained elsewhere.

use cupola_spec::{SourceFormat, TargetList};
use cupola_values::CategoryForm;

use super::Plan;
use crate::features::Derivation;
use crate::frame::meaning::{ValueRule, ValueRules};
use crate::target::{ChatTemplate, FittedTarget, GenerationDefaults};
use crate::text::FittedTokenizer;
use crate::transform::{Curve, FittedCategory, FittedInput, FittedNumber};

/// Name of the text input and its column.
const TEXT: &str = "text";
/// Name of the class and its column.
const CLASS: &str = "label";
/// Name of the vector.
const EMBEDDING: &str = "embedding";

/// Column that trees of another library compare.
#[derive(Debug, Clone, PartialEq)]
pub enum TreeColumn {
    /// Number, which may be missing.
    Number {
        /// Name.
        name: String,
        /// Thresholds in ascending order, if the number becomes the count of those at or below it; `None` for the
        /// number itself.
        steps: Option<Vec<f64>>,
    },
    /// Category, which becomes its index; missing and unknown values get the one after the last.
    Category {
        /// Name.
        name: String,
        /// Values in the order of their indices, in the form's canonical text.
        categories: Vec<String>,
        /// Form of the values.
        form: CategoryForm,
    },
}

impl TreeColumn {
    /// Name of the column and the rule of its values, if it has one.
    fn rule(&self) -> Option<(String, ValueRule)> {
        match self {
            Self::Number { .. } => None,
            Self::Category { name, form, .. } => Some((name.clone(), ValueRule::Category { form: *form })),
        }
    }

    fn into_input(self) -> FittedInput {
        match self {
            Self::Number { name, steps } => FittedInput::Number {
                columns: vec![FittedNumber {
                    column: name.clone(),
                    fill: 0.0,
                    indicator: false,
                    keep_missing: true,
                    bounds: None,
                    outliers: None,
                    curve: steps.map(|steps| Curve::Steps { steps }),
                    shift: 0.0,
                    factor: 1.0,
                    edges: Vec::new(),
                }],
                name,
                donors: None,
                isolation: None,
            },
            Self::Category { name, categories, .. } => FittedInput::Category {
                columns: vec![FittedCategory::of_index(name.clone(), categories)],
                name,
            },
        }
    }
}

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

    /// Plan of trees that compare the values of these columns, an input each.
    pub fn of_trees(columns: Vec<TreeColumn>, target: FittedTarget) -> Self {
        let rules = columns.iter().filter_map(TreeColumn::rule);
        let values = ValueRules::of(rules.collect());
        let inputs = columns.into_iter().map(TreeColumn::into_input).collect();
        Self::of_inputs(inputs, values, target)
    }

    fn of_text(tokenizer: FittedTokenizer, length: usize, prompt: String, target: FittedTarget) -> Self {
        let (name, column) = (TEXT.to_owned(), TEXT.to_owned());
        let input = FittedInput::Text { name, column, length, tokenizer, prompt };
        Self::of_inputs(vec![input], ValueRules::default(), target)
    }

    fn of_inputs(inputs: Vec<FittedInput>, values: ValueRules, target: FittedTarget) -> Self {
        Self {
            format_version: Self::FORMAT_VERSION,
            null_texts: Vec::new(),
            values,
            query: None,
            format: SourceFormat::default(),
            derive: Derivation::default(),
            series: None,
            frequency: None,
            inputs,
            targets: TargetList::single(target),
            uncertainty: None,
        }
    }
}
