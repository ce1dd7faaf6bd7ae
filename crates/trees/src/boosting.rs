//! Histogram gradient boosting with leaf-wise growth (Friedman 2001; Chen and Guestrin 2016; Ke et al. 2017).
//!
//! Values are put in at most 256 bins ([`bins`], [`matrix`]). Each round takes the gradients of the loss ([`objective`], [`ranking`]),
//! sums them by bin ([`histogram`]), and grows one tree for each output ([`grower`]) by the best splits ([`split`]). The
//! result is the same for any number of threads.

mod bins;
mod grower;
mod histogram;
mod matrix;
mod objective;
mod options;
mod ranking;
mod rounds;
mod sampling;
mod split;

pub(crate) use self::bins::ColumnBins;
pub(crate) use self::grower::BinTree;
pub(crate) use self::matrix::{BinnedMatrix, Table};
pub use self::objective::BoostObjective;
pub(crate) use self::objective::Labels;
pub use self::options::BoostOptions;
pub(crate) use self::ranking::RowGroups;
pub(crate) use self::rounds::{BoostRows, boost};
pub(crate) use self::split::BinRuleSplit;

#[cfg(test)]
mod tests;
