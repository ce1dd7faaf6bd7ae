//! What is learned about a target before training.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use cupola_spec::{Scaling, Target, TargetKind};

use super::FittedTarget;
use crate::error::Error;
use crate::frame::{Column, Frame, finite};
use crate::stats::Moments;
use crate::transform::{FittedInput, naive_error};

impl FittedTarget {
    /// Learns classes from all rows that have a target, and scaling from the training rows; a forecast
    /// takes that of the same column among `inputs`.
    ///
    /// # Errors
    /// Missing or infinite values (with their row), fewer than two classes, a class that the
    /// training rows lack.
    pub fn fit(
        target: &Target,
        inputs: &[FittedInput],
        all: &[&Frame],
        train: &Frame,
    ) -> Result<Self, Error> {
        let name = target.name.clone();
        let Some(column) = target.column().map(str::to_owned) else {
            return Ok(Self::Reconstruct { name, column: None, width: 0 });
        };
        if target.kind == TargetKind::Reconstruct {
            return Ok(Self::Reconstruct { name, column: Some(column), width: 0 });
        }
        if target.kind != TargetKind::Forecast {
            all.iter().try_for_each(|frame| present(&column, frame))?;
        }
        match target.kind {
            TargetKind::Number => {
                let (shift, factor) = standard(&numbers(&column, train)?);
                Ok(Self::Number { name, column, shift, factor })
            }
            TargetKind::Forecast => {
                let values = numbers(&column, train)?;
                let (horizon, season) = (target.horizon.unwrap_or(1), target.season.unwrap_or(1));
                let own = inputs.iter().find_map(FittedInput::window).and_then(|(_, columns)| {
                    let channel = columns.iter().position(|series| series.column == column)?;
                    Some(((columns[channel].shift, columns[channel].factor), channel))
                });
                let (shift, factor) = own.map_or_else(|| standard(&values), |(scaling, _)| scaling);
                let channel = own.map(|(_, channel)| channel);
                let naive = naive_error(&values, season);
                Ok(Self::Forecast { name, column, horizon, season, shift, factor, channel, naive })
            }
            _ => Self::classes(name, column, all, train),
        }
    }

    fn classes(name: String, column: String, all: &[&Frame], train: &Frame) -> Result<Self, Error> {
        let values = train.require(&column, "check `[[targets]]`")?;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut numeric = true;
        for frame in all {
            let values = frame.require(&column, "check `[[targets]]`")?;
            numeric &= matches!(values, Column::Number { .. });
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
        let mut classes: Vec<String> = counts.keys().cloned().collect();
        if numeric {
            let number = |text: &String| text.parse::<f64>().unwrap_or(f64::NAN);
            classes.sort_by(|a, b| number(a).total_cmp(&number(b)));
        }
        let wrong = |why: String| Error::Target { column: column.clone(), why };
        if classes.len() < 2 {
            let only = classes.first().cloned().unwrap_or_default();
            return Err(wrong(format!(
                "all values are `{only}`; a model needs two classes, so check the data or `data.query`"
            )));
        }
        if classes.len() > 10_000 || classes.len() > 20 && classes.len() * 2 > train.rows() {
            return Err(wrong(format!(
                "{} classes in {} rows; is it `kind = \"number\"`?",
                classes.len(),
                train.rows()
            )));
        }
        let in_train: HashSet<Cow<'_, str>> = (0..train.rows()).filter_map(|row| values.text(row)).collect();
        if let Some(absent) = classes.iter().find(|class| !in_train.contains(class.as_str())) {
            return Err(wrong(format!(
                "class `{absent}` has {} rows, none of them for training; add rows or leave the class out with `data.query`",
                counts[absent]
            )));
        }
        Ok(Self::Category { name, column, classes, numeric })
    }
}

/// The numbers of a column; NaN where they are missing.
fn numbers(column: &str, frame: &Frame) -> Result<Vec<f64>, Error> {
    let values = frame.require(column, "check `[[targets]]`")?;
    (0..frame.rows()).map(|row| Ok(finite(column, values, row)?.unwrap_or(f64::NAN))).collect()
}

/// `(shift, factor)` to mean 0 and deviation 1.
fn standard(values: &[f64]) -> (f64, f64) {
    let mut moments = Moments::default();
    values.iter().filter(|value| !value.is_nan()).for_each(|&value| moments.add(value));
    moments.scaling(Scaling::Standard)
}

/// Refuses a target with missing values, with their number and the first row.
pub(crate) fn present(column: &str, frame: &Frame) -> Result<(), Error> {
    let values = frame.require(column, "check `[[targets]]`")?;
    let missing: Vec<usize> = (0..frame.rows()).filter(|&row| values.is_missing(row)).collect();
    match missing.first() {
        None => Ok(()),
        Some(first) => Err(Error::Target {
            column: column.to_owned(),
            why: format!(
                "missing in {} of {} rows, first in row {}; fill them, or drop them with data.query = \"SELECT * FROM data WHERE {column} IS NOT NULL\"",
                missing.len(),
                frame.rows(),
                first + 1
            ),
        }),
    }
}
