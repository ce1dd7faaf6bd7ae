//! Cross-validation: a run for each fold, their scores, their predictions of the rows that they have not seen, and their
//! average as one package.
//!
//! A [`CvJob`] keeps its runs in a home of its own, `cv/NAME-KEY` in the home folder, whose key is the digest of config, data
//! and folds. The same job therefore goes on where it was stopped or killed, and more repeats reuse the folds that are done.

mod folds;
mod job;
mod nested;
mod outcome;
mod predictions;
mod publish;

pub use self::job::{CvJob, CvOutcome};
pub use self::outcome::{CrossValidation, FoldMetric, FoldScore};
