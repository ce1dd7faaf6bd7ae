//! Random forests (Breiman 2001): trees on resampled rows, each split among a few random columns.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cupola_prep::{Examples, Targets};
use cupola_spec::Bagging;
use serde::{Deserialize, Serialize};
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::columns::{by_column, check, expect, one_of_many, question, width_of};
use crate::error::Error;

/// Trees that one thread grows at once. Their seeds follow from their place, so the forest does not depend
/// on the number of threads.
const CLUMP: usize = 8;
/// Keeps a logarithm finite.
const TINY: f64 = 1e-6;

type Clump = RandomForestRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>;

/// Fitted forests.
#[derive(Serialize, Deserialize)]
pub struct Forest {
    /// Columns that the trees split.
    columns: usize,
    /// One for each output.
    outputs: Vec<Output>,
    /// Outputs of each target.
    widths: Vec<usize>,
}

/// The trees that answer one question.
#[derive(Serialize, Deserialize)]
struct Output {
    /// Whether it is whether a row is of a class.
    class: bool,
    clumps: Vec<Grown>,
}

#[derive(Serialize, Deserialize)]
struct Grown {
    trees: usize,
    forest: Clump,
}

impl Forest {
    /// Grows trees on training examples; targets, `seed` and `told` as for boosted trees. The trees of a
    /// class answer with the share of its rows among those of a leaf (Malley et al. 2012).
    ///
    /// # Errors
    /// [`Error::Block`] for texts, [`Error::Grow`] for what the library refuses.
    pub fn fit(
        spec: &Bagging,
        examples: &Examples,
        targets: &[(&Targets, usize)],
        seed: u64,
        told: &mut dyn FnMut(usize),
    ) -> Result<Self, Error> {
        check(examples)?;
        let columns = width_of(examples);
        let matrix = matrix(examples)?;
        let mut outputs = Vec::new();
        for &(targets, width) in targets {
            for output in 0..width {
                let (class, y) = question(targets, width, output);
                let clumps = grow(spec, &matrix, &y, features(spec, columns, class), seed)?;
                outputs.push(Output { class, clumps });
                told(outputs.len());
            }
        }
        Ok(Self { columns, outputs, widths: targets.iter().map(|&(_, width)| width).collect() })
    }

    /// Number of trees of all outputs.
    pub fn trees(&self) -> usize {
        self.outputs.iter().flat_map(|output| &output.clumps).map(|clump| clump.trees).sum()
    }

    /// Number of outputs.
    pub fn width(&self) -> usize {
        self.outputs.len()
    }

    /// Logits `[rows, width]` in row-major order, or standardised numbers.
    ///
    /// # Errors
    /// [`Error::Columns`] when the examples are not those of the fit.
    #[allow(clippy::cast_possible_truncation)]
    pub fn logits(&self, examples: &Examples) -> Result<Vec<f32>, Error> {
        expect(self.columns, examples)?;
        let matrix = matrix(examples)?;
        let many = one_of_many(&self.widths);
        let mut logits = vec![0.0; examples.rows * self.outputs.len()];
        for ((at, output), many) in self.outputs.iter().enumerate().zip(many) {
            let answers = output.answers(&matrix, examples.rows)?;
            for (row, answer) in answers.into_iter().enumerate() {
                logits[row * self.outputs.len() + at] = logit(answer, output.class, many) as f32;
            }
        }
        Ok(logits)
    }
}

impl Output {
    /// The mean of all trees for each row.
    fn answers(&self, matrix: &DenseMatrix<f64>, rows: usize) -> Result<Vec<f64>, Error> {
        let mut sum = vec![0.0; rows];
        let mut trees = 0;
        for Grown { trees: own, forest } in &self.clumps {
            let answers = forest.predict(matrix).map_err(|error| Error::Grow { why: error.to_string() })?;
            sum.iter_mut().zip(answers).for_each(|(sum, answer)| *sum += answer * *own as f64);
            trees += own;
        }
        Ok(sum.into_iter().map(|sum| sum / trees.max(1) as f64).collect())
    }
}

/// What softmax (of several classes) or the sigmoid turns back into the probability.
fn logit(answer: f64, class: bool, many: bool) -> f64 {
    let p = answer.clamp(TINY, 1.0 - TINY);
    match (class, many) {
        (false, _) => answer,
        (true, true) => p.ln(),
        (true, false) => (p / (1.0 - p)).ln(),
    }
}

/// Columns that each split looks at: the root of their number for a class, a third for a number
/// (Breiman's defaults), or the share that is asked for.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn features(spec: &Bagging, columns: usize, class: bool) -> usize {
    let all = columns as f64;
    let wanted = match spec.features {
        Some(share) => share * all,
        None if class => all.sqrt(),
        None => all / 3.0,
    };
    (wanted.round() as usize).clamp(1, columns.max(1))
}

fn grow(
    spec: &Bagging,
    matrix: &DenseMatrix<f64>,
    y: &Vec<f64>,
    features: usize,
    seed: u64,
) -> Result<Vec<Grown>, Error> {
    let count = spec.trees.div_ceil(CLUMP);
    let (next, grown) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            let trees = CLUMP.min(spec.trees - index * CLUMP);
            let parameters = RandomForestRegressorParameters {
                max_depth: spec.depth,
                min_samples_leaf: spec.leaf,
                min_samples_split: 2 * spec.leaf,
                n_trees: trees,
                m: Some(features),
                keep_samples: false,
                seed: seed.wrapping_add(index as u64),
            };
            let forest = std::panic::catch_unwind(|| Clump::fit(matrix, y, parameters));
            let forest = forest.map_err(|_| "the library panicked".to_owned());
            let forest = forest.and_then(|forest| forest.map_err(|error| error.to_string()));
            if let Ok(mut grown) = grown.lock() {
                grown.push((index, forest.map(|forest| Grown { trees, forest })));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count.max(1));
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let mut grown = grown.into_inner().unwrap_or_default();
    grown.sort_by_key(|(index, _)| *index);
    grown.into_iter().map(|(_, forest)| forest.map_err(|why| Error::Grow { why })).collect()
}

fn matrix(examples: &Examples) -> Result<DenseMatrix<f64>, Error> {
    let (rows, columns) = (examples.rows, width_of(examples));
    DenseMatrix::new(rows, columns, by_column(examples), true)
        .map_err(|error| Error::Grow { why: error.to_string() })
}

#[cfg(test)]
mod tests;
