//! Options of an explanation.

use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use crate::error::Error;

/// Options of an explanation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExplainOptions {
    /// Target; `None` for all of them.
    pub target: Option<String>,
    /// Class whose score is explained; `None` for the predicted one.
    pub class: Option<String>,
    /// Method; `None` for that of the kind of model.
    pub method: Option<ExplainMethod>,
    /// Time for the explanations of the request; `None` for its deadline.
    pub time: Option<Duration>,
}

/// Method of an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplainMethod {
    /// Exact Shapley values of trees (Lundberg et al. 2018).
    TreeShap,
    /// Integral of the gradient from a baseline (Sundararajan et al. 2017).
    IntegratedGradients,
    /// Shapley values from forward passes with masked columns (Mitchell et al. 2022).
    PermutationShapley,
}

impl ExplainMethod {
    /// Names of all methods.
    pub const NAMES: [&'static str; 3] = ["tree_shap", "integrated_gradients", "permutation_shapley"];

    /// Name in requests and responses.
    pub fn name(self) -> &'static str {
        match self {
            Self::TreeShap => Self::NAMES[0],
            Self::IntegratedGradients => Self::NAMES[1],
            Self::PermutationShapley => Self::NAMES[2],
        }
    }
}

impl FromStr for ExplainMethod {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let all = [Self::TreeShap, Self::IntegratedGradients, Self::PermutationShapley];
        all.into_iter().find(|method| method.name() == text).ok_or_else(|| {
            let near = cupola_spec::did_you_mean(text, Self::NAMES);
            let why = format!("unknown method `{text}`{near}; expected {}", Self::NAMES.join(", "));
            Error::explain("method", why)
        })
    }
}
