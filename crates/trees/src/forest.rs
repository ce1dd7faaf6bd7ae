//! Random forests (Breiman 2001): trees on resampled rows, each split among a few random columns.

mod plain;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use cupola_prep::{Examples, Targets};
use cupola_spec::Bagging;
use serde::{Deserialize, Serialize};
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::Progress;
use crate::columns::{by_column, check_width, is_multiclass, output_targets, reject_text, width_of};
use crate::error::Error;

/// Trees that one thread fits at a time. The seed follows from the group's index, so the forest does
/// not depend on the number of threads.
const GROUP_SIZE: usize = 8;
/// Distance of probabilities from 0 and 1, so that logits are finite.
const MIN_PROBABILITY: f64 = 1e-6;

type Regressor = RandomForestRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>;

/// Fitted forests.
#[derive(Serialize, Deserialize)]
pub struct Forest {
    /// Number of input columns.
    columns: usize,
    /// One forest per output.
    outputs: Vec<Output>,
    /// Number of outputs of each target.
    widths: Vec<usize>,
}

/// The forest of one output.
#[derive(Serialize, Deserialize)]
struct Output {
    /// `true` for a class, whose forest predicts its probability.
    class: bool,
    groups: Vec<TreeGroup>,
}

#[derive(Serialize, Deserialize)]
struct TreeGroup {
    trees: usize,
    forest: Regressor,
}

impl Forest {
    /// Fits one forest per output; parameters as for [`Boosted::fit`](crate::Boosted::fit). The trees
    /// of a class predict its share of the rows in a leaf (Malley et al. 2012).
    ///
    /// # Errors
    /// [`Error::Block`] for text inputs, [`Error::Fit`] for an error of the library, [`Error::Stopped`] if `progress`
    /// breaks before the last tree.
    pub fn fit(
        spec: &Bagging,
        examples: &Examples,
        targets: &[(&Targets, usize)],
        seed: u64,
        progress: &mut Progress<'_>,
    ) -> Result<Self, Error> {
        reject_text(examples)?;
        let columns = width_of(examples);
        let matrix = matrix(examples)?;
        let mut outputs = Vec::new();
        for &(targets, width) in targets {
            for output in 0..width {
                let (class, y) = output_targets(targets, width, output);
                let features = features(spec, columns, class);
                let groups = fit_groups(spec, &matrix, &y, features, seed, &mut || progress(outputs.len()))?;
                outputs.push(Output { class, groups });
            }
        }
        let _ = progress(outputs.len());
        Ok(Self { columns, outputs, widths: targets.iter().map(|&(_, width)| width).collect() })
    }

    /// Number of trees in all forests.
    pub fn trees(&self) -> usize {
        self.outputs.iter().flat_map(|output| &output.groups).map(|group| group.trees).sum()
    }

    /// Number of outputs.
    pub fn width(&self) -> usize {
        self.outputs.len()
    }

    /// Logits, or standardised numbers for a regression: `[rows, width]`, row-major.
    ///
    /// # Errors
    /// [`Error::Columns`] if the examples have other columns than those of the fit.
    #[allow(clippy::cast_possible_truncation)]
    pub fn logits(&self, examples: &Examples) -> Result<Vec<f32>, Error> {
        check_width(self.columns, examples)?;
        let matrix = matrix(examples)?;
        let multiclass = is_multiclass(&self.widths);
        let mut logits = vec![0.0; examples.rows * self.outputs.len()];
        for ((at, output), multiclass) in self.outputs.iter().enumerate().zip(multiclass) {
            let predictions = output.predict(&matrix, examples.rows)?;
            for (row, prediction) in predictions.into_iter().enumerate() {
                logits[row * self.outputs.len() + at] = logit(prediction, output.class, multiclass) as f32;
            }
        }
        Ok(logits)
    }
}

impl Output {
    /// Mean of all trees for each row.
    fn predict(&self, matrix: &DenseMatrix<f64>, rows: usize) -> Result<Vec<f64>, Error> {
        let mut sum = vec![0.0; rows];
        let mut trees = 0;
        for TreeGroup { trees: count, forest } in &self.groups {
            let predictions =
                forest.predict(matrix).map_err(|error| Error::Fit { reason: error.to_string() })?;
            sum.iter_mut().zip(predictions).for_each(|(sum, prediction)| *sum += prediction * *count as f64);
            trees += count;
        }
        Ok(sum.into_iter().map(|sum| sum / trees.max(1) as f64).collect())
    }
}

/// Inverse of the softmax (several classes) or the sigmoid; the prediction itself for a number.
fn logit(prediction: f64, class: bool, multiclass: bool) -> f64 {
    let p = prediction.clamp(MIN_PROBABILITY, 1.0 - MIN_PROBABILITY);
    match (class, multiclass) {
        (false, _) => prediction,
        (true, true) => p.ln(),
        (true, false) => (p / (1.0 - p)).ln(),
    }
}

/// Number of columns tried per split: the configured share, or Breiman's defaults (square root of
/// all columns for a class, a third for a number).
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn features(spec: &Bagging, columns: usize, class: bool) -> usize {
    let all = columns as f64;
    let count = match spec.features {
        Some(share) => share * all,
        None if class => all.sqrt(),
        None => all / 3.0,
    };
    (count.round() as usize).clamp(1, columns.max(1))
}

fn fit_groups(
    spec: &Bagging,
    matrix: &DenseMatrix<f64>,
    y: &Vec<f64>,
    features: usize,
    seed: u64,
    progress: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Vec<TreeGroup>, Error> {
    let count = spec.trees.div_ceil(GROUP_SIZE);
    let next = AtomicUsize::new(0);
    let work = |done: mpsc::Sender<_>| {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            let trees = GROUP_SIZE.min(spec.trees - index * GROUP_SIZE);
            let parameters = RandomForestRegressorParameters {
                max_depth: spec.depth,
                min_samples_leaf: spec.leaf,
                min_samples_split: 2 * spec.leaf,
                n_trees: trees,
                m: Some(features),
                keep_samples: false,
                seed: seed.wrapping_add(index as u64),
            };
            let forest = std::panic::catch_unwind(|| Regressor::fit(matrix, y, parameters));
            let forest = forest.map_err(|_| "smartcore panicked".to_owned());
            let forest = forest.and_then(|forest| forest.map_err(|error| error.to_string()));
            if done.send((index, forest.map(|forest| TreeGroup { trees, forest }))).is_err() {
                break;
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count.max(1));
    let mut fitted = Vec::with_capacity(count);
    let grown = std::thread::scope(|scope| {
        let (done, groups) = mpsc::channel();
        let work = &work;
        for _ in 0..threads {
            let done: mpsc::Sender<_> = done.clone();
            scope.spawn(move || work(done));
        }
        drop(done);
        for group in groups {
            fitted.push(group);
            // No further group begins then: a thread ends with the one that it grows.
            if progress().is_break() && fitted.len() < count {
                return Err(Error::Stopped);
            }
        }
        Ok(())
    });
    grown?;
    fitted.sort_by_key(|(index, _)| *index);
    fitted.into_iter().map(|(_, forest)| forest.map_err(|reason| Error::Fit { reason })).collect()
}

fn matrix(examples: &Examples) -> Result<DenseMatrix<f64>, Error> {
    let (rows, columns) = (examples.rows, width_of(examples));
    DenseMatrix::new(rows, columns, by_column(examples), true)
        .map_err(|error| Error::Fit { reason: error.to_string() })
}

#[cfg(test)]
mod tests;
