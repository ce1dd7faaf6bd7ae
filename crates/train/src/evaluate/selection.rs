//! Metric that selects the best evaluation, and its fallback where the metric is undefined.

use cupola_prep::{FittedTarget, Plan, Prepared, SplitExamples, SplitPart, Targets};
use cupola_spec::{Goal, Run, ScheduleKind};

use super::used_targets;
use crate::error::Error;
use crate::objective::goal;

/// Metric by which the best checkpoint, early stopping and the plateau schedule compare evaluations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Metric in use.
    pub goal: Goal,
    /// Metric that it replaces; `None` if it is the configured one.
    pub replaced: Option<UndefinedMetric>,
}

/// Metric that a split does not define.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndefinedMetric {
    /// The metric.
    pub metric: Goal,
    /// Reason, such as "all 40 rows in use of the valid split have the class `no`".
    pub why: String,
    /// Effect on the run and remedy.
    pub effect: String,
}

impl std::fmt::Display for UndefinedMetric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` is undefined: {}; {}", self.metric.name(), self.why, self.effect)
    }
}

impl Selection {
    /// Selection of a run: its metric, or the loss if the valid split does not define the metric.
    ///
    /// # Errors
    /// [`Error::Data`] for a file of examples that cannot be read.
    pub fn of(run: &Run, prepared: &Prepared) -> Result<Self, Error> {
        let metric = configured(run, &prepared.plan);
        let part = prepared.part(SplitPart::Valid);
        let rows = limit_rows(part.len(), run.train.limit_valid);
        if rows == 0 {
            let why = "the valid split has no rows".to_owned();
            let effect = format!(
                "the weights of the last step are published{}; set `split.valid` to compare epochs",
                unused(run)
            );
            return Ok(Self { goal: metric, replaced: Some(UndefinedMetric { metric, why, effect }) });
        }
        let Some(why) = undefined(metric, &prepared.plan, part, rows, "valid")? else {
            return Ok(Self { goal: metric, replaced: None });
        };
        let effect = "the best epoch, early stopping and the plateau schedule use `loss` instead; change \
                      `[split]`, or write `train.metric = \"loss\"`"
            .to_owned();
        Ok(Self { goal: Goal::Loss, replaced: Some(UndefinedMetric { metric, why, effect }) })
    }
}

/// The metric of a run, if a split leaves it out of its report.
///
/// # Errors
/// [`Error::Data`] for a file of examples that cannot be read.
pub fn unreported_metric(
    run: &Run,
    prepared: &Prepared,
    part: SplitPart,
    name: &str,
) -> Result<Option<UndefinedMetric>, Error> {
    let metric = configured(run, &prepared.plan);
    let examples = prepared.part(part);
    if examples.is_empty() {
        return Ok(None);
    }
    let why = undefined(metric, &prepared.plan, examples, examples.len(), name)?;
    let effect = format!("the report of the {name} split leaves it out; change `[split]` to get it");
    Ok(why.map(|why| UndefinedMetric { metric, why, effect }))
}

/// `share` of `rows`, rounded up.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn limit_rows(rows: usize, share: f64) -> usize {
    ((rows as f64 * share).ceil() as usize).min(rows)
}

fn configured(run: &Run, plan: &Plan) -> Goal {
    run.train.metric.unwrap_or_else(|| goal(plan))
}

/// Settings that have no effect without evaluations.
fn unused(run: &Run) -> &'static str {
    let plateau = run.train.schedule.kind == ScheduleKind::Plateau;
    match (run.train.early_stop.patience > 0, plateau) {
        (true, true) => ", and early stopping and the plateau schedule have no effect",
        (true, false) => ", and early stopping has no effect",
        (false, true) => ", and the plateau schedule has no effect",
        (false, false) => "",
    }
}

/// Reason why the first `rows` rows of a split do not define a metric; `None` if they do.
fn undefined(
    metric: Goal,
    plan: &Plan,
    part: &SplitExamples,
    rows: usize,
    name: &str,
) -> Result<Option<String>, Error> {
    if !matches!(metric, Goal::RocAuc | Goal::R2 | Goal::NdcgAt10) {
        return Ok(None);
    }
    let targets = used_targets(part, rows)?;
    let here = if rows == part.len() {
        format!("rows of the {name} split")
    } else {
        format!("rows in use of the {name} split")
    };
    Ok(match (metric, plan.targets.first(), targets.first()) {
        (Goal::RocAuc, FittedTarget::Category { classes, .. }, Targets::Class(found)) => {
            let first = found.first().copied().unwrap_or_default();
            let class = usize::try_from(first).ok().and_then(|index| classes.get(index));
            let class = class.map(String::as_str).unwrap_or_default();
            let one = found.iter().all(|class| *class == first);
            one.then(|| format!("all {rows} {here} have one class, `{class}`"))
        }
        (Goal::RocAuc, _, Targets::Reconstruction { anomalies }) => match anomalies.as_slice() {
            [] => Some("the anomalies are unknown".to_owned()),
            [first, rest @ ..] if rest.iter().all(|other| other == first) => {
                let whether = if *first { "anomalies" } else { "no anomalies" };
                Some(format!("all {rows} {here} are {whether}"))
            }
            _ => None,
        },
        (Goal::R2, target, Targets::Number(values) | Targets::Vector { values, .. }) => {
            let first = values.first().map(|value| value.to_bits());
            let constant = values.iter().all(|value| Some(value.to_bits()) == first);
            constant.then(|| format!("all {rows} {here} have one value of `{}`", target.name()))
        }
        (Goal::NdcgAt10, target, Targets::Relevance { values, .. }) => {
            let none = values.iter().all(|grade| *grade <= 0.0);
            none.then(|| format!("all {rows} {here} have a `{}` of 0", target.name()))
        }
        (metric, target, _) => {
            Some(format!("the target `{}` is of a kind without `{}`", target.name(), metric.name()))
        }
    })
}

#[cfg(test)]
mod tests {
    use cupola_prep::{Column, Frame, prepare};

    use super::*;

    fn prepared(target: &str, train: &str, values: Column) -> (Run, Prepared) {
        let text = format!(
            "name='t'\nseed=1\n[data]\nsource='none'\n[split]\nby='predefined'\ncolumn='part'\n[[inputs]]\nname='x'\nkind='number'\n[[targets]]\nname='y'\nkind='{target}'\n[model]\nfamily='mlp'\nhidden=[3]\n[train]\n{train}"
        );
        let run = cupola_spec::parse("t", &text, &[], &|_| Err(String::new())).unwrap();
        let names = (0..values.len()).map(|row| Some(["train", "train", "valid", "test"][row % 4]));
        let frame = Frame::default()
            .with("x", Column::numbers((0..values.len()).map(|row| row as f64).collect()))
            .with("part", Column::texts(names))
            .with("y", values);
        let prepared = prepare(&run, &frame, None, None).unwrap();
        (run, prepared)
    }

    /// Two classes for training, and those of `valid` in turn for validation.
    fn classes(valid: &'static [&'static str]) -> Column {
        let class = |row: usize| match row % 4 {
            2 => valid[(row / 4) % valid.len()],
            _ => ["no", "yes"][row % 2],
        };
        Column::texts((0..80).map(|row| Some(class(row))))
    }

    #[test]
    fn one_class_in_the_valid_split_selects_by_the_loss_and_says_so() {
        let (run, data) = prepared("category", "", classes(&["no"]));
        let found = Selection::of(&run, &data).unwrap();
        let said = found.replaced.unwrap().to_string();
        assert_eq!(found.goal, Goal::Loss);
        assert!(
            said.starts_with("`roc_auc` is undefined: all 20 rows of the valid split have one class, `no`;")
        );
        assert!(said.contains("use `loss` instead"), "{said}");
        // Metrics that one class defines stay.
        for metric in ["accuracy", "macro_f1", "loss"] {
            let (run, data) = prepared("category", &format!("metric='{metric}'"), classes(&["no"]));
            assert_eq!(Selection::of(&run, &data).unwrap().replaced, None, "{metric}");
        }
    }

    #[test]
    fn both_classes_keep_the_metric_unless_the_rows_in_use_have_one() {
        let (run, both) = prepared("category", "", classes(&["no", "yes"]));
        assert_eq!(Selection::of(&run, &both).unwrap(), Selection { goal: Goal::RocAuc, replaced: None });
        let (run, few) = prepared("category", "limit_valid=0.01", classes(&["no", "yes"]));
        let found = Selection::of(&run, &few).unwrap();
        assert_eq!(found.goal, Goal::Loss);
        assert!(found.replaced.unwrap().why.contains("rows in use of the valid split"));
        // The test split has one class, which only its report shows.
        let said = unreported_metric(&run, &few, SplitPart::Test, "test").unwrap().unwrap().to_string();
        assert!(said.contains("rows of the test split have one class, `yes`"), "{said}");
    }

    #[test]
    fn a_constant_target_has_no_r2_and_an_empty_split_nothing() {
        let constant = |row: usize| if row % 4 == 2 { 7.5 } else { row as f64 };
        let (run, prepared) =
            prepared("number", "metric='r2'", Column::numbers((0..40).map(constant).collect()));
        let found = Selection::of(&run, &prepared).unwrap();
        assert_eq!(found.goal, Goal::Loss);
        assert!(found.replaced.unwrap().why.contains("one value of `y`"));
        let text = "name='t'\nseed=1\n[data]\nsource='none'\n[split]\nvalid=0.0\ntest=0.0\n[[targets]]\nname='y'\nkind='number'\n[model]\nfamily='mlp'\nhidden=[3]\n[train]\nearly_stop={patience=2}";
        let run = cupola_spec::parse("t", text, &[], &|_| Err(String::new())).unwrap();
        let prepared = crate::tests::data(&run);
        let said = Selection::of(&run, &prepared).unwrap().replaced.unwrap().to_string();
        assert!(
            said.contains("the weights of the last step are published, and early stopping has no effect")
        );
    }
}
