//! Metrics of a model that learns nothing from the inputs, to compare a trained one with.

use cupola_eval::Metrics;
use cupola_prep::{Examples, ExamplesWithTargets, FittedInput, FittedTarget, Plan, Prepared, SplitPart};
use cupola_spec::Block;
use serde::{Deserialize, Serialize};

use super::{STORED, metrics_from_logits};
use crate::error::Error;
use crate::objective::TargetObjective;

/// Trivial model of each target: the shares of the classes, the mean, the values one season before, or a random order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Baseline {
    rules: Vec<Rule>,
}

/// Rule that one target is predicted by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rule {
    /// Logits of the shares of the classes in the training rows.
    Shares { logits: Vec<f32>, likeliest: String },
    /// The mean of the training rows, which a standardised 0 stands for.
    Mean { width: usize },
    /// The value one season before, `steps` places of an example for each step of the horizon.
    SeasonalNaive { steps: Vec<usize>, season: usize },
    /// One score for all rows of a group, which stands for the mean over all orders.
    AnyOrder,
}

impl Baseline {
    /// Trivial model of prepared data; `None` for targets that have none: tokens, reconstructions, embeddings.
    pub fn of(prepared: &Prepared) -> Option<Self> {
        let rules =
            prepared.plan.targets.iter().enumerate().map(|(index, target)| rule(prepared, index, target));
        rules.collect::<Option<_>>().map(|rules| Self { rules })
    }

    /// Rules in words, such as "always `no`", one for each target.
    pub fn description(&self) -> String {
        let each = self.rules.iter().map(|rule| match rule {
            Rule::Shares { likeliest, .. } => format!("always `{likeliest}`"),
            Rule::Mean { .. } => "the mean".to_owned(),
            Rule::AnyOrder => "a random order".to_owned(),
            Rule::SeasonalNaive { season: 1, .. } => "the last value".to_owned(),
            Rule::SeasonalNaive { season, .. } => format!("the value {season} steps before"),
        });
        each.collect::<Vec<_>>().join(", ")
    }

    /// Metrics of the trivial model on a split, with the losses of `objectives`.
    ///
    /// # Errors
    /// [`Error::Data`] for a file of examples that cannot be read.
    pub fn metrics(
        &self,
        prepared: &Prepared,
        objectives: &[TargetObjective],
        part: SplitPart,
    ) -> Result<Metrics, Error> {
        let part = prepared.part(part);
        let (mut seen, mut logits) = (part.gather(&[])?, Vec::new());
        let rows: Vec<usize> = (0..part.len()).collect();
        for rows in rows.chunks(STORED) {
            let chunk = part.gather(rows)?;
            logits.extend(self.logits(&chunk.examples));
            seen.append_targets(chunk);
        }
        Ok(metrics_from_logits(&prepared.plan, objectives, &logits, &seen))
    }

    /// Metrics on any examples of the plan; `None` if the rules do not fit the plan, or need examples where only their number
    /// is known.
    pub fn metrics_of(
        &self,
        plan: &Plan,
        objectives: &[TargetObjective],
        examples: &ExamplesWithTargets,
    ) -> Option<Metrics> {
        let inputs = &examples.examples;
        let width = inputs.layout.dense_width();
        let complete = inputs.dense.len() == inputs.rows * width;
        let fits = |(rule, target): (&Rule, &FittedTarget)| match rule {
            Rule::Shares { logits, .. } => logits.len() == target.width(),
            Rule::Mean { width } => *width == target.width(),
            Rule::AnyOrder => target.width() == 1,
            Rule::SeasonalNaive { steps, .. } => {
                complete && steps.len() == target.width() && steps.iter().all(|step| *step < width)
            }
        };
        let all = self.rules.len() == plan.targets.iter().count();
        let all = all && self.rules.iter().zip(plan.targets.iter()).all(fits);
        all.then(|| metrics_from_logits(plan, objectives, &self.logits(inputs), examples))
    }

    /// Logits `[rows, width]`.
    fn logits(&self, examples: &Examples) -> Vec<f32> {
        let width = examples.layout.dense_width();
        let mut out = Vec::new();
        for row in 0..examples.rows {
            for rule in &self.rules {
                match rule {
                    Rule::Shares { logits, .. } => out.extend(logits),
                    Rule::Mean { width } => out.extend(std::iter::repeat_n(0.0, *width)),
                    Rule::AnyOrder => out.push(0.0),
                    Rule::SeasonalNaive { steps, .. } => {
                        out.extend(steps.iter().map(|step| examples.dense[row * width + step]));
                    }
                }
            }
        }
        out
    }
}

fn rule(prepared: &Prepared, index: usize, target: &FittedTarget) -> Option<Rule> {
    match target {
        FittedTarget::Category { classes, .. } => {
            let counts = prepared.part(SplitPart::Train).classes(index);
            Some(shares(classes, &counts))
        }
        FittedTarget::Number { .. } => Some(Rule::Mean { width: target.width() }),
        FittedTarget::Rank { .. } => Some(Rule::AnyOrder),
        FittedTarget::Forecast { horizon, season, channel, .. } => {
            let steps = channel.and_then(|channel| season_before(prepared, channel, *season, *horizon));
            Some(steps.map_or(Rule::Mean { width: *horizon }, |steps| Rule::SeasonalNaive {
                steps,
                season: *season,
            }))
        }
        FittedTarget::Reconstruct { .. }
        | FittedTarget::Embedding { .. }
        | FittedTarget::NextToken { .. } => None,
    }
}

/// Logits whose sigmoid or softmax are the shares of the classes.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
fn shares(classes: &[String], counts: &[usize]) -> Rule {
    let log = |class: usize| (counts.get(class).copied().unwrap_or(0).max(1) as f64).ln();
    let logits = match classes.len() {
        2 => vec![(log(1) - log(0)) as f32],
        count => (0..count).map(|class| log(class) as f32).collect(),
    };
    let likeliest = (0..classes.len()).max_by(|a, b| log(*a).total_cmp(&log(*b)).then(b.cmp(a)));
    Rule::Shares { logits, likeliest: likeliest.map(|class| classes[class].clone()).unwrap_or_default() }
}

/// Place in an example of the value one season before each step of the horizon; `None` if the window is shorter.
fn season_before(prepared: &Prepared, channel: usize, season: usize, horizon: usize) -> Option<Vec<usize>> {
    let plan = &prepared.plan;
    let blocks = plan.layout().blocks;
    let table = blocks.iter().take_while(|block| matches!(block, Block::Table { .. })).count();
    let mut at: usize = blocks[..table].iter().map(Block::dense_width).sum();
    let is_block = |input: &&FittedInput| {
        !matches!(input, FittedInput::Number { .. } | FittedInput::Category { .. } | FittedInput::Date { .. })
    };
    for (input, block) in plan.inputs.iter().filter(is_block).zip(&blocks[table..]) {
        if let FittedInput::Window { columns, window, .. } = input {
            let first = window.checked_sub(season)?;
            let place = |ahead: usize| at + (first + ahead % season) * columns.len() + channel;
            return (season > 0).then(|| (0..horizon).map(place).collect());
        }
        at += block.dense_width();
    }
    None
}

#[cfg(test)]
mod tests {
    use cupola_prep::{Column, Frame, prepare};

    use super::*;
    use crate::objective::objectives;

    fn prepared(config: &str, frame: &Frame) -> (cupola_spec::Run, Prepared) {
        let text = format!(
            "name='t'\nseed=1\n[data]\nsource='none'\n[model]\nfamily='mlp'\nhidden=[3]\n[split]\nvalid=0.25\ntest=0.25\n{config}"
        );
        let run = cupola_spec::parse("t", &text, &[], &|_| Err(String::new())).unwrap();
        let prepared = prepare(&run, frame, None, None).unwrap();
        (run, prepared)
    }

    fn measured(run: &cupola_spec::Run, prepared: &Prepared) -> (String, Metrics) {
        let baseline = Baseline::of(prepared).unwrap();
        let objectives = objectives(run, prepared);
        let metrics = baseline.metrics(prepared, &objectives, SplitPart::Valid).unwrap();
        // The rules of a package predict other rows as those of the run do.
        let sealed: Baseline = serde_json::from_value(serde_json::to_value(&baseline).unwrap()).unwrap();
        let part = prepared.part(SplitPart::Valid);
        let examples = part.gather(&(0..part.len()).collect::<Vec<_>>()).unwrap();
        let found = sealed.metrics_of(&prepared.plan, &objectives, &examples).unwrap();
        assert_eq!(found.values, metrics.values);
        let foreign = Baseline { rules: vec![Rule::Mean { width: 77 }] };
        assert_eq!(foreign.metrics_of(&prepared.plan, &objectives, &examples), None);
        (baseline.description(), metrics)
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
    }

    #[test]
    fn classes_are_predicted_by_their_shares() {
        for classes in [["no", "no", "no", "yes"], ["a", "a", "b", "c"]] {
            let frame = Frame::default()
                .with("x", Column::numbers((0..400).map(f64::from).collect()))
                .with("y", Column::texts((0..400).map(|row| Some(classes[row % 4]))));
            let (run, prepared) = prepared(
                "[[inputs]]\nname='x'\nkind='number'\n[[targets]]\nname='y'\nkind='category'",
                &frame,
            );
            let (rule, found) = measured(&run, &prepared);
            let [all, majority] = [found.confusion.iter().flatten().sum::<u64>(), found.classes[0].support];
            assert_eq!(rule, format!("always `{}`", classes[0]));
            close(found.values["accuracy"], majority as f64 / all as f64);
            close(found.values["roc_auc"], 0.5);
            // A stratified split keeps the shares, so the loss is the entropy.
            let shares: &[f64] = if classes[3] == "yes" { &[0.75, 0.25] } else { &[0.5, 0.25, 0.25] };
            close(found.values["log_loss"], -shares.iter().map(|p| p * p.ln()).sum::<f64>());
        }
    }

    #[test]
    fn a_number_is_predicted_by_the_mean_of_the_training_rows() {
        let value = |row: usize| ((row * 37) % 101) as f64;
        let part = |row: usize| ["train", "train", "valid", "test"][row % 4];
        let frame = Frame::default()
            .with("x", Column::numbers((0..200).map(f64::from).collect()))
            .with("part", Column::texts((0..200).map(|row| Some(part(row)))))
            .with("y", Column::numbers((0..200).map(value).collect()));
        let config = "by='predefined'\ncolumn='part'\n[[inputs]]\nname='x'\nkind='number'\n[[targets]]\nname='y'\nkind='number'";
        let text = format!(
            "name='t'\nseed=1\n[data]\nsource='none'\n[model]\nfamily='mlp'\nhidden=[3]\n[split]\n{config}"
        );
        let run = cupola_spec::parse("t", &text, &[], &|_| Err(String::new())).unwrap();
        let prepared = prepare(&run, &frame, None, None).unwrap();
        let (rule, found) = measured(&run, &prepared);
        let rows = |name: &'static str| (0..200).filter(move |row| part(*row) == name).map(value);
        let mean = rows("train").sum::<f64>() / 100.0;
        let error = rows("valid").map(|y| (y - mean).powi(2)).sum::<f64>() / 50.0;
        assert_eq!(rule, "the mean");
        close(found.values["rmse"], error.sqrt());
    }

    #[test]
    fn a_forecast_is_predicted_by_the_season_before() {
        // A season of three that repeats exactly, so that only the seasonal rule is without error.
        let frame = Frame::default()
            .with("other", Column::numbers((0..300).map(f64::from).collect()))
            .with("sold", Column::numbers((0..300).map(|row| [1.0, 5.0, 9.0][row % 3]).collect()));
        let config = |season: usize| {
            format!(
                "by='time'\n[[inputs]]\nname='s'\nkind='series'\ncolumns=['other','sold']\nwindow=4\n[[targets]]\nname='sold'\nkind='forecast'\nhorizon=5\nseason={season}"
            )
        };
        let (run, data) = prepared(&config(3), &frame);
        let (rule, found) = measured(&run, &data);
        assert_eq!(rule, "the value 3 steps before");
        close(found.values["rmse"], 0.0);
        let (run, data) = prepared(&config(1), &frame);
        let (rule, found) = measured(&run, &data);
        assert_eq!(rule, "the last value");
        assert!(found.values["rmse"] > 1.0);
        // A season that is longer than the window.
        let (run, data) = prepared(&config(7), &frame);
        assert_eq!(measured(&run, &data).0, "the mean");
    }
}
