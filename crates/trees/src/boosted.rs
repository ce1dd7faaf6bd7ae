//! Gradient-boosted trees: one ensemble for a number or two classes, one for each of more classes.

use cupola_prep::{Examples, Targets};
use cupola_spec::Boosting;
use perpetual::objective::Objective;
use perpetual::{Matrix, PerpetualBooster};
use serde::{Deserialize, Serialize};

use crate::columns::{by_column, check, expect, one_of_many, question, width_of};
use crate::error::Error;

/// Trees without improvement before growing ends.
const STOPPING_ROUNDS: usize = 20;
/// Keeps a logarithm finite.
const TINY: f64 = 1e-12;

/// Fitted ensembles.
#[derive(Clone, Serialize, Deserialize)]
pub struct Boosted {
    /// Columns that the trees split: numbers, encodings, then indices.
    pub(crate) columns: usize,
    /// One for each output.
    pub(crate) ensembles: Vec<PerpetualBooster>,
    /// Outputs of each of several targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) widths: Vec<usize>,
}

impl Boosted {
    /// Grows trees on training examples. Each target comes with its width: 1 for a number and for two
    /// classes. `told` hears how many of the ensembles are done.
    ///
    /// # Errors
    /// [`Error::Block`] for texts, [`Error::Grow`] for what the library refuses.
    pub fn fit(
        spec: &Boosting,
        examples: &Examples,
        targets: &[(&Targets, usize)],
        seed: u64,
        told: &mut dyn FnMut(usize),
    ) -> Result<Self, Error> {
        check(examples)?;
        let (values, columns) = (by_column(examples), width_of(examples));
        let matrix = Matrix::new(&values, examples.rows, columns);
        let mut ensembles = Vec::new();
        let outputs =
            targets.iter().flat_map(|&(targets, width)| (0..width).map(move |o| (targets, width, o)));
        for (targets, width, output) in outputs {
            let (class, y) = question(targets, width, output);
            let objective = if class { Objective::LogLoss } else { Objective::SquaredLoss };
            #[allow(clippy::cast_possible_truncation)]
            let mut booster = PerpetualBooster::default()
                .set_objective(objective)
                .set_budget(spec.budget as f32)
                .set_max_bin(spec.bins)
                .set_iteration_limit(spec.trees)
                .set_stopping_rounds(Some(STOPPING_ROUNDS))
                .set_seed(seed);
            let grow = std::panic::AssertUnwindSafe(|| booster.fit(&matrix, &y, None, None));
            let fail = |why: String| Error::Grow { why };
            match std::panic::catch_unwind(grow) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(fail(error.to_string())),
                Err(_) => return Err(fail("the library panicked".into())),
            }
            ensembles.push(booster);
            told(ensembles.len());
        }
        let widths = targets.iter().map(|&(_, width)| width).collect();
        Ok(Self { columns, ensembles, widths })
    }

    /// For each ensemble, whether it stands for one of several classes.
    fn one_of_many(&self) -> Vec<bool> {
        if self.widths.is_empty() {
            return vec![self.ensembles.len() > 1; self.ensembles.len()];
        }
        one_of_many(&self.widths)
    }

    /// Number of trees of all ensembles.
    pub fn trees(&self) -> usize {
        self.ensembles.iter().map(|booster| booster.get_prediction_trees().len()).sum()
    }

    /// Number of outputs.
    pub fn width(&self) -> usize {
        self.ensembles.len()
    }

    /// Logits `[rows, width]` in row-major order, or standardised numbers.
    ///
    /// # Errors
    /// [`Error::Columns`] when the examples are not those of the fit.
    #[allow(clippy::cast_possible_truncation)]
    pub fn logits(&self, examples: &Examples) -> Result<Vec<f32>, Error> {
        expect(self.columns, examples)?;
        let values = by_column(examples);
        let matrix = Matrix::new(&values, examples.rows, self.columns);
        // A few rows are faster without a pool of threads.
        let parallel = examples.rows > 256;
        let each: Vec<Vec<f64>> =
            self.ensembles.iter().map(|booster| booster.predict(&matrix, parallel)).collect();
        // Each ensemble of several classes asks "this class or another?"; softmax of the logarithms
        // makes the answers sum to one.
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let one_of_many = self.one_of_many();
        let logit = |of: &Vec<f64>, many: bool, row: usize| {
            if many { sigmoid(of[row]).max(TINY).ln() as f32 } else { of[row] as f32 }
        };
        let logit = &logit;
        Ok((0..examples.rows)
            .flat_map(|row| each.iter().zip(&one_of_many).map(move |(of, many)| logit(of, *many, row)))
            .collect())
    }
}

#[cfg(test)]
mod tests;
