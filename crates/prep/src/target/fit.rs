//! Fitting of targets.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use cupola_spec::{Scaling, Target, TargetKind, other_spelling};
use cupola_values::canonical_number;

use super::{FittedTarget, NumberOutputs, relevance};
use crate::error::Error;
use crate::features::uniting_steps;
use crate::frame::{Frame, finite};
use crate::stats::Moments;
use crate::transform::{FittedInput, seasonal_naive_error};

/// Most classes of a target.
const MAX_CLASSES: usize = 10_000;
/// Number of classes up to which they may outnumber half of the training rows.
const FEW_CLASSES: usize = 20;

impl FittedTarget {
    /// Fits a target: its classes to all rows that have it, its scaling to the training rows. A forecast takes the
    /// scaling of the same column among `inputs`.
    ///
    /// # Errors
    /// [`Error::Target`] for missing values, fewer than two classes or a class without training rows,
    /// [`Error::Value`] for a value that is not a finite number.
    pub fn fit(
        target: &Target,
        inputs: &[FittedInput],
        all: &[&Frame],
        train: &Frame,
    ) -> Result<Self, Error> {
        let name = target.name.clone();
        let Some(column) = target.column().map(str::to_owned) else {
            return Ok(Self::Reconstruct { name, column: None, width: 0, threshold: None });
        };
        if target.kind == TargetKind::Reconstruct {
            return Ok(Self::Reconstruct { name, column: Some(column), width: 0, threshold: None });
        }
        if target.kind != TargetKind::Forecast {
            all.iter().try_for_each(|frame| check_no_missing(&column, frame))?;
        }
        match target.kind {
            TargetKind::Number => {
                let present: Moments = numbers(&column, train)?.into_iter().collect();
                let (shift, factor) = present.scaling(Scaling::Standard);
                let range = present.range().map(|(low, high)| [low, high]);
                Ok(Self::Number { name, column, shift, factor, range, outputs: NumberOutputs::Value })
            }
            TargetKind::Forecast => {
                let values = numbers(&column, train)?;
                let (horizon, season) = (target.horizon.unwrap_or(1), target.season.unwrap_or(1));
                let input = inputs.iter().find_map(FittedInput::window).and_then(|(_, columns)| {
                    let channel = columns.iter().position(|series| series.column == column)?;
                    Some(((columns[channel].shift, columns[channel].factor), channel))
                });
                let (shift, factor) = input.map_or_else(|| standard_scaling(&values), |(scaling, _)| scaling);
                let channel = input.map(|(_, channel)| channel);
                let naive = seasonal_naive_error([values.as_slice()], season);
                Ok(Self::Forecast { name, column, horizon, season, shift, factor, channel, naive })
            }
            TargetKind::Rank => {
                let group = target.group().unwrap_or_default().to_owned();
                relevance::check_pairs(&column, &group, train)?;
                Ok(Self::Rank { name, column, group })
            }
            _ => Self::fit_classes(target, column, all, train),
        }
    }

    fn fit_classes(target: &Target, column: String, all: &[&Frame], train: &Frame) -> Result<Self, Error> {
        let counts = count_classes(&column, all)?;
        let mut classes: Vec<String> = counts.keys().cloned().collect();
        let is_number = |class: &String| canonical_number(class).is_some_and(|text| text == *class);
        let numeric = classes.iter().all(is_number);
        if numeric {
            let number = |text: &String| text.parse::<f64>().unwrap_or(f64::NAN);
            classes.sort_by(|a, b| number(a).total_cmp(&number(b)));
        }
        let invalid = |why: String| Error::Target { column: column.clone(), why };
        if classes.len() < 2 {
            let only = classes.first().cloned().unwrap_or_default();
            return Err(invalid(format!(
                "all values are `{only}`, but a model requires two classes; check the data or `data.query`"
            )));
        }
        let rows = train.rows();
        if classes.len() > MAX_CLASSES || classes.len() > FEW_CLASSES && classes.len() * 2 > rows {
            return Err(invalid(format!(
                "{} classes in {rows} rows are too many; use `kind = \"number\"` for a number",
                classes.len(),
            )));
        }
        let values = train.require(&column, "check `[[targets]]`")?;
        let in_train: HashSet<Cow<'_, str>> = (0..rows).filter_map(|row| values.text(row)).collect();
        if let Some(absent) = classes.iter().find(|class| !in_train.contains(class.as_str())) {
            let others = classes.iter().map(String::as_str).filter(|class| in_train.contains(*class));
            return Err(invalid(format!(
                "class `{absent}` has {} rows, none of them for training; {}",
                counts[absent],
                absent_class_remedy(absent, others, "add rows or leave the class out with `data.query`")
            )));
        }
        if let Some(positive) = &target.positive {
            put_last(&mut classes, positive).map_err(invalid)?;
        }
        let (name, calibration, threshold) = (target.name.clone(), None, None);
        Ok(Self::Category { name, column, classes, numeric, calibration, threshold })
    }
}

/// Moves the positive one of two classes to the end, where the logit's class stands; the reason why it cannot be.
fn put_last(classes: &mut [String], positive: &str) -> Result<(), String> {
    match classes {
        [first, second] if first == positive => std::mem::swap(first, second),
        [_, second] if second == positive => {}
        [first, second] => {
            return Err(format!(
                "unknown class `{positive}` in `positive`; write one of `{first}` and `{second}`"
            ));
        }
        many => {
            let count = many.len();
            return Err(format!("only two classes have a positive one, found {count}; remove `positive`"));
        }
    }
    Ok(())
}

/// Remedy for a class without training rows: one spelling, if a class of the training rows has another.
pub(super) fn absent_class_remedy<'a>(
    class: &str,
    others: impl Iterator<Item = &'a str>,
    otherwise: &str,
) -> String {
    other_spelling(class, others).map_or_else(
        || otherwise.to_owned(),
        |(other, how)| {
            let remedy = match uniting_steps(class, other) {
                Some(steps) => format!("write `text = [{steps}]` under `[clean]` and train with it"),
                None => "write it alike in the source".to_owned(),
            };
            format!("class `{other}` is the same {how}; to make them one class, {remedy}")
        },
    )
}

/// Number of rows of each class.
fn count_classes(column: &str, all: &[&Frame]) -> Result<BTreeMap<String, usize>, Error> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for frame in all {
        let values = frame.require(column, "check `[[targets]]`")?;
        for row in 0..frame.rows() {
            let text = values.text(row).unwrap_or_default();
            match counts.get_mut(text.as_ref()) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(text.into_owned(), 1);
                }
            }
        }
    }
    Ok(counts)
}

/// Numbers of a column, NaN where missing.
pub(crate) fn numbers(column: &str, frame: &Frame) -> Result<Vec<f64>, Error> {
    let values = frame.require(column, "check `[[targets]]`")?;
    (0..frame.rows()).map(|row| Ok(finite(column, values, row)?.unwrap_or(f64::NAN))).collect()
}

/// `(shift, factor)` to mean 0 and deviation 1. NaN is ignored.
fn standard_scaling(values: &[f64]) -> (f64, f64) {
    let present: Moments = values.iter().copied().filter(|value| !value.is_nan()).collect();
    present.scaling(Scaling::Standard)
}

/// Checks that a target has no missing values.
///
/// # Errors
/// [`Error::Value`] with the first row and the number of missing values, [`Error::Column`] for a missing column.
pub(crate) fn check_no_missing(column: &str, frame: &Frame) -> Result<(), Error> {
    let values = frame.require(column, "check `[[targets]]`")?;
    let missing: Vec<usize> = (0..frame.rows()).filter(|&row| values.is_missing(row)).collect();
    let Some(first) = missing.first() else { return Ok(()) };
    Err(Error::Value {
        row: first + 1,
        column: column.to_owned(),
        expected: "a value of the target".to_owned(),
        found: format!("none, missing in {} of {} rows", missing.len(), frame.rows()),
        remedy: "fill them, or leave these rows out with `missing_targets = true` under `[clean]`".to_owned(),
    })
}
