//! Comparison of two published models on the same rows.

mod earlier;
mod paired;

use cupola_eval::ModelVerdict;
use cupola_prep::{FittedTarget, Plan};
use cupola_report::{ComparedMetric, Comparison, Evaluation};
use cupola_train::{default_objectives, goal};

pub(crate) use self::earlier::EarlierComparison;
use self::paired::compared;
use super::EvaluationOptions;
use super::model_section::of_package;
use super::package::SubgroupColumns;
use super::target::TargetOutputs;
use crate::error::Error;
use crate::models::inference::{LoadedModel, ModelSelection};
use crate::session::Session;

/// Confidence level of the intervals.
const LEVEL: f64 = 0.95;

/// Models to compare, and the rows.
#[derive(Debug, Clone)]
pub struct CompareRequest {
    /// First model.
    pub first: ModelSelection,
    /// Second model.
    pub second: ModelSelection,
    /// Source of rows that have the target.
    pub data: String,
    /// Settings of the intervals.
    pub options: EvaluationOptions,
}

/// Two models on the same rows.
#[derive(Debug, Clone)]
pub struct ComparedModels {
    /// The comparison.
    pub comparison: Comparison,
    /// Document of the page.
    pub evaluation: Evaluation,
}

impl Session<'_> {
    /// Compares two models on the same rows: paired bootstrap for each metric, McNemar's test for the accuracy, DeLong's for
    /// the area under the ROC curve of two classes.
    ///
    /// # Errors
    /// [`Error::Incomparable`] for models of different targets, classes or rows; errors of [`Session::evaluate_model`].
    pub fn compare_models(&self, request: &CompareRequest) -> Result<ComparedModels, Error> {
        let mut models = [self.open_model(&request.first)?, self.open_model(&request.second)?];
        let plans = models.each_ref().map(|model| model.predictor.package.clone());
        let names = models.each_ref().map(|model| model.package.label());
        let incomparable =
            |why: String| Error::Incomparable { first: names[0].clone(), second: names[1].clone(), why };
        if let Some(why) = difference(&plans[0].plan, &plans[1].plan) {
            return Err(incomparable(why));
        }
        let [first, second] = &mut models;
        let first = self.target_outputs(first, &request.data)?;
        let second = self.target_outputs(second, &request.data)?;
        let [rows, other] = [&first, &second].map(|(rows, _)| *rows);
        if rows != other {
            return Err(incomparable(format!(
                "one predicts {rows} rows of `{}`, the other {other}",
                request.data
            )));
        }
        let comparison = of_outputs(names, &plans[0].plan, rows, [&first.1, &second.1], &request.options);
        let [model, _] = &models;
        let evaluation = Evaluation {
            model: of_package(&model.package, &plans[0].report.engine, None),
            comparison: Some(comparison.clone()),
            ..Evaluation::default()
        };
        Ok(ComparedModels { comparison, evaluation })
    }

    /// Number of rows, and the outputs of each target.
    fn target_outputs(
        &self,
        model: &mut LoadedModel,
        data: &str,
    ) -> Result<(usize, Vec<TargetOutputs>), Error> {
        let found = self.source_outputs(model, data, &SubgroupColumns::IfPresent(&[]))?;
        let plan = &model.predictor.package.plan;
        let outputs = TargetOutputs::of(plan, &default_objectives(plan), &found.outputs);
        Ok((found.outputs.examples.examples.rows, outputs))
    }
}

/// Comparison of the outputs of two models, one for each target, on the same rows.
fn of_outputs(
    names: [String; 2],
    plan: &Plan,
    rows: usize,
    [first, second]: [&[TargetOutputs]; 2],
    options: &EvaluationOptions,
) -> Comparison {
    let several = first.len() > 1;
    let mut metrics = Vec::new();
    for ((first, second), target) in first.iter().zip(second).zip(plan.targets.iter()) {
        let found = compared(first, second, options);
        let named = found.into_iter().map(|metric| {
            if several {
                ComparedMetric { name: format!("{}/{}", target.name(), metric.name), ..metric }
            } else {
                metric
            }
        });
        metrics.extend(named);
    }
    let verdict = verdict(&metrics, goal(plan).name(), &names);
    let [first, second] = names;
    Comparison { first, second, rows: rows as u64, metrics, verdict }
}

/// Difference between what two models predict; `None` if they are comparable.
fn difference(first: &Plan, second: &Plan) -> Option<String> {
    let names =
        |plan: &Plan| -> Vec<String> { plan.targets.iter().map(|target| target.name().to_owned()).collect() };
    let (own, other) = (names(first), names(second));
    if own != other {
        return Some(format!("their targets are `{}` and `{}`", own.join(", "), other.join(", ")));
    }
    first.targets.iter().zip(second.targets.iter()).find_map(|(first, second)| of_targets(first, second))
}

fn of_targets(first: &FittedTarget, second: &FittedTarget) -> Option<String> {
    use FittedTarget as T;
    match (first, second) {
        (T::Category { classes, .. }, T::Category { classes: others, .. }) => {
            let only = |these: &[String], those: &[String]| {
                these.iter().find(|class| !those.contains(class)).cloned()
            };
            if classes == others {
                return None;
            }
            let why = match (only(classes, others), only(others, classes)) {
                (Some(class), _) => format!("only the first knows the class `{class}` of `{}`", first.name()),
                (_, Some(class)) => {
                    format!("only the second knows the class `{class}` of `{}`", first.name())
                }
                _ => format!("their classes of `{}` are in another order", first.name()),
            };
            Some(why)
        }
        (T::Number { .. }, T::Number { .. }) => None,
        (T::Forecast { horizon, .. }, T::Forecast { horizon: other, .. }) => {
            (horizon != other).then(|| format!("they forecast {horizon} and {other} rows ahead"))
        }
        (T::Rank { group, .. }, T::Rank { group: other, .. }) => {
            (group != other).then(|| format!("they rank the rows of each `{group}` and of each `{other}`"))
        }
        (T::Category { .. } | T::Number { .. } | T::Forecast { .. } | T::Rank { .. }, _) => {
            Some(format!("`{}` is of different kinds", first.name()))
        }
        _ => Some(format!("`{}` has no error of each row to compare", first.name())),
    }
}

/// Sentence about the first metric whose name is the goal's, else about the first one.
fn verdict(metrics: &[ComparedMetric], goal: &str, [first, second]: &[String; 2]) -> String {
    let decides = |metric: &&ComparedMetric| metric.name == goal && metric.interval.is_some();
    let Some(metric) =
        metrics.iter().find(decides).or_else(|| metrics.iter().find(|metric| metric.interval.is_some()))
    else {
        return "the rows do not tell the models apart: no metric has an interval".to_owned();
    };
    let larger = cupola_eval::larger_is_better(&metric.name).unwrap_or(true);
    let verdict = ModelVerdict::new(metric.interval.unwrap_or_default(), larger);
    verdict.sentence(first, second, &metric.name, LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rankings_of_the_same_groups_are_comparable() {
        let ranking = |group: &str| FittedTarget::Rank {
            name: "grade".to_owned(),
            column: "grade".to_owned(),
            group: group.to_owned(),
        };
        assert_eq!(of_targets(&ranking("query"), &ranking("query")), None);
        let other = of_targets(&ranking("query"), &ranking("user")).unwrap();
        assert_eq!(other, "they rank the rows of each `query` and of each `user`");
    }

    #[test]
    fn the_goal_decides() {
        let metric = |name: &str, interval| ComparedMetric {
            name: name.to_owned(),
            interval,
            ..ComparedMetric::default()
        };
        let names = ["a:1".to_owned(), "b:2".to_owned()];
        let metrics = [metric("accuracy", Some((-0.1, 0.1))), metric("log_loss", Some((0.1, 0.2)))];
        let said = verdict(&metrics, "log_loss", &names);
        assert!(said.contains("a:1 is better than b:2 in log_loss"), "{said}");
        let said = verdict(&metrics, "roc_auc", &names);
        assert!(said.contains("accuracy"), "{said}");
        assert!(verdict(&[], "roc_auc", &names).contains("no metric"));
    }
}
