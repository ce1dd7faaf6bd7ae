//! Prepare: rows become examples through a plan that is fitted on the training split and sealed.
//!
//! A [`Frame`] holds raw rows. [`resolve`] turns the config's inputs (or none) into columns with
//! kinds; [`assign`] divides rows by a seeded hash of their content; [`Plan::fit`] learns from
//! training rows what [`Plan::apply`] then does to any row, in training, in `predict` and in the
//! server alike. Randomness is a function of what it is for: see [`draw`].

mod augment;
mod category;
mod checks;
mod compact;
mod corpus;
mod curve;
mod date;
mod derive;
mod draw;
mod error;
mod examples;
mod expression;
mod frame;
mod infer;
mod isolation;
mod media;
mod nearest;
mod number;
mod parts;
mod plan;
mod prepare;
mod rolling;
mod rows;
mod saved;
mod signature;
mod sketch;
mod spelling;
mod split;
mod store;
mod stream;
mod target;
mod text;
mod transform;
mod window;

pub use augment::Augmenter;
pub use category::FittedCategory;
pub use compact::Recipe;
pub use curve::Curve;
pub use date::{FittedDate, FittedPart};
pub use derive::{Derivation, FittedFeature};
pub use draw::{draw, permutation, unit};
pub use error::Error;
pub use examples::{Examples, Layout};
pub use frame::{Column, Frame, number_text};
pub use infer::{Finding, Resolved, matches, resolve};
pub use nearest::Donors;
pub use number::FittedNumber;
pub use plan::Plan;
pub use prepare::{Labelled, Prepared, label, prepare};
pub use rows::Rows;
pub use signature::{ColumnType, InputColumn, OutputColumn, Signature};
pub use split::{Part, assign, assign_beside_test};
pub use store::Store;
pub use stream::{Source, prepare_stream};
pub use target::{Answer, Chat, FittedTarget, Label, Prediction, Targets, distance};
pub use text::FittedTokenizer;
pub use transform::FittedInput;
pub use window::FittedSeries;
