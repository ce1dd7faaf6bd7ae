//! Sealed rules, and their application to rows.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, StringArray};
use cupola_values::{
    CategoryForm, DecimalMark, clock_seconds, is_common_marker, number_text, parse_date, parse_number,
};
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::frame::parallel::map_items;
use crate::frame::{Column, Frame};

/// Rules by column, part of the plan.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ValueRules(pub(super) BTreeMap<String, ValueRule>);

/// Meaning of the texts of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ValueRule {
    /// Numbers.
    Number {
        /// Decimal mark of texts.
        decimal: DecimalMark,
    },
    /// Dates and times that an expression uses as seconds since 1970.
    Time,
    /// Categories and classes.
    Category {
        /// Form of the canonical text.
        form: CategoryForm,
    },
    /// Dates and times.
    Date {
        /// Format of texts, as `format` of an input; `None` for ISO 8601.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        format: Option<String>,
    },
    /// Free text.
    Text,
}

impl ValueRules {
    /// Rules of these columns.
    pub(crate) fn of(rules: BTreeMap<String, ValueRule>) -> Self {
        Self(rules)
    }

    /// `true` without any rule.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Rule of a column.
    pub fn get(&self, column: &str) -> Option<&ValueRule> {
        self.0.get(column)
    }

    /// The rules of the columns for which `is_used` is true.
    pub(crate) fn of_columns(mut self, is_used: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|name, _| is_used(name));
        self
    }

    /// The first column that `other` reads in another way; `None` if there is none.
    pub(crate) fn differing_column<'a>(&self, other: &'a Self) -> Option<&'a str> {
        let differs =
            |(column, rule): &(&'a String, &ValueRule)| self.0.get(*column).is_some_and(|own| own != *rule);
        other.0.iter().find(differs).map(|(column, _)| column.as_str())
    }

    /// Rules of both.
    pub(crate) fn joined(&self, other: &Self) -> Self {
        let others = other.0.iter().map(|(column, rule)| (column.clone(), rule.clone()));
        Self(self.0.clone().into_iter().chain(others).collect())
    }

    /// Rows with canonical values: numbers are numbers, categories have their canonical text, texts in `nulls` and blank
    /// texts are missing. Canonical rows stay as they are.
    ///
    /// # Errors
    /// [`Error::Value`] for a text that is not a number in a column of numbers.
    pub fn apply(&self, frame: &Frame, nulls: &[String]) -> Result<Frame, Error> {
        let mut out = frame.clone();
        let rules = self.0.iter().filter_map(|(name, rule)| Some((name, rule, frame.get(name)?)));
        let applied = map_items(rules.collect(), frame.rows(), |(name, rule, column)| {
            (name, rule.applied(name, column, nulls))
        });
        for (name, changed) in applied {
            if let Some(changed) = changed? {
                out = out.with(name, changed);
            }
        }
        Ok(out)
    }
}

impl ValueRule {
    /// Canonical column; `None` if the column is canonical.
    ///
    /// # Errors
    /// [`Error::Value`] for a text that is not a number in a column of numbers.
    pub(crate) fn applied(
        &self,
        name: &str,
        column: &Column,
        nulls: &[String],
    ) -> Result<Option<Column>, Error> {
        let is_null = |text: &str| nulls.iter().any(|marker| marker == text);
        match (self, column) {
            (Self::Number { decimal }, Column::Text(texts)) => {
                numbers(name, texts, *decimal, is_null).map(Some)
            }
            (Self::Time, Column::Text(texts)) => seconds(name, texts, is_null).map(Some),
            (Self::Category { form }, Column::Text(texts)) => {
                let canonical = |text| {
                    let text: Cow<'_, str> = form.canonical(text);
                    (!text.is_empty() && !is_null(&text)).then_some(text)
                };
                Ok(changed_texts(texts, canonical))
            }
            (Self::Category { form }, Column::Number { values, .. }) => {
                let text = |value: &f64| {
                    (!value.is_nan()).then(|| form.canonical(&number_text(*value)).into_owned())
                };
                Ok(Some(Column::texts(values.iter().map(text))))
            }
            (Self::Date { .. }, Column::Text(texts)) => {
                let present =
                    |text| (!is_common_marker(text) && !is_null(text)).then_some(Cow::Borrowed(text));
                Ok(changed_texts(texts, present))
            }
            (Self::Text, Column::Text(texts)) => {
                Ok(changed_texts(texts, |text| (!is_null(text)).then_some(Cow::Borrowed(text))))
            }
            _ => Ok(None),
        }
    }
}

/// Column with each text replaced; `None` if none changes.
fn changed_texts<'a>(
    texts: &'a StringArray,
    replace: impl Fn(&'a str) -> Option<Cow<'a, str>>,
) -> Option<Column> {
    // Each text is looked at once: most columns repeat a few.
    let mut replaced: HashMap<&'a str, Option<Cow<'a, str>>, RandomState> = HashMap::default();
    let mut same = true;
    for text in texts.iter().flatten() {
        replaced.entry(text).or_insert_with(|| {
            let new = replace(text);
            same &= new.as_deref() == Some(text);
            new
        });
    }
    if same {
        return None;
    }
    let of = |text: Option<&'a str>| text.and_then(|text| replaced.get(text)?.as_deref());
    Some(Column::texts(texts.iter().map(of)))
}

fn numbers(
    name: &str,
    texts: &StringArray,
    decimal: DecimalMark,
    is_null: impl Fn(&str) -> bool,
) -> Result<Column, Error> {
    let mut values = Vec::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        let Some(text) = text.filter(|text| !is_null(text)) else {
            values.push(f64::NAN);
            continue;
        };
        values.push(match parse_number(text, decimal) {
            Some(number) => number + 0.0,
            None if is_common_marker(text) => f64::NAN,
            None => return Err(not_a_number(name, row, text, decimal)),
        });
    }
    Ok(Column::numbers(values))
}

fn not_a_number(name: &str, row: usize, text: &str, decimal: DecimalMark) -> Error {
    let other = match decimal {
        DecimalMark::Point => DecimalMark::Comma,
        DecimalMark::Comma => DecimalMark::Point,
    };
    let remedy = if parse_number(text, other).is_some() {
        format!(
            "write it with `{}`, or set `data.decimal = \"{}\"` and train again",
            decimal.mark(),
            other.mark()
        )
    } else {
        "fix it; if it means a missing value, list it in `data.null` and train again".to_owned()
    };
    Error::Value {
        row: row + 1,
        column: name.to_owned(),
        expected: "a number".to_owned(),
        found: format!("`{}`", shortened(text)),
        remedy,
    }
}

/// Text for a message, at most 60 characters long.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

fn seconds(name: &str, texts: &StringArray, is_null: impl Fn(&str) -> bool) -> Result<Column, Error> {
    let mut values = Vec::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        let Some(text) = text.filter(|text| !is_null(text) && !is_common_marker(text)) else {
            values.push(f64::NAN);
            continue;
        };
        let Some(clock) = parse_date(text, None) else {
            return Err(Error::Value {
                row: row + 1,
                column: name.to_owned(),
                expected: "a date as 2024-12-31 or 2024-12-31T23:59:59".to_owned(),
                found: format!("`{}`", shortened(text)),
                remedy: "fix it, or leave it empty if it is missing".to_owned(),
            });
        };
        values.push(clock_seconds(clock));
    }
    Ok(Column::Number { values: values.into(), time: true })
}
