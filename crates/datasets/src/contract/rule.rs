//! Conditions with their state over the rows checked so far.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use arrow::record_batch::RecordBatch;
use cupola_sources::Error as SourceError;
use cupola_spec::{Expectation, Severity, ValueType};
use cupola_values::{DecimalMark, NumberEvidence, NumberReading, is_common_marker, parse_number};
use jiff::{Span, SpanRelativeTo, Timestamp};
use regex::Regex;
use xxhash_rust::xxh3::xxh3_128;

use super::LoadReference;
use crate::error::Error;
use crate::profile::{Drift, Profile};

/// Values of one column of a batch as text, numbers and times.
pub(super) struct ColumnValues {
    kind: DataType,
    texts: StringArray,
    numbers: Float64Array,
    times: Option<ArrayRef>,
}

impl ColumnValues {
    /// Values of a batch. Numbers in texts are read with the mark `decimal`, or with the one that fits the batch.
    pub fn of(batch: &RecordBatch, column: usize, decimal: Option<DecimalMark>) -> Result<Self, Error> {
        let array = batch.column(column);
        let kind = array.data_type().clone();
        let wrong = |error: arrow::error::ArrowError| SourceError::Engine {
            path: format!("column `{}`", batch.schema().field(column).name()),
            why: error.to_string(),
        };
        let plain = if kind.is_binary() { DataType::Null } else { kind.clone() };
        let empty = |kind: &DataType| arrow::array::new_null_array(kind, array.len());
        let readable = plain != DataType::Null;
        let texts =
            if readable { cast(array, &DataType::Utf8).map_err(wrong)? } else { empty(&DataType::Utf8) };
        let texts = texts.as_string::<i32>().clone();
        // Times, and text that does not parse as a number, are null here.
        let numbers = if kind.is_string() {
            numbers_of(&texts, decimal)
        } else {
            let numeric = if kind.is_numeric() {
                cast(array, &DataType::Float64).map_err(wrong)?
            } else {
                empty(&DataType::Float64)
            };
            numeric.as_primitive::<Float64Type>().clone()
        };
        let time = DataType::Timestamp(TimeUnit::Microsecond, None);
        let dated = kind.is_temporal() || kind.is_string();
        let times =
            if dated { cast(array, &time).and_then(|t| cast(&t, &DataType::Int64)).ok() } else { None };
        Ok(Self { kind, texts, numbers, times })
    }

    /// Value as a category name, where 3.0 is "3"; `None` if it is missing.
    fn text(&self, row: usize) -> Option<String> {
        if self.kind.is_floating() {
            return self.number(row).map(|number| format!("{}", number + 0.0));
        }
        (!self.texts.is_null(row)).then(|| self.texts.value(row).to_owned())
    }

    fn number(&self, row: usize) -> Option<f64> {
        (!self.numbers.is_null(row)).then(|| self.numbers.value(row)).filter(|number| !number.is_nan())
    }

    /// Time in microseconds since 1970.
    fn time(&self, row: usize) -> Option<i64> {
        let times = self.times.as_ref()?.as_primitive::<Int64Type>();
        (!times.is_null(row)).then(|| times.value(row))
    }
}

/// Numbers that texts stand for, as training reads them; null for others.
fn numbers_of(texts: &StringArray, decimal: Option<DecimalMark>) -> Float64Array {
    let mut evidence = NumberEvidence::default();
    let present = texts.iter().enumerate().filter_map(|(row, text)| Some((row, text?)));
    present.for_each(|(row, text)| evidence.observe(text, row));
    let decimal = match evidence.decide(decimal) {
        NumberReading::Numbers { decimal, .. } => decimal,
        _ => decimal.unwrap_or_default(),
    };
    texts.iter().map(|text| parse_number(text?, decimal)).collect()
}

/// Condition with its state.
pub(super) enum Rule {
    Kind(ValueType),
    Required,
    Range(f64, f64),
    Set(HashSet<String>),
    Regex(Regex),
    Unique(HashSet<u128>),
    Foreign(HashSet<String>, String),
    Freshness { oldest: Timestamp, newest: Option<i64> },
    RowCount(u64, u64),
    NullShare { most: f64, missing: u64 },
    Drift { most: f64, seen: Option<Drift> },
}

/// Conditions of one expectation, each with its description.
pub(super) fn rules(
    reference: LoadReference<'_>,
    expectation: &Expectation,
    before: Option<&Profile>,
) -> Result<Vec<(String, Rule)>, Error> {
    let e = expectation;
    let column = e.column.clone().unwrap_or_default();
    let wrong = |why: String| Error::Expectation { what: format!("column `{column}`"), why };
    let mut rules: Vec<(String, Rule)> = Vec::new();
    let mut add = |what: String, rule: Rule| {
        rules.push((if column.is_empty() { what } else { format!("{column}: {what}") }, rule));
    };
    if let Some(kind) = e.kind {
        let name = serde_json::to_value(kind).ok().and_then(|v| v.as_str().map(str::to_owned));
        add(format!("type {}", name.unwrap_or_default()), Rule::Kind(kind));
    }
    if e.required {
        add("required".to_owned(), Rule::Required);
    }
    if let Some([low, high]) = e.range {
        add(format!("range {low} to {high}"), Rule::Range(low, high));
    }
    if let Some(set) = &e.set {
        add(format!("one of {} values", set.len()), Rule::Set(set.iter().cloned().collect()));
    }
    if let Some(text) = &e.regex {
        let regex = Regex::new(&format!("^(?:{text})$"));
        let regex = regex
            .map_err(|error| wrong(format!("invalid regular expression `{text}`: {error}; correct it")))?;
        add(format!("matches {text}"), Rule::Regex(regex));
    }
    if e.unique {
        add("unique".to_owned(), Rule::Unique(HashSet::new()));
    }
    if let Some(key) = &e.foreign_key {
        let known = referenced(reference, &key.source, &key.column)?;
        add(format!("in {} of {}", key.column, key.source), Rule::Foreign(known, key.source.clone()));
    }
    if let Some(text) = &e.freshness {
        let oldest = text.parse::<Span>().and_then(|span| {
            let age = span.to_duration(SpanRelativeTo::days_are_24_hours())?;
            Timestamp::now().checked_sub(age)
        });
        let oldest =
            oldest.map_err(|_| wrong(format!("invalid time span `{text}`; expected 7 days or 12 hours")))?;
        add(format!("not older than {text}"), Rule::Freshness { oldest, newest: None });
    }
    if let Some([least, most]) = e.rows {
        add(format!("{least} to {most} rows"), Rule::RowCount(least, most));
    }
    if let Some(most) = e.null_share {
        add(format!("at most {} % missing", most * 100.0), Rule::NullShare { most, missing: 0 });
    }
    if let Some(most) = e.drift {
        let seen = before.and_then(|profile| profile.column(&column)).map(Drift::from);
        add(format!("drift below {most}"), Rule::Drift { most, seen });
    }
    if e.severity == Severity::Quarantine && !e.by_row() {
        return Err(wrong(
            "a condition on the whole table cannot quarantine rows; use `warn` or `fail`".into(),
        ));
    }
    Ok(rules)
}

/// Returns the distinct values of a column of another source.
fn referenced(reference: LoadReference<'_>, source: &str, column: &str) -> Result<HashSet<String>, Error> {
    let (schema, batches) = reference(source)?;
    let index = schema.index_of(column).map_err(|_| Error::Expectation {
        what: format!("foreign_key of {source}"),
        why: format!("there is no column `{column}` in it; name one"),
    })?;
    let mut known = HashSet::new();
    for batch in &batches {
        let values = ColumnValues::of(batch, index, None)?;
        known.extend((0..batch.num_rows()).filter_map(|row| values.text(row)));
    }
    Ok(known)
}

impl Rule {
    /// Describes how a row violates the condition, if it does. A missing value violates only `required`.
    pub fn broken_by(&mut self, values: &ColumnValues, row: usize) -> Option<String> {
        let text = values.text(row);
        if let Self::NullShare { missing, .. } = self {
            *missing += u64::from(text.is_none());
            return None;
        }
        if let Self::Required = self {
            return text.is_none().then(|| "missing".to_owned());
        }
        if let Self::RowCount(..) = self {
            return None;
        }
        let text = text?;
        let found = |bad: bool| bad.then(|| format!("`{text}`"));
        match self {
            // A marker such as `N/A` is a missing number.
            Self::Kind(ValueType::Number | ValueType::Integer | ValueType::Date) | Self::Range(..)
                if is_common_marker(&text) =>
            {
                None
            }
            Self::Kind(kind) => found(!reads_as(*kind, values, row, &text)),
            Self::Range(low, high) => {
                found(!values.number(row).is_some_and(|number| (*low..=*high).contains(&number)))
            }
            Self::Set(set) => found(!set.contains(&text)),
            Self::Regex(regex) => found(!regex.is_match(&text)),
            Self::Unique(seen) => found(!seen.insert(xxh3_128(text.as_bytes()))),
            Self::Foreign(known, source) => {
                (!known.contains(&text)).then(|| format!("`{text}` is not in {source}"))
            }
            Self::Freshness { newest, .. } => {
                let time = values.time(row);
                *newest = (*newest).max(time);
                found(time.is_none()).map(|found| format!("{found} is not a date"))
            }
            Self::Drift { seen, .. } => {
                if let Some(seen) = seen {
                    seen.add(values.number(row), &text);
                }
                None
            }
            Self::Required | Self::RowCount(..) | Self::NullShare { .. } => None,
        }
    }

    /// Describes how the whole table violates the condition, if it does.
    pub fn broken_by_all(&self, rows: u64) -> Option<String> {
        match self {
            Self::RowCount(least, most) => {
                (!(*least..=*most).contains(&rows)).then(|| format!("there are {rows}"))
            }
            Self::NullShare { most, missing } => {
                let share = *missing as f64 / rows.max(1) as f64;
                (share > *most).then(|| format!("{:.2} % are", share * 100.0))
            }
            Self::Freshness { oldest, newest } => match newest.map(Timestamp::from_microsecond) {
                Some(Ok(newest)) => (newest < *oldest).then(|| format!("the newest is of {newest}")),
                _ => Some("there is no date".to_owned()),
            },
            Self::Drift { most, seen: Some(seen) } => {
                let psi = seen.index();
                (psi > *most).then(|| format!("the population stability index is {psi:.3}"))
            }
            _ => None,
        }
    }
}

fn reads_as(kind: ValueType, values: &ColumnValues, row: usize, text: &str) -> bool {
    let number = values.number(row);
    match kind {
        ValueType::Number => number.is_some(),
        ValueType::Integer => number.is_some_and(|number| number.fract() == 0.0),
        ValueType::Text => number.is_none(),
        ValueType::Boolean => matches!(text.to_lowercase().as_str(), "true" | "false"),
        ValueType::Date => values.time(row).is_some(),
    }
}
