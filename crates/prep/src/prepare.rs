//! From raw rows to examples of train, valid and test, with the plan that made them.

mod saved;
mod stream;
mod suspicions;
mod tokens;
mod windows;

use std::collections::HashSet;

use cupola_spec::{Run, Target, TargetKind};

pub use self::stream::{Source, prepare_stream};
use self::suspicions::suspicions;
use crate::error::Error;
use crate::examples::{Labelled, Recipe, Rows};
use crate::features::{Derivation, Finding, resolve};
use crate::frame::Frame;
use crate::plan::Plan;
use crate::split::{Part, assign, assign_beside_test};
use crate::target::{FittedTarget, present};

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
    let (inputs, findings) = resolve(run, frame, learned.and_then(Plan::tokenizer))?;
    // Before the split, which would have other words for a target that is not there.
    let whole = !matches!(run.target.kind, TargetKind::Reconstruct | TargetKind::Forecast);
    for column in run.targets().filter_map(Target::column).filter(|_| whole) {
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
    let mut plan = Plan::fit(&inputs, &run.target, &run.further, &all, &frame.take(&train_rows))?;
    plan.null_texts.clone_from(&run.data.null);
    plan.derive = derive;
    let targets: Vec<&Target> = run.targets().collect();
    let mut suspicions = suspicions(&inputs, &targets, frame, [&train_rows, &valid_rows, &test_rows]);
    if copies > 0 {
        suspicions.push(format!("{copies} rows were copies of others and are left out"));
    }
    let prepared = |plan: Plan, recipe: &Recipe, parts: [Labelled; 3]| {
        let made = Prepared::in_memory(plan, findings, recipe, parts);
        Ok(Prepared { suspicions, ..made })
    };
    let plain = Recipe::plain(plan.layout());
    if let FittedTarget::NextToken { .. } = plan.target {
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
            windows::divided(&plan, frame, [train_rows.len(), valid_rows.len(), test_rows.len()], run.seed)?;
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
    let further = plan.further.iter().map(|target| target.apply(frame)).collect::<Result<_, _>>()?;
    Ok(Labelled { examples: plan.keep(frame, training)?, targets: plan.target.apply(frame)?, further })
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
    if let FittedTarget::NextToken { .. } = plan.target {
        return tokens::label(plan, frame);
    }
    if plan.window().is_some() {
        return windows::label(plan, frame);
    }
    let kept = kept(plan, frame, false)?;
    Ok(Labelled { examples: plan.recipe().expand(kept.examples), ..kept })
}

/// Rows that a reconstruction learns from: those that are not labelled as anomalies.
fn without_anomalies(run: &Run, frame: &Frame, rows: Vec<usize>) -> Result<Vec<usize>, Error> {
    let (TargetKind::Reconstruct, Some(column)) = (run.target.kind, run.target.column()) else {
        return Ok(rows);
    };
    let values = frame.require(column, "check `[[targets]]`")?;
    let normal = |row: &usize| !matches!(values.text(*row).as_deref(), Some("1" | "true"));
    // A window goes over rows of both kinds, so the rows in between stay.
    if run.windowed() { Ok(rows) } else { Ok(rows.into_iter().filter(normal).collect()) }
}
