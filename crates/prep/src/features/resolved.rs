//! Input of a model with its columns.

use cupola_spec::Input;

use crate::text::FittedTokenizer;

/// An input with its columns.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedInput {
    /// The input as declared or inferred.
    pub input: Input,
    /// Its columns, in the order of the table.
    pub columns: Vec<String>,
    /// Tokenizer of a text that was learned before; `None` if it is to be learned.
    pub tokenizer: Option<FittedTokenizer>,
}

impl ResolvedInput {
    /// Creates an input without a learned tokenizer.
    pub fn new(input: Input, columns: Vec<String>) -> Self {
        Self { input, columns, tokenizer: None }
    }
}
