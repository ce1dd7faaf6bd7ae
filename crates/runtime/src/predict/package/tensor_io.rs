//! Tensors as a package's input, and logits as its output tensors.

use cupola_budget::Budget;
use cupola_prep::{Column, ColumnType, Examples, FittedInput, Frame, PredictedValue, Predictions};
use indexmap::IndexMap;

use super::LoadedPackage;
use crate::error::Error;
use crate::predict::tensors::{ElementType, OutputTensor, PredictInput, TensorSpec, TensorValues};

impl LoadedPackage {
    /// Input from tensors of `rows` rows, given as index into [`LoadedPackage::inputs`] and values, whose names, types and
    /// sizes have been checked.
    pub fn input_from_tensors(&self, given: Vec<(usize, TensorValues)>, rows: usize) -> PredictInput {
        let specs = &self.inputs;
        let given = match <[_; 1]>::try_from(given) {
            Ok([(_, TensorValues::Floats(values))]) if self.takes_floats() => {
                return PredictInput::Floats(values);
            }
            Ok(one) => Vec::from(one),
            Err(given) => given,
        };
        let mut columns = IndexMap::new();
        for (index, values) in given {
            let spec = &specs[index];
            match values {
                TensorValues::Floats(values) => split(spec, &values, f64::from, &mut columns),
                TensorValues::Doubles(values) => split(spec, &values, |value: f64| value, &mut columns),
                TensorValues::Bytes(values) => {
                    columns.insert(spec.name.clone(), self.texts(spec, &values));
                }
            }
        }
        for spec in specs.iter().filter(|spec| spec.nullable && spec.columns.len() == 1) {
            columns.entry(spec.columns[0].clone()).or_insert_with(|| match spec.element {
                ElementType::Bytes => Column::texts(vec![None::<&str>; rows]),
                _ => Column::numbers(vec![f64::NAN; rows]),
            });
        }
        PredictInput::Frame(Frame::new(columns))
    }

    /// Checks that the elements of a tensor of texts are UTF-8; those of a column of files may be any bytes.
    ///
    /// # Errors
    /// [`Error::Value`] for the first other element.
    pub fn check_texts(&self, spec: &TensorSpec, values: &TensorValues) -> Result<(), Error> {
        let TensorValues::Bytes(values) = values else { return Ok(()) };
        let invalid = values.iter().position(|value| std::str::from_utf8(value).is_err());
        match invalid {
            Some(row) if !self.is_file(spec) => Err(Error::Value {
                row: row + 1,
                column: spec.name.clone(),
                expected: "a text in UTF-8",
                found: "other bytes".to_owned(),
                remedy: "encode the text as UTF-8",
            }),
            _ => Ok(()),
        }
    }

    fn is_file(&self, spec: &TensorSpec) -> bool {
        self.signature.inputs.iter().any(|c| c.name == spec.name && c.kind == ColumnType::File)
    }

    /// `true` if one tensor is the network's whole input, which then needs no columns.
    pub(crate) fn takes_floats(&self) -> bool {
        let alone = matches!(self.plan.inputs.as_slice(), [FittedInput::Image { columns, .. } | FittedInput::Series { columns, .. }] if columns.len() > 1);
        alone && self.plan.derive.is_empty()
    }

    /// Column of strings; an empty string is a missing value where the column is nullable.
    fn texts(&self, spec: &TensorSpec, values: &[Vec<u8>]) -> Column {
        if self.is_file(spec) {
            return Column::Bytes(values.iter().map(|value| Some(value.as_slice())).collect());
        }
        let texts = values.iter().map(|value| {
            let text = String::from_utf8_lossy(value);
            if spec.nullable && text.is_empty() { None } else { Some(text.into_owned()) }
        });
        Column::texts(texts)
    }

    /// Applies the plan to an input.
    ///
    /// # Errors
    /// [`Error::Value`] for the first invalid value, with row and column, [`Error::Exceeded`].
    pub fn examples_of_input(&self, input: &PredictInput, budget: &Budget) -> Result<Examples, Error> {
        let values = match input {
            PredictInput::Frame(frame) => return Ok(self.plan.apply_within(frame, budget)?),
            PredictInput::Tokens(texts) => return self.examples_of_tokens(texts, budget),
            PredictInput::Floats(values) => values,
        };
        let ([FittedInput::Image { shift, factor, .. } | FittedInput::Series { shift, factor, .. }], true) =
            (self.plan.inputs.as_slice(), self.takes_floats())
        else {
            // The input was parsed for another version, which takes one tensor: this one takes columns.
            let width = self.signature.inputs.len();
            let columns = self.signature.inputs.iter().enumerate().map(|(index, input)| {
                let own = values.iter().skip(index).step_by(width).map(|value| f64::from(*value));
                (input.name.clone(), Column::numbers(own.collect()))
            });
            budget.charge_each(values.len(), size_of::<f64>())?;
            return Ok(self.plan.apply_within(&Frame::new(columns.collect()), budget)?);
        };
        let layout = self.plan.layout();
        let width = layout.dense_width().max(1);
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::Value {
                row: index / width + 1,
                column: self.plan.inputs[0].name().to_owned(),
                expected: "a finite number",
                found: values[index].to_string(),
                remedy: "correct the value",
            });
        }
        budget.charge_each(values.len(), size_of::<f32>())?;
        #[allow(clippy::cast_possible_truncation, reason = "the plan rounds to 32 bits as well")]
        let dense = values.iter().map(|v| ((f64::from(*v) - shift) * factor) as f32).collect();
        Ok(Examples { layout, rows: values.len() / width, dense, indices: Vec::new() })
    }

    /// Examples of texts that are tokens already.
    fn examples_of_tokens(&self, texts: &[Vec<u32>], budget: &Budget) -> Result<Examples, Error> {
        let [FittedInput::Text { length, .. }] = self.plan.inputs.as_slice() else {
            return Err(Error::Tokens { why: "the model does not take one text".to_owned() });
        };
        self.check_tokens(texts.iter().flatten().copied())?;
        budget.charge_each(texts.len(), length.saturating_mul(size_of::<i32>()))?;
        let mut examples = Examples::zeros(self.plan.layout(), texts.len());
        for (row, tokens) in examples.indices.chunks_mut((*length).max(1)).zip(texts) {
            if tokens.len() > *length {
                return Err(Error::ContextLength { context: *length, found: tokens.len(), requested: 0 });
            }
            // Index 0 is the padding.
            let indices = tokens.iter().map(|id| i32::try_from(id + 1).unwrap_or_default());
            row.iter_mut().zip(indices).for_each(|(index, token)| *index = token);
        }
        Ok(examples)
    }

    /// Output tensors that logits `[rows, width]` stand for: those that `names` lists, or all if it is empty. With an
    /// `interval`, a coverage and the rows that were predicted, those of intervals and sets are among them.
    ///
    /// # Errors
    /// The errors of [`LoadedPackage::predictions`] and [`LoadedPackage::add_intervals`].
    pub fn output_tensors(
        &self,
        logits: &[f32],
        inputs: &[f32],
        names: &[String],
        interval: Option<(f64, &PredictInput)>,
    ) -> Result<Vec<OutputTensor>, Error> {
        let mut predictions = self.predictions(logits, inputs)?;
        if let Some((coverage, input)) = interval {
            self.add_intervals(coverage, input, &mut predictions)?;
        }
        let rows = predictions.len();
        let is_listed = |name: &str| names.is_empty() || names.iter().any(|listed| listed == name);
        let mut out = Vec::new();
        for spec in self.outputs.iter().filter(|spec| is_listed(&spec.name)) {
            let mut shape = vec![rows];
            shape.extend(&spec.shape);
            let of = predictions.iter().map(|row| &row[&spec.columns[0]]);
            // The other tensor of a target holds the probabilities of its classes.
            let values = if spec.name == spec.columns[0] {
                values_of(spec, of.map(|prediction| &prediction.value))
            } else {
                let each = of.filter_map(|prediction| prediction.probabilities.as_ref());
                TensorValues::Floats(each.flat_map(|each| each.values().copied()).collect())
            };
            out.push(OutputTensor { name: spec.name.clone(), shape, values });
        }
        if interval.is_some() {
            let listed = self.interval_outputs.iter().filter(|spec| is_listed(&spec.name));
            out.extend(listed.map(|spec| interval_tensor(spec, &predictions)));
        }
        Ok(out)
    }
}

/// Bounds of the intervals of a target, or its sets as JSON lists.
fn interval_tensor(spec: &TensorSpec, predictions: &[Predictions]) -> OutputTensor {
    let mut shape = vec![predictions.len()];
    shape.extend(&spec.shape);
    let of = || predictions.iter().filter_map(|row| row.get(&spec.columns[0]));
    let intervals = || of().filter_map(|prediction| prediction.interval.as_ref());
    let values = if spec.element == ElementType::Bytes {
        let sets = of().filter_map(|prediction| prediction.set.as_ref());
        TensorValues::Bytes(sets.map(|set| serde_json::to_vec(set).unwrap_or_default()).collect())
    } else if spec.name.ends_with("_low") {
        values_of(spec, intervals().map(|interval| &interval.low))
    } else {
        values_of(spec, intervals().map(|interval| &interval.high))
    };
    OutputTensor { name: spec.name.clone(), shape, values }
}

#[allow(clippy::cast_possible_truncation, reason = "logits are 32-bit numbers")]
fn values_of<'a>(spec: &TensorSpec, values: impl Iterator<Item = &'a PredictedValue>) -> TensorValues {
    if spec.element == ElementType::Bytes {
        return TensorValues::Bytes(values.map(|value| text_of(value).into_bytes()).collect());
    }
    let numbers = values.flat_map(|value| match value {
        PredictedValue::Integer(number) => vec![*number as f32],
        PredictedValue::Number(number) => vec![*number as f32],
        PredictedValue::Numbers(numbers) => numbers.iter().map(|number| *number as f32).collect(),
        PredictedValue::Text(_) => vec![f32::NAN],
    });
    TensorValues::Floats(numbers.collect())
}

fn text_of(value: &PredictedValue) -> String {
    match value {
        PredictedValue::Text(text) => text.clone(),
        PredictedValue::Integer(number) => number.to_string(),
        PredictedValue::Number(number) => cupola_prep::number_text(*number),
        PredictedValue::Numbers(_) => String::new(),
    }
}

/// Splits values `[rows, columns]` into columns.
fn split<T: Copy>(
    spec: &TensorSpec,
    values: &[T],
    number: impl Fn(T) -> f64,
    out: &mut IndexMap<String, Column>,
) {
    let width = spec.columns.len();
    for (index, column) in spec.columns.iter().enumerate() {
        let own = values.iter().skip(index).step_by(width).map(|value| number(*value)).collect();
        out.insert(column.clone(), Column::numbers(own));
    }
}
