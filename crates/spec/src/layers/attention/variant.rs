//! Settings of attention in which published models differ.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layers::contract::Misfit;

/// Settings of an attention layer that follow another design than Llama's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AttentionVariant {
    /// Width of a head. Default: the width of a token divided by `heads`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub head_width: Option<usize>,
    /// Number of values at the start of a head that are rotated. Default: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    pub rope_width: Option<usize>,
    /// Small number of a root-mean-square norm of each head's queries and keys. Default: no norm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub norm_eps: Option<f64>,
    /// Number of steps that a step attends to, itself and those before it; without `causal`, as many after it.
    /// Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub window: Option<usize>,
    /// Bound `c` of the scores, `c * tanh(score / c)`. Default: no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub softcap: Option<f64>,
    /// Factor of the scores. Default: `1 / sqrt(head_width)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
}

impl AttentionVariant {
    /// `true` if every setting has its default.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Width of a head of tokens of `width`.
    pub fn head_width(&self, width: usize, heads: usize) -> usize {
        self.head_width.unwrap_or(width / heads.max(1))
    }

    /// Checks the numbers. The file of a package has not been checked by the schema that bounds a config.
    pub(super) fn check(&self, input: &[usize], head_width: usize) -> Result<(), Misfit> {
        let above_zero = |number: Option<f64>| number.is_none_or(|number| number.is_finite() && number > 0.0);
        if !above_zero(self.norm_eps) || !above_zero(self.softcap) || !above_zero(self.scale) {
            return Err(Misfit::new(input, "numbers above 0 in `variant`", "change `variant`"));
        }
        let rotated = self.rope_width.unwrap_or(2);
        if head_width == 0 || self.window == Some(0) || rotated < 2 || rotated > head_width.max(2) {
            let needs = "widths and a window of at least 1 in `variant`, and a `rope_width` within the head";
            return Err(Misfit::new(input, needs, "change `variant`"));
        }
        Ok(())
    }
}
