//! Fitted transforms, one kind each: learned on training rows, then a pure function of a row.

use cupola_spec::{Block, Encoding, Kind, Scaling, Tokens, TokensKind};
use serde::{Deserialize, Serialize};

use crate::category::FittedCategory;
use crate::error::Error;
use crate::examples::Filling;
use crate::frame::Frame;
use crate::infer::Resolved;
use crate::number::{FittedNumber, Moments, pixel};
use crate::text::FittedTokenizer;
use crate::window::{self, FittedSeries};

pub(crate) const SEND: &str = "send the columns that the model was trained on";

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
    /// Numbers in time: `(value - shift) * factor` for each.
    Series {
        /// Name of the input.
        name: String,
        /// In the order `[steps, width]`.
        columns: Vec<String>,
        /// `[steps, width]`.
        shape: [usize; 2],
        /// Subtracted first.
        shift: f64,
        /// Multiplied then.
        factor: f64,
    },
    /// Numbers in time: those of the last rows of the table.
    Window {
        /// Name of the input.
        name: String,
        /// One transform for each column.
        columns: Vec<FittedSeries>,
        /// Rows.
        window: usize,
    },
    /// Free text; a missing one is empty.
    Text {
        /// Name of the input.
        name: String,
        /// Its column.
        column: String,
        /// Tokens of one example.
        length: usize,
        /// The tokenizer, as Hugging Face's `tokenizer.json`.
        tokenizer: FittedTokenizer,
    },
}

impl FittedInput {
    /// Learns from the rows of `frame`, which are the training split.
    ///
    /// # Errors
    /// Texts where numbers are declared, missing pixels, infinite values.
    pub fn fit(resolved: &Resolved, frame: &Frame) -> Result<Self, Error> {
        let name = resolved.input.name.clone();
        let (input, columns) = (&resolved.input, &resolved.columns);
        Ok(match input.kind {
            Kind::Number => {
                let scale = input.scale.unwrap_or(Scaling::Standard);
                let fit = |column: &String| FittedNumber::fit(column, scale, input.bins, frame);
                Self::Number { name, columns: columns.iter().map(fit).collect::<Result<_, _>>()? }
            }
            Kind::Category => {
                let policy = input.category();
                let fit = |column: &String| FittedCategory::fit(column, policy, frame);
                Self::Category { name, columns: columns.iter().map(fit).collect::<Result<_, _>>()? }
            }
            Kind::Image => {
                let shape = input.shape.unwrap_or([1, 1, columns.len()]);
                let (shift, factor) = scaling(columns, input.scale.unwrap_or(Scaling::MinMax), frame)?;
                Self::Image { name, columns: columns.clone(), shape, shift, factor }
            }
            Kind::Series if input.window.is_some() => {
                let scale = input.scale.unwrap_or(Scaling::Standard);
                let fit = |column: &String| FittedSeries::fit(column, scale, frame);
                let columns = columns.iter().map(fit).collect::<Result<_, _>>()?;
                Self::Window { name, columns, window: input.window.unwrap_or(1) }
            }
            Kind::Series => {
                let shape = input.steps.unwrap_or([columns.len(), 1]);
                let (shift, factor) = scaling(columns, input.scale.unwrap_or(Scaling::Standard), frame)?;
                Self::Series { name, columns: columns.clone(), shape, shift, factor }
            }
            Kind::Text => {
                let [column] = columns.as_slice() else {
                    let why =
                        format!("{} columns; a text has one, so declare one input for each", columns.len());
                    return Err(Error::Input { input: name, why });
                };
                let kind = TokensKind::Bpe;
                let standard = Tokens { kind, vocabulary: 8000, length: 128, lowercase: false, file: None };
                let spec = input.tokens.clone().unwrap_or(standard);
                let tokenizer = match &resolved.tokenizer {
                    Some(learned) if spec.file.is_none() => learned.clone(),
                    _ => FittedTokenizer::fit(&name, column, &spec, frame)?,
                };
                Self::Text { name, column: column.clone(), length: spec.length, tokenizer }
            }
        })
    }

    /// Name of the input.
    pub fn name(&self) -> &str {
        match self {
            Self::Number { name, .. }
            | Self::Category { name, .. }
            | Self::Image { name, .. }
            | Self::Series { name, .. }
            | Self::Window { name, .. }
            | Self::Text { name, .. } => name,
        }
    }

    /// Scaled numbers, columns of encodings and index columns that it adds to the table; `None` for
    /// an input that is a block of its own.
    pub(crate) fn in_table(&self) -> Option<(usize, usize, Vec<usize>)> {
        match self {
            Self::Number { columns, .. } => {
                let encoded = columns.iter().map(FittedNumber::encoded_width).sum();
                let numbers = columns.iter().filter(|c| c.encoded_width() == 0).count();
                Some((numbers, encoded, Vec::new()))
            }
            Self::Category { columns, .. } => {
                let of =
                    |encode| columns.iter().filter(move |c| c.encode == encode).map(FittedCategory::size);
                Some((0, of(Encoding::OneHot).sum(), of(Encoding::Index).collect()))
            }
            Self::Image { .. } | Self::Series { .. } | Self::Window { .. } | Self::Text { .. } => None,
        }
    }

    /// The block of an input that is no part of the table.
    pub(crate) fn block(&self) -> Option<Block> {
        match self {
            Self::Number { .. } | Self::Category { .. } => None,
            Self::Image { shape, .. } => Some(Block::Image { shape: *shape }),
            Self::Series { shape: [steps, width], .. } => {
                Some(Block::Series { steps: *steps, width: *width })
            }
            Self::Window { columns, window, .. } => {
                Some(Block::Series { steps: *window, width: columns.len() })
            }
            Self::Text { length, tokenizer, .. } => {
                Some(Block::Text { length: *length, vocabulary: tokenizer.vocabulary() })
            }
        }
    }

    /// Rows of a window and its columns.
    pub(crate) fn window(&self) -> Option<(usize, &[FittedSeries])> {
        match self {
            Self::Window { columns, window, .. } => Some((*window, columns)),
            _ => None,
        }
    }

    /// Writes the examples' values into the next free columns.
    pub(crate) fn apply(&self, frame: &Frame, out: &mut Filling) -> Result<(), Error> {
        match self {
            Self::Number { columns, .. } => columns.iter().try_for_each(|column| column.apply(frame, out)),
            Self::Category { columns, .. } => columns.iter().try_for_each(|column| column.apply(frame, out)),
            Self::Image { columns, shift, factor, .. } | Self::Series { columns, shift, factor, .. } => {
                let at = out.take_dense(columns.len());
                for (offset, name) in columns.iter().enumerate() {
                    let values = frame.require(name, SEND)?;
                    for row in 0..frame.rows() {
                        let value = (pixel(name, values, row)? - shift) * factor;
                        out.set_dense(row, at + offset, value);
                    }
                }
                Ok(())
            }
            Self::Window { columns, window, .. } => window::apply(columns, *window, frame, out),
            Self::Text { column, length, tokenizer, .. } => tokenizer.apply(column, *length, frame, out),
        }
    }
}

/// `(shift, factor)` of all values of several columns together.
fn scaling(columns: &[String], scale: Scaling, frame: &Frame) -> Result<(f64, f64), Error> {
    let mut moments = Moments::default();
    for column in columns {
        let values = frame.require(column, SEND)?;
        for row in 0..frame.rows() {
            moments.add(pixel(column, values, row)?);
        }
    }
    Ok(moments.scaling(scale))
}
