//! Fitted transforms, one kind each: learned on training rows, then a pure function of a row.

use std::collections::{BTreeSet, HashMap};

use cupola_spec::{Encoding, Kind, Scaling, Unseen};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::examples::Examples;
use crate::frame::{Column, Frame, number_text};
use crate::infer::Resolved;

const SEND: &str = "send the columns that the model was trained on";

/// An input as fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FittedInput {
    /// Real numbers.
    Number {
        /// Name of the input.
        name: String,
        /// One transform for each column.
        columns: Vec<FittedNumber>,
    },
    /// Closed sets of values.
    Category {
        /// Name of the input.
        name: String,
        /// One transform for each column.
        columns: Vec<FittedCategory>,
    },
    /// A picture: `(value - shift) * factor` for each pixel.
    Image {
        /// Name of the input.
        name: String,
        /// Pixels in the order `[channel, height, width]`.
        columns: Vec<String>,
        /// `[channels, height, width]`.
        shape: [usize; 3],
        /// Subtracted first.
        shift: f64,
        /// Multiplied then.
        factor: f64,
    },
}

/// `(value or fill - shift) * factor`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedNumber {
    /// The column.
    pub column: String,
    /// Stands for a missing value: the training median.
    pub fill: f64,
    /// Subtracted first.
    pub shift: f64,
    /// Multiplied then; 1 for a constant column.
    pub factor: f64,
}

/// A value's index among the categories of the training split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedCategory {
    /// The column.
    pub column: String,
    /// Values in order of their index.
    pub categories: Vec<String>,
    /// One-hot or embedding.
    pub encode: Encoding,
    /// `other` adds one last index for unseen and missing values.
    pub unseen: Unseen,
}

impl FittedInput {
    /// Learns from the rows of `frame`, which are the training split.
    ///
    /// # Errors
    /// Texts where numbers are declared, missing pixels, infinite values.
    pub fn fit(resolved: &Resolved, frame: &Frame) -> Result<Self, Error> {
        let name = resolved.input.name.clone();
        let columns = &resolved.columns;
        Ok(match resolved.input.kind {
            Kind::Number => {
                let scale = resolved.input.scale.unwrap_or(Scaling::Standard);
                let fit = |column: &String| FittedNumber::fit(column, scale, frame);
                Self::Number { name, columns: columns.iter().map(fit).collect::<Result<_, _>>()? }
            }
            Kind::Category => {
                let policy = resolved.input.category();
                let fit = |column: &String| FittedCategory::fit(column, policy, frame);
                Self::Category { name, columns: columns.iter().map(fit).collect::<Result<_, _>>()? }
            }
            Kind::Image => {
                let scale = resolved.input.scale.unwrap_or(Scaling::MinMax);
                let shape = resolved.input.shape.unwrap_or([1, 1, columns.len()]);
                let mut moments = Moments::default();
                for column in columns {
                    let values = frame.require(column, SEND)?;
                    for row in 0..frame.rows() {
                        moments.add(pixel(column, values, row)?);
                    }
                }
                let (shift, factor) = moments.scaling(scale);
                Self::Image { name, columns: columns.clone(), shape, shift, factor }
            }
        })
    }

    /// Width of the dense part of one example.
    pub fn dense_width(&self) -> usize {
        match self {
            Self::Number { columns, .. } => columns.len(),
            Self::Category { columns, .. } => {
                columns.iter().filter(|c| c.encode == Encoding::OneHot).map(FittedCategory::size).sum()
            }
            Self::Image { columns, .. } => columns.len(),
        }
    }

    /// Sizes of the index columns that go through embeddings.
    pub fn index_sizes(&self) -> Vec<usize> {
        match self {
            Self::Category { columns, .. } => {
                let indexed = columns.iter().filter(|c| c.encode == Encoding::Index);
                indexed.map(FittedCategory::size).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Writes the examples' values, starting at `dense_at` and `index_at` of each example.
    pub(crate) fn apply(
        &self,
        frame: &Frame,
        out: &mut Examples,
        dense_at: usize,
        index_at: usize,
    ) -> Result<(), Error> {
        match self {
            Self::Number { columns, .. } => {
                for (offset, column) in columns.iter().enumerate() {
                    column.apply(frame, out, dense_at + offset)?;
                }
            }
            Self::Category { columns, .. } => {
                let (mut dense, mut index) = (dense_at, index_at);
                for column in columns {
                    let onehot = column.encode == Encoding::OneHot;
                    column.apply(frame, out, if onehot { dense } else { index })?;
                    if onehot { dense += column.size() } else { index += 1 }
                }
            }
            Self::Image { columns, shift, factor, .. } => {
                for (offset, name) in columns.iter().enumerate() {
                    let values = frame.require(name, SEND)?;
                    for row in 0..frame.rows() {
                        let value = (pixel(name, values, row)? - shift) * factor;
                        out.set_dense(row, dense_at + offset, value);
                    }
                }
            }
        }
        Ok(())
    }
}

impl FittedNumber {
    fn fit(column: &str, scale: Scaling, frame: &Frame) -> Result<Self, Error> {
        let values = frame.require(column, SEND)?;
        let mut present = Vec::with_capacity(frame.rows());
        for row in 0..frame.rows() {
            present.extend(finite(column, values, row)?);
        }
        let missing = frame.rows() - present.len();
        let fill = median(&mut present);
        let mut moments = Moments::default();
        for &value in &present {
            moments.add(value);
        }
        for _ in 0..missing {
            moments.add(fill);
        }
        let (shift, factor) = moments.scaling(scale);
        Ok(Self { column: column.to_owned(), fill, shift, factor })
    }

    fn apply(&self, frame: &Frame, out: &mut Examples, at: usize) -> Result<(), Error> {
        let values = frame.require(&self.column, SEND)?;
        for row in 0..frame.rows() {
            let value = finite(&self.column, values, row)?.unwrap_or(self.fill);
            out.set_dense(row, at, (value - self.shift) * self.factor);
        }
        Ok(())
    }
}

impl FittedCategory {
    fn fit(column: &str, policy: cupola_spec::Category, frame: &Frame) -> Result<Self, Error> {
        let values = frame.require(column, SEND)?;
        let mut seen = BTreeSet::new();
        for row in 0..frame.rows() {
            if let Some(text) = values.text(row) {
                seen.insert(text);
            }
        }
        let categories: Vec<String> = seen.into_iter().collect();
        if categories.is_empty() {
            let why = "all its training values are missing; leave it out".to_owned();
            return Err(Error::Input { input: column.to_owned(), why });
        }
        Ok(Self { column: column.to_owned(), categories, encode: policy.encode, unseen: policy.unseen })
    }

    /// Number of indices, "other" included.
    pub fn size(&self) -> usize {
        self.categories.len() + usize::from(self.unseen == Unseen::Other)
    }

    fn apply(&self, frame: &Frame, out: &mut Examples, at: usize) -> Result<(), Error> {
        let values = frame.require(&self.column, SEND)?;
        let indices: HashMap<&str, usize> =
            self.categories.iter().enumerate().map(|(i, c)| (c.as_str(), i)).collect();
        for row in 0..frame.rows() {
            let text = values.text(row);
            let found = text.as_deref().and_then(|text| indices.get(text)).copied();
            let index = match (found, self.unseen) {
                (Some(index), _) => index,
                (None, Unseen::Other) => self.categories.len(),
                (None, Unseen::Error) => return Err(self.unknown(row, text)),
            };
            match self.encode {
                Encoding::OneHot => out.set_dense(row, at + index, 1.0),
                Encoding::Index => out.set_index(row, at, index),
            }
        }
        Ok(())
    }

    fn unknown(&self, row: usize, text: Option<String>) -> Error {
        let known = self.categories.iter().map(String::as_str);
        let near = text.as_deref().and_then(|text| cupola_spec::nearest(text, known));
        let remedy = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "send one of the trained values".to_owned(),
        };
        Error::Value {
            row: row + 1,
            column: self.column.clone(),
            expected: format!("one of {} trained values", self.categories.len()),
            found: text.map_or("nothing".to_owned(), |text| format!("`{text}`")),
            remedy,
        }
    }
}

/// The number at a row, `None` where it is missing; never infinite.
pub(crate) fn finite(name: &str, column: &Column, row: usize) -> Result<Option<f64>, Error> {
    let wrong = |found: String| Error::Value {
        row: row + 1,
        column: name.to_owned(),
        expected: "a finite number".to_owned(),
        found,
        remedy: "mend the value, or leave it empty for missing".to_owned(),
    };
    match column.number(row) {
        Ok(Some(value)) if value.is_infinite() => Err(wrong(number_text(value))),
        Ok(value) => Ok(value),
        Err(text) => Err(wrong(format!("`{text}`"))),
    }
}

fn pixel(name: &str, column: &Column, row: usize) -> Result<f64, Error> {
    finite(name, column, row)?.ok_or_else(|| Error::Value {
        row: row + 1,
        column: name.to_owned(),
        expected: "a pixel".to_owned(),
        found: "nothing".to_owned(),
        remedy: "send every pixel of the image".to_owned(),
    })
}

/// Median, the mean of the two middle values for an even count; 0 of nothing.
fn median(values: &mut [f64]) -> f64 {
    let n = values.len();
    if n == 0 {
        return 0.0;
    }
    values.sort_unstable_by(f64::total_cmp);
    f64::midpoint(values[(n - 1) / 2], values[n / 2])
}

/// Count, mean and squared deviations in one pass (Welford 1962), and the range.
#[derive(Debug, Default, Clone)]
pub(crate) struct Moments {
    count: f64,
    mean: f64,
    m2: f64,
    range: Option<(f64, f64)>,
}

impl Moments {
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.m2 += delta * (value - self.mean);
        let (low, high) = self.range.unwrap_or((value, value));
        self.range = Some((low.min(value), high.max(value)));
    }

    /// `(shift, factor)` of a scaling; a constant keeps factor 1.
    pub fn scaling(&self, scaling: Scaling) -> (f64, f64) {
        let inverse = |spread: f64| if spread > 1e-12 { 1.0 / spread } else { 1.0 };
        let (low, high) = self.range.unwrap_or((0.0, 1.0));
        match scaling {
            Scaling::None => (0.0, 1.0),
            Scaling::Standard => (self.mean, inverse((self.m2 / self.count.max(1.0)).sqrt())),
            Scaling::MinMax => (low, inverse(high - low)),
        }
    }
}
