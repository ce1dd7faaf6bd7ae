//! Statistics of a column, and seeded random draws.

mod draw;
mod moments;
mod quantile;
mod sketch;

pub use self::draw::{draw, permutation, unit};
pub(crate) use self::moments::Moments;
pub(crate) use self::quantile::{median, quantile};
pub(crate) use self::sketch::Sketch;
