//! Damage that a line of a journal shows on its own, such as an edit by hand.

use super::json::written;
use super::operation::JournalOperation;
use crate::ParamDistribution;
use crate::space::index;

impl JournalOperation {
    /// Value that neither Optuna nor this crate writes: an objective that is NaN, or a parameter outside of its choices.
    pub(super) fn impossible_value(&self) -> Option<String> {
        let (values, params): (_, Vec<(&String, &(f64, ParamDistribution))>) = match self {
            Self::CreateTrial { template, .. } => {
                (template.values.as_ref(), template.params.iter().collect())
            }
            Self::State { values, .. } => (values.as_ref(), Vec::new()),
            Self::Parameter { name, internal, distribution, .. } => {
                return impossible_param(name, *internal, distribution);
            }
            _ => return None,
        };
        if values.is_some_and(|values| values.iter().any(|value| value.is_nan())) {
            return Some("a value of the trial is NaN, expected a number".to_owned());
        }
        params.into_iter().find_map(|(name, (internal, own))| impossible_param(name, *internal, own))
    }
}

fn impossible_param(name: &str, internal: f64, distribution: &ParamDistribution) -> Option<String> {
    let choices =
        if let ParamDistribution::Categorical { choices } = distribution { choices.len() } else { 0 };
    if !internal.is_finite() {
        return Some(format!("parameter `{name}` is {}, expected a number", written(internal)));
    }
    (distribution.is_categorical() && index(internal) >= choices)
        .then(|| format!("parameter `{name}` is choice {internal} of {choices}, counted from 0"))
}
