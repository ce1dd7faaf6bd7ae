//! Typed inputs and outputs of a model, for requests, documentation and other programs.

use cupola_spec::Unseen;
use serde::{Deserialize, Serialize};

use super::Plan;
use crate::frame::meaning::ValueRule;
use crate::target::FittedTarget;
use crate::transform::{FittedCategory, FittedInput};

/// Inputs and outputs of a package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// Columns of a raw row.
    pub inputs: Vec<InputColumn>,
    /// Fields of a prediction.
    pub outputs: Vec<OutputColumn>,
    /// Number of rows that form one example, if rows are steps of a series: `n` rows of a series, in order or with
    /// the column of time, get `n - window + 1` predictions. Several series are predicted one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// SQL that made the columns of the training data; rows must have the columns of its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// Column of a raw row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputColumn {
    /// Name of the column.
    pub name: String,
    /// JSON type.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// `true` if the value may be null.
    pub nullable: bool,
    /// Training values of a category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
}

/// JSON type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Number.
    Number,
    /// String, number or boolean that names a category.
    Category,
    /// String with a date or a time, in the spelling of the training data; ISO 8601 if those were typed dates.
    Date,
    /// String.
    Text,
    /// Bytes of a file, such as an image, in base64.
    File,
}

/// Field of a prediction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputColumn {
    /// Name of the target.
    pub name: String,
    /// JSON type of the predicted value.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Classes of a category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
    /// Positive class of two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// Number of values of a forecast or an embedding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// Usual step between two rows of the series that a forecast goes on with, such as `1 hour`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<String>,
    /// Column of the groups whose rows a score orders, the largest score first. It is not an input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orders: Option<String>,
}

impl Signature {
    /// Signature of a plan.
    pub fn of(plan: &Plan) -> Self {
        let columns = plan.inputs.iter().flat_map(InputColumn::of).chain(order_columns(plan)).collect();
        let mut inputs = raw_columns(plan, columns);
        let pixels = plan.inputs.iter().filter(|input| input.window().is_none()).filter_map(value_columns);
        let pixels: Vec<&String> = pixels.flatten().collect();
        // Dates that count as seconds are written as dates, not as the seconds that they become.
        let dates = inputs.iter_mut().filter(|input| plan.values.get(&input.name) == Some(&ValueRule::Time));
        dates.filter(|input| !pixels.contains(&&input.name)).for_each(|input| input.kind = ColumnType::Date);
        Self {
            inputs,
            outputs: plan.targets.iter().map(|target| OutputColumn::of(target, plan)).collect(),
            window: plan.window(),
            query: plan.query.clone(),
        }
    }
}

impl InputColumn {
    fn new(name: &str, kind: ColumnType, nullable: bool) -> Self {
        Self { name: name.to_owned(), kind, nullable, categories: None }
    }

    /// Columns of an input.
    pub(super) fn of(input: &FittedInput) -> Vec<Self> {
        match input {
            FittedInput::Number { columns, .. } => {
                columns.iter().map(|c| Self::new(&c.column, ColumnType::Number, true)).collect()
            }
            FittedInput::Category { columns, .. } => columns.iter().map(Self::of_category).collect(),
            FittedInput::Date { columns, .. } => {
                columns.iter().map(|c| Self::new(&c.column, ColumnType::Date, true)).collect()
            }
            FittedInput::Image { columns, .. } | FittedInput::Series { columns, .. } => {
                let kind = if input.reads_files() { ColumnType::File } else { ColumnType::Number };
                columns.iter().map(|column| Self::new(column, kind, false)).collect()
            }
            FittedInput::Window { columns, .. } => {
                columns.iter().map(|c| Self::new(&c.column, ColumnType::Number, true)).collect()
            }
            FittedInput::Text { column, .. } => vec![Self::new(column, ColumnType::Text, true)],
        }
    }

    /// Leaves what another use of the column accepts too.
    fn restrict(&mut self, other: &Self) {
        if self.kind != other.kind {
            return;
        }
        self.nullable &= other.nullable;
        if let (Some(own), Some(others)) = (&mut self.categories, &other.categories) {
            own.retain(|category| others.contains(category));
        } else if other.categories.is_some() {
            self.categories.clone_from(&other.categories);
        }
    }

    fn of_category(category: &FittedCategory) -> Self {
        Self {
            name: category.column.clone(),
            kind: ColumnType::Category,
            nullable: category.unseen == Unseen::Other || category.fill.is_some(),
            categories: category.closed().map(<[String]>::to_vec),
        }
    }
}

impl OutputColumn {
    fn of(target: &FittedTarget, plan: &Plan) -> Self {
        let (kind, categories) = match target {
            FittedTarget::Category { classes, .. } => (ColumnType::Category, Some(classes.clone())),
            FittedTarget::Number { .. }
            | FittedTarget::Forecast { .. }
            | FittedTarget::Reconstruct { .. }
            | FittedTarget::Rank { .. }
            | FittedTarget::Embedding { .. } => (ColumnType::Number, None),
            FittedTarget::NextToken { .. } => (ColumnType::Text, None),
        };
        let length = match target {
            FittedTarget::Forecast { horizon: length, .. }
            | FittedTarget::Embedding { width: length, .. } => Some(*length),
            _ => None,
        };
        let positive = target.positive().map(str::to_owned);
        let forecasts = matches!(target, FittedTarget::Forecast { .. });
        let frequency = plan.frequency.filter(|_| forecasts).map(|frequency| frequency.to_string());
        let (name, orders) = (target.name().to_owned(), target.group().map(str::to_owned));
        Self { name, kind, categories, positive, length, frequency, orders }
    }
}

/// Columns of an image or a series, each of which holds one value of a tensor; `None` for another input.
fn value_columns(input: &FittedInput) -> Option<&[String]> {
    match input {
        FittedInput::Image { columns, .. } | FittedInput::Series { columns, .. } => Some(columns),
        _ => None,
    }
}

/// Columns of time and key, without which rows cannot be put into their series.
fn order_columns(plan: &Plan) -> impl Iterator<Item = InputColumn> {
    let keys = plan.series.iter().flat_map(|order| &order.keys);
    let keys = keys.map(|key| InputColumn::new(key, ColumnType::Category, false));
    let time = plan.series.iter().filter_map(|order| order.time.as_deref());
    keys.chain(time.map(|time| InputColumn::new(time, ColumnType::Date, false)))
}

/// Replaces computed columns by the raw columns that they depend on. Each column is listed once.
fn raw_columns(plan: &Plan, columns: Vec<InputColumn>) -> Vec<InputColumn> {
    let mut out: Vec<InputColumn> = Vec::new();
    let mut add = |column: InputColumn| match out.iter_mut().find(|other| other.name == column.name) {
        Some(other) => other.restrict(&column),
        None => out.push(column),
    };
    let (computed, raw): (Vec<_>, Vec<_>) =
        columns.into_iter().partition(|column| plan.derive.needs(&column.name).is_some());
    raw.into_iter().for_each(&mut add);
    for column in &computed {
        for (name, numeric) in plan.derive.needs(&column.name).unwrap_or_default() {
            // A number in a text, such as `$3`, is one as soon as it is cleaned.
            let numeric = *numeric || plan.derive.parses_numbers(name);
            let kind = if numeric { ColumnType::Number } else { ColumnType::Category };
            add(InputColumn::new(name, kind, true));
        }
    }
    out
}
