//! Gradient-boosted trees: one ensemble for a number or two classes, one per class for more classes.

use cupola_prep::Examples;
use cupola_spec::Boosting;
use perpetual::objective::Objective;
use perpetual::{Matrix, PerpetualBooster};
use serde::{Deserialize, Serialize};

use crate::columns::{by_column, check_width, is_multiclass, output_targets, reject_text, width_of};
use crate::error::Error;
use crate::{Progress, TreesTarget};

/// Trees without improvement after which growing ends.
const STOPPING_ROUNDS: usize = 20;
/// Smallest probability whose logarithm is taken.
const MIN_PROBABILITY: f64 = 1e-12;

/// Fitted boosted trees.
#[derive(Clone, Serialize, Deserialize)]
pub struct Boosted {
    /// Number of input columns: numbers, encodings, then indices.
    pub(crate) columns: usize,
    /// One ensemble per output.
    pub(crate) ensembles: Vec<PerpetualBooster>,
    /// Number of outputs of each target; empty in files of a single target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) widths: Vec<usize>,
}

impl Boosted {
    /// Fits one ensemble per output on training examples. `progress` receives the number of fitted
    /// ensembles.
    ///
    /// # Errors
    /// [`Error::Block`] for text inputs, [`Error::Fit`] for an error of the library, [`Error::Stopped`] if `progress`
    /// breaks before the last ensemble.
    pub fn fit(
        spec: &Boosting,
        examples: &Examples,
        targets: &[TreesTarget<'_>],
        seed: u64,
        progress: &mut Progress<'_>,
    ) -> Result<Self, Error> {
        reject_text(examples)?;
        let (values, columns) = (by_column(examples), width_of(examples));
        let matrix = Matrix::new(&values, examples.rows, columns);
        let mut ensembles = Vec::new();
        let outputs = targets.iter().flat_map(|target| (0..target.width).map(move |output| (target, output)));
        for (target, output) in outputs {
            if progress(ensembles.len()).is_break() {
                return Err(Error::Stopped);
            }
            let (class, y) = output_targets(target.targets, target.width, output);
            let objective = match target.quantile {
                _ if class => Objective::LogLoss,
                None => Objective::SquaredLoss,
                quantile => Objective::QuantileLoss { quantile },
            };
            ensembles.push(fit_output(spec, &matrix, &y, objective, seed)?);
        }
        let _ = progress(ensembles.len());
        let widths = targets.iter().map(|target| target.width).collect();
        Ok(Self { columns, ensembles, widths })
    }

    /// For each ensemble, `true` if it scores one of several classes.
    fn is_multiclass(&self) -> Vec<bool> {
        if self.widths.is_empty() {
            return vec![self.ensembles.len() > 1; self.ensembles.len()];
        }
        is_multiclass(&self.widths)
    }

    /// Number of trees in all ensembles.
    pub fn trees(&self) -> usize {
        self.ensembles.iter().map(|booster| booster.get_prediction_trees().len()).sum()
    }

    /// Number of outputs.
    pub fn width(&self) -> usize {
        self.ensembles.len()
    }

    /// Logits, or standardised numbers for a regression: `[rows, width]`, row-major.
    ///
    /// # Errors
    /// [`Error::Columns`] if the examples have other columns than those of the fit.
    #[allow(clippy::cast_possible_truncation)]
    pub fn logits(&self, examples: &Examples) -> Result<Vec<f32>, Error> {
        check_width(self.columns, examples)?;
        let values = by_column(examples);
        let matrix = Matrix::new(&values, examples.rows, self.columns);
        // A few rows are faster on one thread.
        let parallel = examples.rows > 256;
        let each: Vec<Vec<f64>> =
            self.ensembles.iter().map(|booster| booster.predict(&matrix, parallel)).collect();
        // The ensembles of several classes are one-against-rest; the softmax of the logarithms of
        // their probabilities normalises them.
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let multiclass = self.is_multiclass();
        let logit = |scores: &Vec<f64>, multiclass: bool, row: usize| {
            if multiclass {
                sigmoid(scores[row]).max(MIN_PROBABILITY).ln() as f32
            } else {
                scores[row] as f32
            }
        };
        let logit = &logit;
        Ok((0..examples.rows)
            .flat_map(|row| each.iter().zip(&multiclass).map(move |(scores, many)| logit(scores, *many, row)))
            .collect())
    }
}

/// Fits the ensemble of one output: the log odds of a class, a number or a quantile of it.
fn fit_output(
    spec: &Boosting,
    matrix: &Matrix<'_, f64>,
    y: &[f64],
    objective: Objective,
    seed: u64,
) -> Result<PerpetualBooster, Error> {
    let class = matches!(objective, Objective::LogLoss);
    #[allow(clippy::cast_possible_truncation)]
    let booster = PerpetualBooster::default()
        .set_objective(objective)
        .set_budget(spec.budget as f32)
        .set_max_bin(spec.bins)
        .set_iteration_limit(spec.trees)
        .set_stopping_rounds(Some(STOPPING_ROUNDS))
        .set_seed(seed);
    let fitted = fit_ensemble(booster.clone(), matrix, y, None);
    if class || fitted.as_ref().is_ok_and(|fitted| !has_empty_leaf(fitted)) {
        return fitted;
    }
    // perpetual 3.0.0-rc.2 decides at the first tree whether Hessians are constant. Its robust loss of
    // small tables may begin or end later: sums of Hessians are zero then, and the values of leaves are
    // gradients divided by 1e-8. With weights it sums Hessians in every tree.
    fit_ensemble(booster, matrix, y, Some(&vec![1.0; y.len()]))
}

/// Fits one ensemble; a panic of the library is an error.
fn fit_ensemble(
    mut booster: PerpetualBooster,
    matrix: &Matrix<'_, f64>,
    y: &[f64],
    weights: Option<&[f64]>,
) -> Result<PerpetualBooster, Error> {
    let fit = std::panic::AssertUnwindSafe(|| booster.fit(matrix, y, weights, None));
    match std::panic::catch_unwind(fit) {
        Ok(Ok(())) => Ok(booster),
        Ok(Err(error)) => Err(Error::Fit { reason: error.to_string() }),
        Err(_) => Err(Error::Fit { reason: "perpetual panicked".into() }),
    }
}

/// `true` if a leaf is as large as if no row had reached it.
fn has_empty_leaf(booster: &PerpetualBooster) -> bool {
    let nodes = booster.get_prediction_trees().iter().flat_map(|tree| tree.nodes.values());
    nodes.filter(|node| node.is_leaf).any(|node| node.hessian_sum <= 0.0)
}

#[cfg(test)]
mod tests;
