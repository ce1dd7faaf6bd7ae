//! A package's inputs and outputs as tensors, for clients that send arrays instead of rows.
//!
//! An image or a numeric series is one tensor; every other column is a tensor of its own.

use cupola_prep::{ColumnType, FittedInput, FittedTarget, Frame, Plan, Signature};

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementType {
    /// 32-bit floats.
    Float,
    /// 64-bit floats.
    Double,
    /// Strings, or contents of files.
    Bytes,
}

/// Name, element type and shape of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name that clients use.
    pub name: String,
    /// Element type.
    pub element: ElementType,
    /// Shape of one row: the first axis, that of the rows, is left out.
    pub shape: Vec<usize>,
    /// Columns of a row that the tensor holds, one for each element; of an output the target.
    pub columns: Vec<String>,
    /// `true` if the tensor may be left out or hold missing values: empty strings or NaN.
    pub nullable: bool,
}

impl TensorSpec {
    /// Number of elements of one row.
    pub fn width(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Elements of a tensor in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub enum TensorValues {
    /// 32-bit floats.
    Floats(Vec<f32>),
    /// Numbers of any other type, as 64-bit floats.
    Doubles(Vec<f64>),
    /// Strings, or contents of files.
    Bytes(Vec<Vec<u8>>),
}

impl TensorValues {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Doubles(values) => values.len(),
            Self::Bytes(values) => values.len(),
        }
    }

    /// `true` if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Tensor of a response.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputTensor {
    /// Name of its [`TensorSpec`].
    pub name: String,
    /// Shape, the rows first.
    pub shape: Vec<usize>,
    /// Elements.
    pub values: TensorValues,
}

/// Input of a prediction request, before the plan is applied.
#[derive(Debug, Clone)]
pub enum PredictInput {
    /// Columns of raw rows.
    Frame(Frame),
    /// Values `[rows, width]` of the one tensor that a model takes.
    Floats(Vec<f32>),
    /// Texts of a model that takes one text, as ids of its tokenizer.
    Tokens(Vec<Vec<u32>>),
}

impl PredictInput {
    /// Number of rows, given the number of values in one.
    pub fn rows(&self, width: usize) -> usize {
        match self {
            Self::Frame(frame) => frame.rows(),
            Self::Floats(values) => values.len() / width.max(1),
            Self::Tokens(texts) => texts.len(),
        }
    }
}

/// Input tensors of a package.
pub(crate) fn tensor_inputs(plan: &Plan, signature: &Signature) -> Vec<TensorSpec> {
    let mut out: Vec<TensorSpec> = Vec::new();
    let mut whole: Vec<&str> = Vec::new();
    for input in &plan.inputs {
        let (name, columns, shape) = match input {
            FittedInput::Image { name, columns, shape, .. } => (name, columns, shape.to_vec()),
            FittedInput::Series { name, columns, shape, .. } => (name, columns, shape.to_vec()),
            _ => continue,
        };
        // Members of an ensemble may scale the same columns in different ways.
        let is_listed = out.iter().any(|spec| spec.columns == *columns);
        if !is_listed && columns.len() > 1 && columns.len() == shape.iter().product::<usize>() {
            whole.extend(columns.iter().map(String::as_str));
            let (name, columns) = (name.clone(), columns.clone());
            out.push(TensorSpec { name, element: ElementType::Float, shape, columns, nullable: false });
        }
    }
    for column in signature.inputs.iter().filter(|column| !whole.contains(&column.name.as_str())) {
        let element =
            if column.kind == ColumnType::Number { ElementType::Double } else { ElementType::Bytes };
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

/// Tensors of intervals and sets, which a request has to ask for: `NAME_low` and `NAME_high` of a number, `NAME_set` of a
/// class, a JSON list of classes. None for a package without them; a target of such a name keeps it.
pub(crate) fn interval_outputs(plan: &Plan, outputs: &[TensorSpec]) -> Vec<TensorSpec> {
    if plan.uncertainty.is_none() {
        return Vec::new();
    }
    let each = outputs.iter().filter(|spec| spec.name == spec.columns[0]).flat_map(|spec| {
        let suffixes: &[&str] = match spec.element {
            ElementType::Bytes => &["set"],
            ElementType::Float | ElementType::Double => &["low", "high"],
        };
        suffixes.iter().map(|suffix| TensorSpec { name: format!("{}_{suffix}", spec.name), ..spec.clone() })
    });
    each.filter(|spec| !outputs.iter().any(|output| output.name == spec.name)).collect()
}

/// Output tensors of a package: the value of each target, and the probabilities of a category's classes.
pub(crate) fn tensor_outputs(plan: &Plan) -> Vec<TensorSpec> {
    let mut out = Vec::new();
    for target in &plan.targets {
        let (element, width) = match target {
            FittedTarget::Category { .. } | FittedTarget::NextToken { .. } => (ElementType::Bytes, 1),
            FittedTarget::Forecast { horizon: width, .. } | FittedTarget::Embedding { width, .. } => {
                (ElementType::Float, *width)
            }
            FittedTarget::Number { .. } | FittedTarget::Rank { .. } | FittedTarget::Reconstruct { .. } => {
                (ElementType::Float, 1)
            }
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
            out.push(spec(format!("{own}_probabilities"), ElementType::Float, classes.len()));
        }
    }
    out
}
