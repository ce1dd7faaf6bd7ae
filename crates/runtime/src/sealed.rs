//! A package without its engine: from raw rows to examples, and from logits to answers.

use std::borrow::Cow;

use cupola_prep::{
    Examples, FittedInput, FittedTarget, Frame, Plan, PredictedValue, Prediction, Predictions, Signature,
};
use serde_json::{Map, Value};

use crate::chat::Template;
use crate::engine::EngineReport;
use crate::error::Error;
use crate::format::Vocabulary;
use crate::generate::last_tokens;
use crate::rows::frame_of;
use crate::sampling::Sampling;
use crate::tensors::{TensorSpec, tensor_inputs, tensor_outputs};

/// What every thread may read of a package at once.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The sealed plan.
    pub plan: Plan,
    /// What rows look like and what comes back.
    pub signature: Signature,
    /// The tensors that it takes.
    pub inputs: Vec<TensorSpec>,
    /// The tensors that it gives.
    pub outputs: Vec<TensorSpec>,
    /// Which engine runs it.
    pub report: EngineReport,
    /// How messages become a text, where the model was trained on chats.
    pub(crate) chat: Option<Template>,
    /// Of texts that have to have a format.
    pub(crate) vocabulary: Vocabulary,
}

impl Sealed {
    /// Of a plan and the engine that was chosen.
    ///
    /// # Errors
    /// A template of chats that is none.
    pub(crate) fn new(plan: Plan, report: EngineReport) -> Result<Self, Error> {
        let chat = match plan.targets.first() {
            FittedTarget::NextToken { chat, .. } => chat.as_ref().map(Template::new).transpose()?,
            _ => None,
        };
        let signature = Signature::of(&plan);
        let (inputs, outputs) = (tensor_inputs(&plan, &signature), tensor_outputs(&plan));
        Ok(Self { plan, signature, inputs, outputs, report, chat, vocabulary: Vocabulary::default() })
    }

    /// Examples from JSON rows, ready for an engine.
    ///
    /// # Errors
    /// The first value that does not fit, with row and column.
    pub fn examples(&self, rows: &[Map<String, Value>]) -> Result<Examples, Error> {
        self.examples_of(&frame_of(&self.signature, rows)?)
    }

    /// Examples from columns.
    ///
    /// # Errors
    /// As [`Self::examples`].
    pub fn examples_of(&self, frame: &Frame) -> Result<Examples, Error> {
        Ok(self.plan.apply(frame)?)
    }

    /// Tokens of texts, as its tokenizer cuts them; none for a package without one.
    pub fn tokens<'a>(&self, texts: impl Iterator<Item = &'a str>) -> usize {
        let Some(tokenizer) = self.plan.tokenizer() else { return 0 };
        texts.map(|text| tokenizer.encode(text).map_or(0, |tokens| tokens.len())).sum()
    }

    /// Whether the package is a language model.
    pub fn is_language_model(&self) -> bool {
        matches!(self.plan.targets.first(), FittedTarget::NextToken { .. })
    }

    /// What it makes of a prompt: `chat` by a template of its own, `text`, or nothing for any other model.
    pub fn generates(&self) -> Option<&'static str> {
        let what = if self.chat.is_some() { "chat" } else { "text" };
        self.is_language_model().then_some(what)
    }

    /// What of the examples the answers need beside the logits: a reconstruction is compared with what went
    /// in.
    pub fn own(&self, examples: &Examples) -> Vec<f32> {
        let compared = matches!(self.plan.targets.first(), FittedTarget::Reconstruct { .. });
        if compared { examples.dense.clone() } else { Vec::new() }
    }

    /// The answers that logits `[rows, width]` stand for.
    ///
    /// # Errors
    /// [`Error::NoAnswer`] for values that overflow, [`Error::Tokens`] for a token that makes no text.
    pub fn answers(&self, logits: &[f32], own: &[f32]) -> Result<Vec<Predictions>, Error> {
        let width = self.plan.width();
        if let Some(row) = logits.chunks(width).position(|row| row.iter().any(|logit| !logit.is_finite())) {
            return Err(Error::NoAnswer { row: row + 1 });
        }
        if self.is_language_model() {
            return logits.chunks(width).map(|row| self.next_token(row)).collect();
        }
        let of = |row: usize| own.get(row * width..(row + 1) * width).unwrap_or_default();
        let each = logits.chunks(width).enumerate();
        Ok(each.map(|(row, logits)| self.plan.decode(logits, of(row))).collect())
    }

    /// The likeliest token after a text, as a text.
    fn next_token(&self, logits: &[f32]) -> Result<Predictions, Error> {
        let [FittedInput::Text { tokenizer, .. }] = self.plan.inputs.as_slice() else {
            return Err(Error::NoLanguageModel { target: self.plan.targets.first().name().to_owned() });
        };
        let greedy = Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0 };
        let token = u32::try_from(greedy.choose(logits, 0)).unwrap_or_default();
        let value = PredictedValue::Text(
            tokenizer.decode(&[token]).map_err(|e| Error::Tokens { why: e.to_string() })?,
        );
        let name = self.plan.targets.first().name().to_owned();
        Ok(Predictions::from([(name, Prediction { value, probabilities: None })]))
    }

    /// Of an engine's output the part that the answers are made of, `[rows, width]`: of a language model
    /// the logits after each row's last token.
    pub(crate) fn last<'a>(&self, logits: &'a [f32], places: Option<&[usize]>) -> Cow<'a, [f32]> {
        let Some(places) = places else { return Cow::Borrowed(logits) };
        let width = self.plan.width();
        let length = logits.len() / places.len().max(1);
        let each = logits.chunks(length.max(1)).zip(places);
        Cow::Owned(each.flat_map(|(row, at)| &row[at * width..(at + 1) * width]).copied().collect())
    }

    /// Where each row's text ends, for a language model.
    pub(crate) fn places(&self, examples: &Examples) -> Option<Vec<usize>> {
        self.is_language_model().then(|| last_tokens(examples))
    }
}
