//! Explanation of a prediction, as it is served.

use cupola_prep::{FittedInput, Plan};
use indexmap::IndexMap;
use serde::Serialize;

use super::ExplainMethod;
use super::groups::ColumnGroups;
use crate::error::Error;
use crate::predict::tensors::PredictInput;

/// Quantity that is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplanationScale {
    /// Log odds of the class: against the other of two, or against all others.
    LogOdds,
    /// Logit of the class before the softmax.
    Logit,
    /// Probability of the class, before those of all classes are normalised.
    Probability,
    /// Predicted number in its own units; of a forecast the mean over its horizon.
    Value,
    /// Logarithm of the predicted number.
    Log,
    /// Root of the predicted number, with its sign.
    Root,
}

/// Explanation of the prediction of one target for one row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Method.
    pub method: ExplainMethod,
    /// Quantity that the shares sum to.
    pub scale: ExplanationScale,
    /// Class whose score it is; `None` for a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Score of the reference.
    pub base: f64,
    /// Score of the row: `base` plus all shares, but for the completeness error.
    pub output: f64,
    /// Share of each column.
    pub values: IndexMap<String, f64>,
    /// Share of each pixel `[height][width]`, by the name of the image.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub heat_maps: IndexMap<String, Vec<Vec<f32>>>,
    /// Rows and columns of the patches that the pixels of an image are explained by, by the name of the image; empty where
    /// each pixel is explained by itself.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub patches: IndexMap<String, [usize; 2]>,
    /// Share of each range of lags of a window, the newest first, by column.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub lags: IndexMap<String, Vec<LagAttribution>>,
    /// Share of each token, by the column of the text.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub tokens: IndexMap<String, Vec<TokenAttribution>>,
    /// Absolute difference between `output - base` and the sum of the shares.
    pub completeness_error: f64,
    /// Standard error of each share; empty unless shares are estimated from permutations.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub standard_errors: IndexMap<String, f64>,
    /// Evaluations of the model, or of its gradient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluations: Option<usize>,
    /// Reference that the row is compared with.
    pub reference: &'static str,
}

/// Share of consecutive steps of a window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LagAttribution {
    /// Smallest lag: 1 is the last row of the window.
    pub from: usize,
    /// Largest lag.
    pub to: usize,
    /// Share.
    pub value: f64,
}

/// Explanations of one row by the names of the targets.
pub type RowExplanations = IndexMap<String, Explanation>;

/// Share of a token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TokenAttribution {
    /// Text of the token.
    pub text: String,
    /// First byte in the column's text; `None` for a token that stands for no part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<usize>,
    /// Byte after the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<usize>,
    /// Share.
    pub value: f64,
}

impl Explanation {
    /// Adds the texts and places of tokens in the texts of a row, as far as the row has them: a computed text is not
    /// in it, and cleaning may change its tokens.
    pub(super) fn place_tokens(
        &mut self,
        plan: &Plan,
        groups: &ColumnGroups,
        (input, row): (&PredictInput, usize),
    ) -> Result<(), Error> {
        let (PredictInput::Frame(frame), None) = (input, plan.window()) else { return Ok(()) };
        for text in &groups.texts {
            let Some(FittedInput::Text { tokenizer, prompt, column, length, .. }) =
                plan.inputs.get(text.input)
            else {
                continue;
            };
            let raw = frame.get(column).and_then(|values| values.text(row)).unwrap_or_default();
            let places = tokenizer.token_places(prompt, &raw, *length)?;
            let tokens = self.tokens.get_mut(&groups.names[text.group]);
            for (token, place) in
                tokens.filter(|tokens| tokens.len() == places.len()).into_iter().flatten().zip(places)
            {
                if let Some(place) = place {
                    raw[place.clone()].clone_into(&mut token.text);
                    (token.start, token.end) = (Some(place.start), Some(place.end));
                }
            }
        }
        Ok(())
    }
}
