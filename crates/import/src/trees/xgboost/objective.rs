//! Objectives: what the sum of the trees means, and the score without any tree.

use cupola_trees::TreeScore;

use super::document::Learner;
use super::{invalid, unsupported};
use crate::error::Error;

impl Learner {
    /// Name of the objective.
    fn objective_name(&self) -> &str {
        self.objective.get("name").and_then(serde_json::Value::as_str).unwrap_or_default()
    }
}

/// Kind of the score of an output.
pub(super) fn score(learner: &Learner, groups: usize) -> Result<TreeScore, Error> {
    let name = learner.objective_name();
    let score = match name {
        "binary:logistic" => TreeScore::LogOdds,
        "multi:softprob" | "multi:softmax" => TreeScore::Margin,
        "reg:logistic" => TreeScore::LogOddsOfShare,
        "count:poisson" | "reg:gamma" | "reg:tweedie" => TreeScore::LogOfNumber,
        "reg:squarederror"
        | "reg:linear"
        | "reg:squaredlogerror"
        | "reg:pseudohubererror"
        | "reg:absoluteerror"
        | "reg:quantileerror"
        | "binary:logitraw"
        | "rank:pairwise"
        | "rank:ndcg"
        | "rank:map" => TreeScore::Number,
        other => {
            let remedy = "train with an objective for numbers, counts, two classes or several classes";
            return Err(unsupported("objective", &format!("`{other}`"), remedy));
        }
    };
    match (score, groups) {
        (TreeScore::Margin, 0..=2) => {
            Err(unsupported("num_class", &groups.to_string(), "train with `binary:logistic`"))
        }
        (TreeScore::Margin, _) | (_, 1) => Ok(score),
        _ => Err(unsupported(
            "objective",
            &format!("`{name}` with {groups} outputs"),
            "train a model for each",
        )),
    }
}

/// Score without any tree, one per output.
pub(super) fn base_margins(learner: &Learner, groups: usize) -> Result<Vec<f64>, Error> {
    let text = learner.learner_model_param.text("base_score").unwrap_or_else(|| "0.5".to_owned());
    let number = |text: &str| text.trim().parse::<f32>().ok().filter(|number| number.is_finite());
    let parts: Option<Vec<f32>> =
        text.trim_start_matches('[').trim_end_matches(']').split(',').map(number).collect();
    let parts = parts.ok_or_else(|| invalid(format!("`base_score` is `{text}`, which is not a number")))?;
    let link = |base: f32| {
        let base = f64::from(base);
        match learner.objective_name() {
            "binary:logistic" | "binary:logitraw" | "reg:logistic" => -(1.0 / base - 1.0).ln(),
            "count:poisson" | "reg:gamma" | "reg:tweedie" => base.ln(),
            _ => base,
        }
    };
    match parts.as_slice() {
        [one] => Ok(vec![link(*one); groups]),
        many if many.len() == groups => Ok(many.iter().map(|base| link(*base)).collect()),
        many => Err(invalid(format!("`base_score` has {} numbers for {groups} outputs", many.len()))),
    }
}
