//! Scores of the targets that are explained.

use cupola_prep::{FittedTarget, NumberOutputs, Plan};

use super::ExplainOptions;
use super::explanation::ExplanationScale;
use crate::error::Error;

/// Score of one target, as a linear function of its logits.
#[derive(Debug, Clone)]
pub(super) struct ExplainedOutput {
    pub target: String,
    pub class: Option<String>,
    /// Scale of the logit.
    pub scale: ExplanationScale,
    /// Weight of each logit of the model.
    pub weights: Vec<f32>,
    /// Factor and summand from the weighted logits to the score.
    pub units: [f64; 2],
    /// `true` for the first of two classes, whose log odds are the negative logit.
    pub negative: bool,
}

impl ExplainedOutput {
    /// Scores that the options ask for, given the logits of the row.
    pub fn all(plan: &Plan, options: &ExplainOptions, logits: &[f32]) -> Result<Vec<Self>, Error> {
        let (mut out, mut at) = (Vec::new(), 0);
        for target in &plan.targets {
            let own = at..at + target.width();
            at = own.end;
            let class = class_index(target, options)?;
            let is_other = options.target.as_deref().is_some_and(|name| name != target.name());
            // A class that another target has asks for that target.
            let without_class = options.class.is_some() && class.is_none();
            if is_other || without_class {
                continue;
            }
            let mut weights = vec![0.0; plan.width()];
            out.push(Self::new(target, class, &logits[own.clone()], &mut weights[own]));
            if let Some(output) = out.last_mut() {
                output.weights = weights;
            }
        }
        Ok(out)
    }

    /// Score of one target; sets the weights of its logits.
    fn new(target: &FittedTarget, class: Option<usize>, logits: &[f32], weights: &mut [f32]) -> Self {
        let mut output = Self {
            target: target.name().to_owned(),
            class: None,
            scale: ExplanationScale::Value,
            weights: Vec::new(),
            units: [1.0, 0.0],
            negative: false,
        };
        match target {
            FittedTarget::Category { classes, .. } => {
                let index = class.unwrap_or_else(|| target.predicted_class(&target.probabilities(logits)));
                output.class = classes.get(index).cloned();
                output.negative = classes.len() == 2 && index == 0;
                if classes.len() == 2 {
                    output.scale = ExplanationScale::LogOdds;
                    weights[0] = if output.negative { -1.0 } else { 1.0 };
                } else {
                    output.scale = ExplanationScale::Logit;
                    if let Some(weight) = weights.get_mut(index) {
                        *weight = 1.0;
                    }
                }
            }
            FittedTarget::Number { shift, factor, outputs: NumberOutputs::Quantiles(_), .. } => {
                weights[0] = 1.0;
                output.units = [1.0 / factor, *shift];
            }
            FittedTarget::Number { shift, factor, .. } | FittedTarget::Forecast { shift, factor, .. } => {
                #[allow(clippy::cast_precision_loss)]
                weights.fill(1.0 / weights.len().max(1) as f32);
                output.units = [1.0 / factor, *shift];
            }
            FittedTarget::Rank { .. } => weights.fill(1.0),
            // `check_kind` has refused them.
            _ => {}
        }
        output
    }

    /// Weighted sum of logits.
    pub fn weighted(&self, logits: &[f32]) -> f64 {
        logits.iter().zip(&self.weights).map(|(logit, weight)| f64::from(*logit) * f64::from(*weight)).sum()
    }

    /// Score in its units from the weighted logits.
    pub fn in_units(&self, weighted: f64) -> f64 {
        self.units[0] * weighted + self.units[1]
    }
}

/// Refuses targets whose predictions have no explanation.
pub(super) fn check_kind(target: &FittedTarget) -> Result<(), Error> {
    let why = match target {
        FittedTarget::NextToken { .. } => {
            "a language model's text has no explanation; request `logprobs` from /v1/completions instead"
        }
        FittedTarget::Embedding { .. } => {
            "an embedding has no explanation: its numbers mean nothing alone; train a model on a target and explain that"
        }
        FittedTarget::Reconstruct { .. } => {
            "the score of an autoencoder has no explanation; compare the row with others by its score instead"
        }
        FittedTarget::Category { .. }
        | FittedTarget::Number { .. }
        | FittedTarget::Forecast { .. }
        | FittedTarget::Rank { .. } => return Ok(()),
    };
    Err(Error::explain("explain", format!("`{}` cannot be explained: {why}", target.name())))
}

/// Index of the class that the options name; `None` if they name none, or for a target without classes, and for one of
/// several targets that lacks it.
pub(super) fn class_index(target: &FittedTarget, options: &ExplainOptions) -> Result<Option<usize>, Error> {
    let (Some(class), FittedTarget::Category { classes, .. }) = (&options.class, target) else {
        return Ok(None);
    };
    let index = classes.iter().position(|other| other == class);
    if index.is_none() && options.target.is_some() {
        let near = cupola_spec::did_you_mean(class, classes.iter().map(String::as_str));
        let why = format!(
            "unknown class `{class}` of `{}`{near}; send one of its {} classes",
            target.name(),
            classes.len()
        );
        return Err(Error::explain("class", why));
    }
    Ok(index)
}
