//! A package without its engine: raw rows to examples, and logits to predictions.

pub(crate) mod explainer;
mod tensor_io;

use std::borrow::Cow;
use std::sync::Arc;

use cupola_budget::Budget;
use cupola_prep::{
    Examples, FittedInput, FittedTarget, FittedTokenizer, Frame, Plan, PredictedValue, Prediction,
    Predictions, RequestExample, Signature,
};
use serde_json::{Map, Value};

use self::explainer::Explainer;
use super::cost;
use super::rows::{frame_of, parse_input};
use super::tensors::{PredictInput, TensorSpec, interval_outputs, tensor_inputs, tensor_outputs};
use crate::engines::EngineReport;
use crate::error::Error;
use crate::generation::{ChatRenderer, GrammarVocabulary, Sampling};

/// Contents of a package that any thread may read: plan, signature and chat template, without the engine.
#[derive(Debug, Clone)]
pub struct LoadedPackage {
    /// Transforms of inputs and targets, as they were fitted.
    pub plan: Plan,
    /// Columns of rows and of predictions.
    pub signature: Signature,
    /// Input tensors, for clients that send arrays.
    pub inputs: Vec<TensorSpec>,
    /// Output tensors.
    pub outputs: Vec<TensorSpec>,
    /// Output tensors of intervals and sets; none for a package without them.
    pub interval_outputs: Vec<TensorSpec>,
    /// Example of a request; `None` for a package without one.
    pub example: Option<RequestExample>,
    /// Engine in use and the reason for it.
    pub report: EngineReport,
    /// Chat template; `None` for a model that was not trained on chats.
    pub(crate) chat: Option<ChatRenderer>,
    /// Vocabulary of texts with a grammar.
    pub(crate) vocabulary: GrammarVocabulary,
    /// Trees or network of explanations.
    pub(crate) explainer: Arc<Explainer>,
    answer_bytes: usize,
}

impl LoadedPackage {
    /// Combines a plan with the report of the engine that was chosen.
    ///
    /// # Errors
    /// [`Error::Chat`] for an invalid chat template.
    pub(crate) fn new(plan: Plan, report: EngineReport) -> Result<Self, Error> {
        let chat = match plan.targets.first() {
            FittedTarget::NextToken { chat, .. } => chat.as_ref().map(ChatRenderer::new).transpose()?,
            _ => None,
        };
        let signature = Signature::of(&plan);
        let (inputs, outputs) = (tensor_inputs(&plan, &signature), tensor_outputs(&plan));
        let interval_outputs = interval_outputs(&plan, &outputs);
        let (vocabulary, answer_bytes) = (GrammarVocabulary::default(), cost::answer_bytes(&plan));
        let (example, explainer) = (None, Arc::default());
        Ok(Self {
            plan,
            signature,
            inputs,
            outputs,
            interval_outputs,
            example,
            report,
            chat,
            vocabulary,
            explainer,
            answer_bytes,
        })
    }

    /// Parses a body `{"rows": [{column: value}]}`.
    ///
    /// # Errors
    /// [`Error::Body`] for another body, [`Error::Value`] for the first invalid value, [`Error::Exceeded`].
    pub fn parse_rows(&self, body: &[u8], budget: &Budget) -> Result<PredictInput, Error> {
        parse_input(&self.signature, self.takes_floats(), body, budget)
    }

    /// Output tensors with those of intervals and sets, which a response only has where they are asked for.
    pub fn all_outputs(&self) -> Vec<TensorSpec> {
        self.outputs.iter().chain(&self.interval_outputs).cloned().collect()
    }

    /// Bytes that the logits, the predictions and the response of one row need.
    pub fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }

    /// Size of a body whose examples are made within a millisecond.
    pub fn quick_bytes(&self) -> usize {
        cost::quick_bytes(&self.signature)
    }

    /// Examples of JSON rows, ready for an engine.
    ///
    /// # Errors
    /// [`Error::Value`] for the first invalid value, with row and column.
    pub fn examples(&self, rows: &[Map<String, Value>]) -> Result<Examples, Error> {
        self.examples_of(&frame_of(&self.signature, rows)?)
    }

    /// Examples of columns.
    ///
    /// # Errors
    /// The errors of [`Self::examples`].
    pub fn examples_of(&self, frame: &Frame) -> Result<Examples, Error> {
        Ok(self.plan.apply(frame)?)
    }

    /// Number of tokens of the texts; 0 for a package without a tokenizer.
    pub fn count_tokens<'a>(&self, texts: impl Iterator<Item = &'a str>) -> usize {
        let Some((tokenizer, prompt)) = self.text_input() else { return 0 };
        texts.map(|text| tokenizer.encode(&format!("{prompt}{text}")).map_or(0, |tokens| tokens.len())).sum()
    }

    /// Tokenizer of the first text, and the text that stands before each of its texts.
    fn text_input(&self) -> Option<(&FittedTokenizer, &str)> {
        self.plan.inputs.iter().find_map(|input| match input {
            FittedInput::Text { tokenizer, prompt, .. } => Some((tokenizer, prompt.as_str())),
            _ => None,
        })
    }

    /// Ids of at most `most` tokens of a text, the special tokens around it included.
    ///
    /// # Errors
    /// [`Error::Tokens`] for a package without a tokenizer, and for a text that the tokenizer rejects.
    pub fn token_ids(&self, text: &str, most: usize) -> Result<Vec<u32>, Error> {
        let missing = || Error::Tokens { why: "the model does not take texts".to_owned() };
        let (tokenizer, prompt) = self.text_input().ok_or_else(missing)?;
        let tokens = tokenizer.encode_within(&format!("{prompt}{text}"), most);
        let tokens = tokens.map_err(|error| Error::Tokens { why: error.to_string() })?;
        Ok(tokens.into_iter().map(|token| token.saturating_sub(1)).collect())
    }

    /// `true` if the package is a language model.
    pub fn is_language_model(&self) -> bool {
        matches!(self.plan.targets.first(), FittedTarget::NextToken { .. })
    }

    /// Kind of text that a language model generates: `chat` if it has a chat template, else `text`; `None` for any other model.
    pub fn generates(&self) -> Option<&'static str> {
        let what = if self.chat.is_some() { "chat" } else { "text" };
        self.is_language_model().then_some(what)
    }

    /// Inputs that predictions are compared with: those of an autoencoder, none of any other model.
    pub fn inputs_to_compare(&self, examples: &Examples) -> Vec<f32> {
        let compared = matches!(self.plan.targets.first(), FittedTarget::Reconstruct { .. });
        if compared { examples.dense.clone() } else { Vec::new() }
    }

    /// Predictions that logits `[rows, width]` stand for; `inputs` come from [`Self::inputs_to_compare`].
    ///
    /// # Errors
    /// [`Error::NotFinite`] for values that overflow, [`Error::Tokens`] for a token that can't be decoded.
    pub fn predictions(&self, logits: &[f32], inputs: &[f32]) -> Result<Vec<Predictions>, Error> {
        let width = self.plan.width();
        if let Some(row) = logits.chunks(width).position(|row| row.iter().any(|logit| !logit.is_finite())) {
            return Err(Error::NotFinite { row: row + 1 });
        }
        if self.is_language_model() {
            return logits.chunks(width).map(|row| self.next_token(row)).collect();
        }
        let of = |row: usize| inputs.get(row * width..(row + 1) * width).unwrap_or_default();
        let each = logits.chunks(width).enumerate();
        Ok(each.map(|(row, logits)| self.plan.decode(logits, of(row))).collect())
    }

    /// Likeliest next token as text.
    fn next_token(&self, logits: &[f32]) -> Result<Predictions, Error> {
        let [FittedInput::Text { tokenizer, .. }] = self.plan.inputs.as_slice() else {
            return Err(Error::NotALanguageModel { target: self.plan.targets.first().name().to_owned() });
        };
        let greedy = Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0 };
        let token = u32::try_from(greedy.choose(logits, 0)).unwrap_or_default();
        let value = PredictedValue::Text(
            tokenizer.decode(&[token]).map_err(|error| Error::Tokens { why: error.to_string() })?,
        );
        let name = self.plan.targets.first().name().to_owned();
        Ok(Predictions::from([(name, Prediction::new(value))]))
    }

    /// The part of an engine's output that predictions are made of, `[rows, width]`: of a language model the logits at the
    /// ends of the rows' texts.
    pub(crate) fn logits_at<'a>(&self, logits: &'a [f32], ends: Option<&[usize]>) -> Cow<'a, [f32]> {
        let Some(ends) = ends else { return Cow::Borrowed(logits) };
        let width = self.plan.width();
        let length = logits.len() / ends.len().max(1);
        let each = logits.chunks(length.max(1)).zip(ends);
        Cow::Owned(each.flat_map(|(row, at)| &row[at * width..(at + 1) * width]).copied().collect())
    }

    /// Index of the last token of each row's text; `None` unless the package is a language model.
    pub(crate) fn text_ends(&self, examples: &Examples) -> Option<Vec<usize>> {
        self.is_language_model().then(|| examples.text_lengths().map(|length| length - 1).collect())
    }
}
