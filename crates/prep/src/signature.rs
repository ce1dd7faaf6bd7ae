//! What a model takes and gives, for requests, documentation and other programs.

use cupola_spec::Unseen;
use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::target::FittedTarget;
use crate::transform::FittedInput;

/// Inputs and outputs of a package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// Columns of a raw row.
    pub inputs: Vec<InputColumn>,
    /// Fields of a prediction.
    pub outputs: Vec<OutputColumn>,
    /// Rows that one prediction is made of, where rows are steps in time: `n` rows, in order, get
    /// `n - window + 1` predictions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
}

/// A column of a raw row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputColumn {
    /// Its name.
    pub name: String,
    /// Its JSON type.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Whether it may be null.
    pub nullable: bool,
    /// The trained values of a category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
}

/// JSON type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// A number.
    Number,
    /// A string, a number or a boolean that names a category.
    Category,
    /// A string.
    Text,
    /// The bytes of a file, such as a picture, in base64.
    File,
}

/// A field of a prediction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputColumn {
    /// Name of the target.
    pub name: String,
    /// `category` or `number`.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// The classes of a category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
    /// How many numbers a forecast or an embedding holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
}

impl Signature {
    /// What a plan takes and gives.
    pub fn of(plan: &Plan) -> Self {
        let mut inputs = Vec::new();
        for input in &plan.inputs {
            match input {
                FittedInput::Number { columns, .. } => {
                    inputs.extend(columns.iter().map(|c| number(&c.column, true)));
                }
                FittedInput::Date { columns, .. } => {
                    inputs.extend(columns.iter().map(|c| of_kind(&c.column, ColumnType::Text, true)));
                }
                FittedInput::Image { columns, .. } | FittedInput::Series { columns, .. }
                    if input.of_files() =>
                {
                    inputs.extend(columns.iter().map(|c| of_kind(c, ColumnType::File, false)));
                }
                FittedInput::Text { column, .. } => {
                    let (name, kind) = (column.clone(), ColumnType::Text);
                    inputs.push(InputColumn { name, kind, nullable: true, categories: None });
                }
                FittedInput::Image { columns, .. } | FittedInput::Series { columns, .. } => {
                    inputs.extend(columns.iter().map(|c| number(c, false)));
                }
                FittedInput::Window { columns, .. } => {
                    inputs.extend(columns.iter().map(|c| number(&c.column, true)));
                }
                FittedInput::Category { columns, .. } => {
                    inputs.extend(columns.iter().map(|c| InputColumn {
                        name: c.column.clone(),
                        kind: ColumnType::Category,
                        nullable: c.unseen == Unseen::Other || c.fill.is_some(),
                        categories: c.closed().map(<[String]>::to_vec),
                    }));
                }
            }
        }
        let inputs = raw(plan, inputs);
        Self { inputs, outputs: plan.targets.iter().map(OutputColumn::of).collect(), window: plan.window() }
    }
}

impl OutputColumn {
    fn of(target: &FittedTarget) -> Self {
        let (kind, categories) = match target {
            FittedTarget::Category { classes, .. } => (ColumnType::Category, Some(classes.clone())),
            FittedTarget::Number { .. }
            | FittedTarget::Forecast { .. }
            | FittedTarget::Reconstruct { .. }
            | FittedTarget::Embedding { .. } => (ColumnType::Number, None),
            FittedTarget::NextToken { .. } => (ColumnType::Text, None),
        };
        let length = match target {
            FittedTarget::Forecast { horizon: length, .. }
            | FittedTarget::Embedding { width: length, .. } => Some(*length),
            _ => None,
        };
        Self { name: target.name().to_owned(), kind, categories, length }
    }
}

fn number(name: &str, nullable: bool) -> InputColumn {
    of_kind(name, ColumnType::Number, nullable)
}

fn of_kind(name: &str, kind: ColumnType, nullable: bool) -> InputColumn {
    InputColumn { name: name.to_owned(), kind, nullable, categories: None }
}

/// The columns of a raw row in place of those that are computed or repaired, each once.
fn raw(plan: &Plan, inputs: Vec<InputColumn>) -> Vec<InputColumn> {
    let mut out: Vec<InputColumn> = Vec::new();
    let mut add = |column: InputColumn| {
        if !out.iter().any(|other| other.name == column.name) {
            out.push(column);
        }
    };
    let (computed, own): (Vec<_>, Vec<_>) =
        inputs.into_iter().partition(|input| plan.derive.needs(&input.name).is_some());
    for input in own {
        // What is repaired comes as people write it.
        let repaired = plan.derive.repairs(&input.name);
        add(if repaired { of_kind(&input.name, ColumnType::Category, input.nullable) } else { input });
    }
    for input in &computed {
        for (name, numeric) in plan.derive.needs(&input.name).unwrap_or_default() {
            add(of_kind(name, if *numeric { ColumnType::Number } else { ColumnType::Category }, true));
        }
    }
    out
}
