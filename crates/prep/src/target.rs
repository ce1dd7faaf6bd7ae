//! The target: from a column to what the loss compares, and from logits to an answer.

use std::collections::{BTreeMap, HashMap};

use cupola_spec::{Scaling, Target, TargetKind};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::frame::{Column, Frame};
use crate::number::{Moments, finite};

/// A target as fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FittedTarget {
    /// Classes; two of them make one logit, the probability of the second.
    Category {
        /// Name of the target.
        name: String,
        /// Its column.
        column: String,
        /// Names in order of their index: by number if all are numbers, else by text.
        classes: Vec<String>,
        /// Whether answers are JSON numbers, as the column's values were.
        numeric: bool,
    },
    /// A number, standardised with the training split's mean and deviation.
    Number {
        /// Name of the target.
        name: String,
        /// Its column.
        column: String,
        /// Subtracted for the loss.
        shift: f64,
        /// Multiplied for the loss.
        factor: f64,
    },
    /// The next token of a text.
    NextToken {
        /// Name of the target and of the text.
        name: String,
        /// Its column.
        column: String,
        /// Different tokens, padding included.
        vocabulary: usize,
    },
}

/// What the loss compares with, for a list of rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// Index of the class.
    Class(Vec<i32>),
    /// Standardised number.
    Number(Vec<f32>),
    /// Indices of the next tokens, `length` for each row.
    Tokens {
        /// Tokens of one row.
        length: usize,
        /// `[rows, length]`
        next: Vec<i32>,
    },
}

/// A class as it stood in the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Label {
    /// Of a numeric column, or a regression.
    Number(f64),
    /// Of a text column.
    Text(String),
}

/// A typed answer for one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The likeliest class, or the number.
    pub value: Label,
    /// Of every class; absent for a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probabilities: Option<IndexMap<String, f32>>,
}

impl FittedTarget {
    /// Learns classes from all rows that have a target, and scaling from the training rows.
    ///
    /// # Errors
    /// Missing or infinite values (with their row), fewer than two classes, a class that the
    /// training rows lack.
    pub fn fit(target: &Target, all: &[&Frame], train: &Frame) -> Result<Self, Error> {
        let (name, column) = (target.name.clone(), target.column().to_owned());
        for frame in all {
            present(&column, frame)?;
        }
        let values = train.require(&column, "check `[[targets]]`")?;
        if target.kind == TargetKind::Number {
            let mut moments = Moments::default();
            for row in 0..train.rows() {
                finite(&column, values, row)?.into_iter().for_each(|value| moments.add(value));
            }
            let (shift, factor) = moments.scaling(Scaling::Standard);
            return Ok(Self::Number { name, column, shift, factor });
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut numeric = true;
        for frame in all {
            let values = frame.require(&column, "check `[[targets]]`")?;
            numeric &= matches!(values, Column::Number { .. });
            for row in 0..frame.rows() {
                *counts.entry(values.text(row).unwrap_or_default()).or_default() += 1;
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
        let in_train: std::collections::HashSet<String> =
            (0..train.rows()).filter_map(|row| values.text(row)).collect();
        if let Some(absent) = classes.iter().find(|class| !in_train.contains(*class)) {
            return Err(wrong(format!(
                "class `{absent}` has {} rows, none of them for training; add rows or leave the class out with `data.query`",
                counts[absent]
            )));
        }
        Ok(Self::Category { name, column, classes, numeric })
    }

    /// Name of the target.
    pub fn name(&self) -> &str {
        match self {
            Self::Category { name, .. } | Self::Number { name, .. } | Self::NextToken { name, .. } => name,
        }
    }

    /// Column of the target.
    pub fn column(&self) -> &str {
        match self {
            Self::Category { column, .. } | Self::Number { column, .. } | Self::NextToken { column, .. } => {
                column
            }
        }
    }

    /// Width of the head: one logit for two classes and for a number.
    pub fn width(&self) -> usize {
        match self {
            Self::Category { classes, .. } if classes.len() > 2 => classes.len(),
            Self::NextToken { vocabulary, .. } => *vocabulary,
            _ => 1,
        }
    }

    /// The targets of all rows.
    ///
    /// # Errors
    /// A value that is missing or was not there when the plan was fitted.
    pub fn apply(&self, frame: &Frame) -> Result<Targets, Error> {
        let column = self.column();
        present(column, frame)?;
        let values = frame.require(column, "the target has to be there to be learned or evaluated")?;
        match self {
            // Windows of a text are made with their targets: see `corpus`.
            Self::NextToken { .. } => Ok(Targets::Tokens { length: 1, next: Vec::new() }),
            Self::Number { shift, factor, .. } => {
                let mut out = Vec::with_capacity(frame.rows());
                for row in 0..frame.rows() {
                    let value = finite(column, values, row)?.unwrap_or_default();
                    #[allow(clippy::cast_possible_truncation)]
                    out.push(((value - shift) * factor) as f32);
                }
                Ok(Targets::Number(out))
            }
            Self::Category { classes, .. } => {
                let index: HashMap<&str, i32> = classes.iter().map(String::as_str).zip(0..).collect();
                let mut out = Vec::with_capacity(frame.rows());
                for row in 0..frame.rows() {
                    let text = values.text(row).unwrap_or_default();
                    let class = index.get(text.as_str()).copied().ok_or_else(|| Error::Value {
                        row: row + 1,
                        column: column.to_owned(),
                        expected: format!("one of {} trained classes", classes.len()),
                        found: format!("`{text}`"),
                        remedy: "train again with this class".to_owned(),
                    })?;
                    out.push(class);
                }
                Ok(Targets::Class(out))
            }
        }
    }

    /// The answer that one row's logits (`width` values) stand for.
    pub fn decode(&self, logits: &[f32]) -> Prediction {
        match self {
            Self::NextToken { .. } => {
                let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
                let best = best.map_or(0, |(index, _)| index);
                Prediction { value: Label::Number(best as f64), probabilities: None }
            }
            Self::Number { shift, factor, .. } => {
                let value = f64::from(logits[0]) / factor + shift;
                Prediction { value: Label::Number(value), probabilities: None }
            }
            Self::Category { classes, numeric, .. } => {
                let probabilities = self.probabilities(logits);
                let best = probabilities
                    .iter()
                    .enumerate()
                    .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)))
                    .map_or(0, |(index, _)| index);
                let value = match classes[best].parse() {
                    Ok(number) if *numeric => Label::Number(number),
                    _ => Label::Text(classes[best].clone()),
                };
                let named = classes.iter().cloned().zip(probabilities).collect();
                Prediction { value, probabilities: Some(named) }
            }
        }
    }

    /// Probability of each class; softmax, or a sigmoid for two classes. Empty for a number.
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f32> {
        match self {
            Self::Number { .. } | Self::NextToken { .. } => Vec::new(),
            Self::Category { classes, .. } if classes.len() == 2 => {
                let p = 1.0 / (1.0 + (-logits[0]).exp());
                vec![1.0 - p, p]
            }
            Self::Category { .. } => {
                let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let exps: Vec<f32> = logits.iter().map(|x| (x - most).exp()).collect();
                let sum: f32 = exps.iter().sum();
                exps.into_iter().map(|e| e / sum).collect()
            }
        }
    }
}

/// Refuses a target with missing values, with their number and the first row.
pub(crate) fn present(column: &str, frame: &Frame) -> Result<(), Error> {
    let values = frame.require(column, "check `[[targets]]`")?;
    let missing: Vec<usize> = (0..frame.rows()).filter(|&row| values.text(row).is_none()).collect();
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
