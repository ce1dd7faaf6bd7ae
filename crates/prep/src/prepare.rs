//! From raw rows to examples of train, valid and test, with the plan that made them.

use std::collections::HashSet;

use cupola_spec::{Run, Target, TargetKind, TargetList};
use serde::{Deserialize, Serialize};

use crate::checks::suspicions;
use crate::compact::Recipe;
use crate::corpus::windows;
use crate::derive::Derivation;
use crate::error::Error;
use crate::examples::Examples;
use crate::frame::Frame;
use crate::infer::{Finding, resolve};
use crate::plan::Plan;
use crate::rolling;
use crate::rows::Rows;
use crate::split::{Part, assign, assign_beside_test};
use crate::target::{FittedTarget, Targets, present};

/// Examples of one part with their targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Labelled {
    /// What the network sees.
    pub examples: Examples,
    /// What it should answer.
    pub targets: TargetList<Targets>,
}

/// Everything that training needs of the data.
#[derive(Debug)]
pub struct Prepared {
    /// Fitted on train.
    pub plan: Plan,
    /// What was inferred, where the config declares no inputs.
    pub findings: Vec<Finding>,
    /// What is suspicious in the data, one line each.
    pub suspicions: Vec<String>,
    train: Rows,
    valid: Rows,
    test: Rows,
}

impl Prepared {
    pub(crate) fn of(plan: Plan, findings: Vec<Finding>, train: Rows, valid: Rows, test: Rows) -> Self {
        Self { plan, findings, suspicions: Vec::new(), train, valid, test }
    }

    fn in_memory(plan: Plan, findings: Vec<Finding>, recipe: &Recipe, parts: [Labelled; 3]) -> Self {
        let [train, valid, test] = parts.map(|part| Rows::Memory(recipe.clone(), part));
        Self::of(plan, findings, train, valid, test)
    }

    /// The examples of one part.
    pub fn part(&self, part: Part) -> &Rows {
        match part {
            Part::Train => &self.train,
            Part::Valid => &self.valid,
            Part::Test => &self.test,
        }
    }

    /// Number of rows of one part.
    pub fn rows(&self, part: Part) -> usize {
        self.part(part).len()
    }
}

/// Resolves the inputs, splits, fits on train and applies to all. `test` holds rows from
/// `data.test_source`, if there is one; `learned` is the plan of the model that training starts from,
/// whose tokenizer is used again.
///
/// # Errors
/// Whatever does not fit, with row and column.
pub fn prepare(
    run: &Run,
    frame: &Frame,
    test: Option<&Frame>,
    learned: Option<&Plan>,
) -> Result<Prepared, Error> {
    let derive = Derivation::of(run, frame)?;
    let (frame, test) = (&derive.apply(frame)?, test.map(|test| derive.apply(test)).transpose()?);
    let (frame, copies) = if run.clean.duplicates { distinct(frame) } else { (frame.clone(), 0) };
    let (frame, test) = (&frame, test.as_ref());
    let (inputs, findings) = resolve(run, frame, learned)?;
    // Before the split, which would have other words for a target that is not there.
    let whole = !matches!(run.targets.first().kind, TargetKind::Reconstruct | TargetKind::Forecast);
    for column in run.targets.iter().filter_map(Target::column).filter(|_| whole) {
        for frame in std::iter::once(frame).chain(test) {
            present(column, frame)?;
        }
    }
    let [train_rows, valid_rows, test_rows] = match test {
        Some(_) => {
            let [train, valid] = assign_beside_test(run, frame)?;
            [train, valid, Vec::new()]
        }
        None => assign(run, frame)?,
    };
    let train_rows = without_anomalies(run, frame, train_rows)?;
    let mut all = vec![frame];
    all.extend(test);
    let mut plan = Plan::fit(&inputs, &run.targets, &all, &frame.take(&train_rows))?;
    plan.null_texts.clone_from(&run.data.null);
    plan.derive = derive;
    let targets: Vec<&Target> = run.targets.iter().collect();
    let mut suspicions = suspicions(&inputs, &targets, frame, [&train_rows, &valid_rows, &test_rows]);
    if copies > 0 {
        suspicions.push(format!("{copies} rows were copies of others and are left out"));
    }
    let prepared = |plan: Plan, recipe: &Recipe, parts: [Labelled; 3]| {
        let made = Prepared::in_memory(plan, findings, recipe, parts);
        Ok(Prepared { suspicions, ..made })
    };
    let plain = Recipe::plain(plan.layout());
    if let FittedTarget::NextToken { .. } = plan.targets.first() {
        let part = |rows: &[usize]| label(&plan, &frame.take(rows));
        let (train, valid) = (part(&train_rows)?, part(&valid_rows)?);
        let test = match test {
            Some(test) => label(&plan, test)?,
            None => part(&test_rows)?,
        };
        return prepared(plan, &plain, [train, valid, test]);
    }
    if plan.window().is_some() {
        let parts =
            rolling::divided(&plan, frame, [train_rows.len(), valid_rows.len(), test_rows.len()], run.seed)?;
        let [train, valid, own] = parts;
        let test = test.map_or(Ok(own), |test| label(&plan, test))?;
        return prepared(plan, &plain, [train, valid, test]);
    }
    let train_rows = plan.trained_on(frame, train_rows)?;
    let whole = kept(&plan, frame, false)?;
    let test = match test {
        Some(test) => kept(&plan, test, false)?,
        None => whole.gather(&test_rows),
    };
    let valid = whole.gather(&valid_rows);
    let train = if plan.by_folds() {
        kept(&plan, &frame.take(&train_rows), true)?
    } else {
        whole.gather(&train_rows)
    };
    let recipe = plan.recipe();
    prepared(plan, &recipe, [train, valid, test])
}

/// Rows that are derived already as kept examples with their targets.
pub(crate) fn kept(plan: &Plan, frame: &Frame, training: bool) -> Result<Labelled, Error> {
    let targets = plan.targets.try_map(|target| target.apply(frame))?;
    Ok(Labelled { examples: plan.keep(frame, training)?, targets })
}

/// The first of equal rows each, and how many others there were.
fn distinct(frame: &Frame) -> (Frame, usize) {
    let mut seen = HashSet::new();
    let keys: Vec<(u64, u64)> = frame.row_keys(0).into_iter().zip(frame.row_keys(1)).collect();
    let rows: Vec<usize> = (0..frame.rows()).filter(|row| seen.insert(keys[*row])).collect();
    let copies = frame.rows() - rows.len();
    (if copies == 0 { frame.clone() } else { frame.take(&rows) }, copies)
}

/// Applies a plan to rows that have the target.
///
/// # Errors
/// Whatever does not fit, with row and column.
pub fn label(plan: &Plan, frame: &Frame) -> Result<Labelled, Error> {
    let frame = &plan.derive.apply(frame)?;
    if let FittedTarget::NextToken { .. } = plan.targets.first() {
        return windows(plan, frame);
    }
    if plan.window().is_some() {
        return rolling::label(plan, frame);
    }
    let kept = kept(plan, frame, false)?;
    Ok(Labelled { examples: plan.recipe().expand(kept.examples), ..kept })
}

/// Rows that a reconstruction learns from: those that are not labelled as anomalies.
fn without_anomalies(run: &Run, frame: &Frame, rows: Vec<usize>) -> Result<Vec<usize>, Error> {
    let (TargetKind::Reconstruct, Some(column)) = (run.targets.first().kind, run.targets.first().column())
    else {
        return Ok(rows);
    };
    let values = frame.require(column, "check `[[targets]]`")?;
    let normal = |row: &usize| !matches!(values.text(*row).as_deref(), Some("1" | "true"));
    // A window goes over rows of both kinds, so the rows in between stay.
    if run.windowed() { Ok(rows) } else { Ok(rows.into_iter().filter(normal).collect()) }
}

impl Labelled {
    /// Examples with the targets of a plan, of which there is one at least.
    pub(crate) fn of(examples: Examples, targets: Vec<Targets>) -> Self {
        let none = || TargetList::single(Targets::Own { labels: Vec::new() });
        Self { examples, targets: TargetList::from_vec(targets).unwrap_or_else(none) }
    }

    /// Adds the targets of more rows of a [`crate::Store`], not their examples.
    pub fn append_targets(&mut self, other: Self) {
        self.examples.rows += other.examples.rows;
        self.targets.iter_mut().zip(other.targets).for_each(|(own, other)| own.append(other));
    }

    /// The rows at `indices`, in that order.
    #[must_use]
    pub fn gather(&self, indices: &[usize]) -> Self {
        Self {
            examples: self.examples.gather(indices),
            targets: self.targets.map(|targets| targets.gather(indices)),
        }
    }
}

impl Targets {
    /// Rows of each class; empty where there are no classes.
    pub fn classes(&self) -> Vec<usize> {
        let Self::Class(rows) = self else { return Vec::new() };
        let mut counts = Vec::new();
        for class in rows.iter().filter_map(|class| usize::try_from(*class).ok()) {
            if class >= counts.len() {
                counts.resize(class + 1, 0);
            }
            counts[class] += 1;
        }
        counts
    }

    /// Adds more rows of the same kind.
    fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Class(own), Self::Class(other)) => own.extend(other),
            (Self::Number(own), Self::Number(other)) => own.extend(other),
            // A store holds no other.
            (own, other) => unreachable!("{own:?} and {other:?}"),
        }
    }

    /// The targets at `rows`, in that order.
    #[must_use]
    pub fn gather(&self, rows: &[usize]) -> Self {
        match self {
            Self::Class(values) => Self::Class(rows.iter().map(|&row| values[row]).collect()),
            Self::Number(values) => Self::Number(rows.iter().map(|&row| values[row]).collect()),
            Self::Vector { width, values } => {
                let of = |row: &usize| &values[row * width..(row + 1) * width];
                Self::Vector { width: *width, values: rows.iter().flat_map(of).copied().collect() }
            }
            Self::Own { labels } => {
                Self::Own { labels: rows.iter().filter_map(|&row| labels.get(row).copied()).collect() }
            }
            Self::Tokens { length, next } => Self::Tokens {
                length: *length,
                next: rows.iter().flat_map(|row| &next[row * length..(row + 1) * length]).copied().collect(),
            },
        }
    }
}
