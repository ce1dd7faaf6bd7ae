//! A package as tensors: what its inputs and outputs are to clients that send arrays instead of rows.
//!
//! A picture or a series of numbers is one tensor; every other column is a tensor of its own.

use cupola_prep::{
    Column, ColumnType, Examples, FittedInput, FittedTarget, Frame, Plan, PredictedValue, Signature,
};
use indexmap::IndexMap;

use crate::error::Error;
use crate::sealed::Sealed;

/// What the elements of a tensor are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// 32-bit real numbers.
    Float,
    /// 64-bit real numbers.
    Double,
    /// Texts, or contents of files.
    Bytes,
}

/// A tensor by name; the first axis, that of the rows, is left out of its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// Its elements.
    pub element: Element,
    /// Axes of one row.
    pub shape: Vec<usize>,
    /// Columns of a raw row that it holds, one for each element of a row; of an output its target.
    pub columns: Vec<String>,
    /// Whether it may be left out or hold nothing: an empty text, or NaN.
    pub nullable: bool,
}

impl TensorSpec {
    /// Elements of one row.
    pub fn width(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Elements of a tensor, row by row.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// 32-bit real numbers.
    Floats(Vec<f32>),
    /// Numbers of any other type.
    Doubles(Vec<f64>),
    /// Texts, or contents of files.
    Bytes(Vec<Vec<u8>>),
}

impl Values {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Doubles(values) => values.len(),
            Self::Bytes(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A tensor that an answer holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// All axes, that of the rows first.
    pub shape: Vec<usize>,
    /// Its elements.
    pub values: Values,
}

/// What a request's tensors are made of.
#[derive(Debug, Clone)]
pub enum Input {
    /// Columns.
    Frame(Frame),
    /// The one tensor of a model that takes nothing else.
    Floats(Vec<f32>),
}

impl Input {
    /// Rows that it holds, given the numbers of one.
    pub fn rows(&self, width: usize) -> usize {
        match self {
            Self::Frame(frame) => frame.rows(),
            Self::Floats(values) => values.len() / width.max(1),
        }
    }
}

/// The tensors that a package takes.
pub(crate) fn tensor_inputs(plan: &Plan, signature: &Signature) -> Vec<TensorSpec> {
    let mut out: Vec<TensorSpec> = Vec::new();
    let mut whole: Vec<&str> = Vec::new();
    for input in &plan.inputs {
        let (name, columns, shape) = match input {
            FittedInput::Image { name, columns, shape, .. } => (name, columns, shape.to_vec()),
            FittedInput::Series { name, columns, shape, .. } => (name, columns, shape.to_vec()),
            _ => continue,
        };
        if columns.len() > 1 && columns.len() == shape.iter().product::<usize>() {
            whole.extend(columns.iter().map(String::as_str));
            let (name, columns) = (name.clone(), columns.clone());
            out.push(TensorSpec { name, element: Element::Float, shape, columns, nullable: false });
        }
    }
    for column in signature.inputs.iter().filter(|column| !whole.contains(&column.name.as_str())) {
        let element = if column.kind == ColumnType::Number { Element::Double } else { Element::Bytes };
        out.push(TensorSpec {
            name: column.name.clone(),
            element,
            shape: vec![1],
            columns: vec![column.name.clone()],
            nullable: column.nullable,
        });
    }
    out
}

/// The tensors that it gives: the value of each target, and the probabilities of a category's classes.
pub(crate) fn tensor_outputs(plan: &Plan) -> Vec<TensorSpec> {
    let mut out = Vec::new();
    for target in &plan.targets {
        let (element, width) = match target {
            FittedTarget::Category { .. } | FittedTarget::NextToken { .. } => (Element::Bytes, 1),
            FittedTarget::Forecast { horizon: width, .. } | FittedTarget::Embedding { width, .. } => {
                (Element::Float, *width)
            }
            FittedTarget::Number { .. } | FittedTarget::Reconstruct { .. } => (Element::Float, 1),
        };
        let own = target.name();
        let spec = |name: String, element, width| TensorSpec {
            name,
            element,
            shape: vec![width],
            columns: vec![own.to_owned()],
            nullable: false,
        };
        out.push(spec(own.to_owned(), element, width));
        if let FittedTarget::Category { classes, .. } = target {
            out.push(spec(format!("{own}_probabilities"), Element::Float, classes.len()));
        }
    }
    out
}

impl Sealed {
    /// What `given` tensors of `rows` rows are to the plan. Their names, elements and sizes fit.
    pub fn input_of(&self, given: Vec<(usize, Values)>, rows: usize) -> Input {
        let specs = &self.inputs;
        let given = match <[_; 1]>::try_from(given) {
            Ok([(_, Values::Floats(values))]) if self.takes_floats() => return Input::Floats(values),
            Ok(one) => Vec::from(one),
            Err(given) => given,
        };
        let mut columns = IndexMap::new();
        for (place, values) in given {
            let spec = &specs[place];
            match values {
                Values::Floats(values) => split(spec, &values, f64::from, &mut columns),
                Values::Doubles(values) => split(spec, &values, |value: f64| value, &mut columns),
                Values::Bytes(values) => {
                    columns.insert(spec.name.clone(), self.texts(spec, &values));
                }
            }
        }
        for spec in specs.iter().filter(|spec| spec.nullable && spec.columns.len() == 1) {
            columns.entry(spec.columns[0].clone()).or_insert_with(|| match spec.element {
                Element::Bytes => Column::texts(vec![None::<&str>; rows]),
                _ => Column::numbers(vec![f64::NAN; rows]),
            });
        }
        Input::Frame(Frame::new(columns))
    }

    /// Whether one tensor is all that the network sees: then it goes there without being taken apart.
    pub(crate) fn takes_floats(&self) -> bool {
        let alone = matches!(self.plan.inputs.as_slice(), [FittedInput::Image { columns, .. } | FittedInput::Series { columns, .. }] if columns.len() > 1);
        alone && self.plan.derive.is_empty()
    }

    /// An empty text is a missing one, where one may be missing.
    fn texts(&self, spec: &TensorSpec, values: &[Vec<u8>]) -> Column {
        let file = self.signature.inputs.iter().any(|c| c.name == spec.name && c.kind == ColumnType::File);
        if file {
            return Column::Bytes(values.iter().map(|value| Some(value.as_slice())).collect());
        }
        let texts = values.iter().map(|value| {
            let text = String::from_utf8_lossy(value);
            if spec.nullable && text.is_empty() { None } else { Some(text.into_owned()) }
        });
        Column::texts(texts)
    }

    /// Examples of a request.
    ///
    /// # Errors
    /// The first value that does not fit, with row and column.
    pub fn examples_from(&self, input: &Input) -> Result<Examples, Error> {
        let values = match input {
            Input::Frame(frame) => return self.examples_of(frame),
            Input::Floats(values) => values,
        };
        let ([FittedInput::Image { shift, factor, .. } | FittedInput::Series { shift, factor, .. }], true) =
            (self.plan.inputs.as_slice(), self.takes_floats())
        else {
            // Made for another version, which takes its tensor whole: this one takes columns.
            let width = self.signature.inputs.len();
            let columns = self.signature.inputs.iter().enumerate().map(|(place, input)| {
                let own = values.iter().skip(place).step_by(width).map(|value| f64::from(*value));
                (input.name.clone(), Column::numbers(own.collect()))
            });
            return self.examples_of(&Frame::new(columns.collect()));
        };
        let layout = self.plan.layout();
        let width = layout.dense_width().max(1);
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::Value {
                row: place / width + 1,
                column: self.plan.inputs[0].name().to_owned(),
                expected: "a finite number",
                found: values[place].to_string(),
                remedy: "mend the value",
            });
        }
        #[allow(clippy::cast_possible_truncation, reason = "as the plan rounds")]
        let dense = values.iter().map(|v| ((f64::from(*v) - shift) * factor) as f32).collect();
        Ok(Examples { layout, rows: values.len() / width, dense, indices: Vec::new() })
    }

    /// The tensors that logits `[rows, width]` stand for, those of `wanted` names; all where there are none.
    ///
    /// # Errors
    /// As [`Sealed::answers`].
    pub fn tensors(&self, logits: &[f32], own: &[f32], wanted: &[String]) -> Result<Vec<Tensor>, Error> {
        let answers = self.answers(logits, own)?;
        let rows = answers.len();
        let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|other| other == name);
        let mut out = Vec::new();
        for spec in self.outputs.iter().filter(|spec| is_wanted(&spec.name)) {
            let mut shape = vec![rows];
            shape.extend(&spec.shape);
            let of = answers.iter().map(|answer| &answer[&spec.columns[0]]);
            // The other tensor of a target is that of its classes.
            let values = if spec.name == spec.columns[0] {
                values_of(spec, of.map(|prediction| &prediction.value))
            } else {
                let each = of.filter_map(|prediction| prediction.probabilities.as_ref());
                Values::Floats(each.flat_map(|each| each.values().copied()).collect())
            };
            out.push(Tensor { name: spec.name.clone(), shape, values });
        }
        Ok(out)
    }
}

#[allow(clippy::cast_possible_truncation, reason = "logits are 32-bit numbers")]
fn values_of<'a>(spec: &TensorSpec, labels: impl Iterator<Item = &'a PredictedValue>) -> Values {
    if spec.element == Element::Bytes {
        return Values::Bytes(labels.map(|label| text_of(label).into_bytes()).collect());
    }
    let numbers = labels.flat_map(|label| match label {
        PredictedValue::Number(number) => vec![*number as f32],
        PredictedValue::Numbers(numbers) => numbers.iter().map(|number| *number as f32).collect(),
        PredictedValue::Text(_) => vec![f32::NAN],
    });
    Values::Floats(numbers.collect())
}

fn text_of(label: &PredictedValue) -> String {
    match label {
        PredictedValue::Text(text) => text.clone(),
        PredictedValue::Number(number) => cupola_prep::number_text(*number),
        PredictedValue::Numbers(_) => String::new(),
    }
}

/// Elements `[rows, columns]` as columns.
fn split<T: Copy>(
    spec: &TensorSpec,
    values: &[T],
    number: impl Fn(T) -> f64,
    out: &mut IndexMap<String, Column>,
) {
    let width = spec.columns.len();
    for (place, column) in spec.columns.iter().enumerate() {
        let own = values.iter().skip(place).step_by(width).map(|value| number(*value)).collect();
        out.insert(column.clone(), Column::numbers(own));
    }
}
