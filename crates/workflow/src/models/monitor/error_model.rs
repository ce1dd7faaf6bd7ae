//! Model of the errors of another model, for estimates of a regression before its targets are known.

mod steps;

use std::ops::ControlFlow;

use cupola_monitor::performance::{ErrorKind, ErrorRows};
use cupola_prep::{Examples, Targets};
use cupola_spec::{Block, Boosting, TreesSpec};
use cupola_trees::{Trees, TreesRows, TreesTarget};
use indexmap::IndexMap;

use crate::error::Error;

/// Rounds of boosting; `NannyML` leaves `LightGBM` at its default, which is the same.
const ROUNDS: usize = 100;
/// Seed of the fit.
const SEED: u64 = 0;
/// Kinds of errors, each of which has an output.
const KINDS: [ErrorKind; 4] =
    [ErrorKind::Absolute, ErrorKind::Relative, ErrorKind::Squared, ErrorKind::SquaredLog];

/// Boosted trees that expect the errors of a regression from its inputs and its prediction, as the second model of direct
/// loss estimation.
#[derive(Debug, Clone)]
pub struct ErrorModel {
    trees: Trees,
    /// Kind and mean error of each output. The trees are fitted to errors in units of the mean, so that single precision
    /// suffices.
    outputs: Vec<(ErrorKind, f64)>,
    /// `true` if the inputs are features beside the prediction.
    has_inputs: bool,
}

impl ErrorModel {
    /// Fits the errors of rows with a target and a prediction. `inputs` are the examples of all rows. Kinds of errors that a
    /// row does not have, such as the logarithm of a negative number, are left out.
    ///
    /// # Errors
    /// [`cupola_monitor::Error::NoReferenceTargets`] without such a row; inputs that trees do not take.
    pub fn fit(inputs: Option<&Examples>, rows: &ErrorRows) -> Result<Self, Error> {
        let known = known_rows(rows);
        if known.is_empty() {
            return Err(cupola_monitor::Error::NoReferenceTargets.into());
        }
        let predicted: Vec<f64> = known.iter().map(|(row, _)| rows.predicted[*row]).collect();
        let indices: Vec<usize> = known.iter().map(|(row, _)| *row).collect();
        let inputs = inputs.map(|inputs| inputs.gather(&indices));
        let features = features(inputs.as_ref(), &predicted);
        let mut outputs = Vec::new();
        let mut targets = Vec::new();
        for kind in KINDS {
            let errors: Vec<f64> =
                known.iter().map(|(row, target)| kind.of_row(*target, rows.predicted[*row])).collect();
            let mean = errors.iter().sum::<f64>() / errors.len() as f64;
            if errors.iter().all(|error| error.is_finite()) && mean.is_finite() {
                let unit = if mean > 0.0 { mean } else { 1.0 };
                outputs.push((kind, unit));
                targets.push(Targets::Number(errors.iter().map(|error| single(error / unit)).collect()));
            }
        }
        let targets: Vec<TreesTarget<'_>> = targets.iter().map(|targets| (targets, 1).into()).collect();
        let spec = TreesSpec::Boosted(Boosting { rounds: Some(ROUNDS), ..Boosting::default() });
        let rows = TreesRows { train: &features, valid: None, monotone: &[] };
        let trees = Trees::fit(&spec, rows, &targets, SEED, &mut |_| ControlFlow::Continue(()))?;
        Ok(Self { trees, outputs, has_inputs: inputs.is_some() })
    }

    /// `true` if it expects errors from the inputs too, not from the prediction alone.
    pub fn has_inputs(&self) -> bool {
        self.has_inputs
    }

    /// Expected errors of each row by kind. `inputs` are the examples of all rows, in the layout of the fit.
    ///
    /// # Errors
    /// Examples of another layout than those of the fit.
    pub fn expect(
        &self,
        inputs: Option<&Examples>,
        predicted: &[f64],
    ) -> Result<IndexMap<ErrorKind, Vec<f64>>, Error> {
        let features = features(inputs.filter(|_| self.has_inputs), predicted);
        let errors = self.trees.logits(&features)?;
        let of_output = |(at, (kind, unit)): (usize, &(ErrorKind, f64))| {
            let own = errors.iter().skip(at).step_by(self.outputs.len());
            (*kind, own.map(|error| f64::from(*error) * unit).collect())
        };
        Ok(self.outputs.iter().enumerate().map(of_output).collect())
    }
}

/// Rows with a target and a prediction, and their targets.
fn known_rows(rows: &ErrorRows) -> Vec<(usize, f64)> {
    let targets = rows.targets.iter().zip(&rows.predicted).enumerate();
    let known = targets.filter_map(|(row, (target, predicted))| {
        target.filter(|target| target.is_finite() && predicted.is_finite()).map(|target| (row, target))
    });
    known.collect()
}

/// The inputs with the prediction as a further number.
fn features(inputs: Option<&Examples>, predicted: &[f64]) -> Examples {
    let prediction = Block::Table { numbers: 1, encoded: 0, indices: Vec::new() };
    let empty = Examples::zeros(cupola_prep::Layout { blocks: Vec::new() }, predicted.len());
    let inputs = inputs.unwrap_or(&empty);
    let width = inputs.layout.dense_width();
    let mut layout = inputs.layout.clone();
    layout.blocks.push(prediction);
    let mut dense = Vec::with_capacity(predicted.len() * (width + 1));
    for (row, predicted) in predicted.iter().enumerate() {
        dense.extend_from_slice(&inputs.dense[row * width..(row + 1) * width]);
        dense.push(single(*predicted));
    }
    Examples { layout, rows: predicted.len(), dense, indices: inputs.indices.clone() }
}

#[allow(clippy::cast_possible_truncation, reason = "trees split numbers of single precision")]
fn single(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use cupola_monitor::performance::{Chunking, Dle};
    use cupola_prep::Layout;

    use super::*;

    /// Rows whose errors are uniform up to 1, and up to `noise` where the input is above 0.5. `from` and `to` are the range
    /// of the input.
    fn rows(count: usize, (from, to): (f64, f64), noise: f64) -> (Examples, ErrorRows) {
        let layout = Layout { blocks: vec![Block::Table { numbers: 2, encoded: 0, indices: vec![3] }] };
        let mut inputs = Examples::zeros(layout, count);
        let mut rows = ErrorRows::default();
        for row in 0..count {
            let x = from + (to - from) * (row as f64 * 0.618_034).fract();
            let other = (row as f64 * 0.414_214).fract();
            let error = (2.0 * (row as f64 * 0.732_051).fract() - 1.0) * if x > 0.5 { noise } else { 1.0 };
            inputs.dense[2 * row] = single(x);
            inputs.dense[2 * row + 1] = single(other);
            inputs.indices[row] = i32::try_from(row % 3).unwrap();
            rows.predicted.push(10.0 * other);
            rows.targets.push(Some(10.0 * other + error));
        }
        (inputs, rows)
    }

    /// Estimated mean absolute errors where the input is small and where it is large, and the true one of the latter.
    fn estimates(with_inputs: bool) -> [f64; 3] {
        let chunks = |count| Chunking::Count(4).split(count, None).unwrap();
        let (inputs, reference) = rows(4000, (0.0, 1.0), 2.0);
        let model = ErrorModel::fit(Some(&inputs).filter(|_| with_inputs), &reference).unwrap();
        let dle = Dle::fit(&reference, &chunks(4000)).unwrap();
        let mean = |range: (f64, f64)| {
            let (inputs, mut rows) = rows(2000, range, 2.0);
            let pairs = rows.targets.iter().zip(&rows.predicted);
            let realised = pairs.map(|(target, own)| (target.unwrap() - own).abs()).sum::<f64>() / 2000.0;
            rows.targets.fill(None);
            rows.expected = model.expect(Some(&inputs).filter(|_| with_inputs), &rows.predicted).unwrap();
            let found = dle.estimate(&rows, &chunks(2000)).unwrap();
            let mae = found.iter().map(|chunk| chunk.metrics["mae"].estimate.unwrap()).sum::<f64>() / 4.0;
            assert!(found.iter().all(|chunk| chunk.metrics["rmse"].estimate.unwrap() >= 0.9 * mae));
            (mae, realised)
        };
        let (noisy, realised) = mean((0.5, 1.0));
        [mean((0.0, 0.5)).0, noisy, realised]
    }

    #[test]
    fn an_estimate_doubles_where_the_noise_does() {
        let [quiet, noisy, realised] = estimates(true);
        assert!((0.45..0.55).contains(&quiet) && (0.9..1.1).contains(&noisy), "{quiet} {noisy}");
        assert!((noisy - realised).abs() < 0.1, "{noisy} {realised}");
        // The prediction alone does not tell the noise here.
        let [quiet, noisy, _] = estimates(false);
        assert!((quiet - noisy).abs() < 0.1, "{quiet} {noisy}");
    }

    #[test]
    fn kinds_without_a_value_are_left_out() {
        let (inputs, mut reference) = rows(100, (0.0, 1.0), 2.0);
        reference.targets[0] = Some(-9.0);
        reference.targets[1] = None;
        reference.predicted[2] = f64::NAN;
        let model = ErrorModel::fit(Some(&inputs), &reference).unwrap();
        let found = model.expect(Some(&inputs), &reference.predicted).unwrap();
        let kinds: Vec<ErrorKind> = found.keys().copied().collect();
        assert_eq!(kinds, [ErrorKind::Absolute, ErrorKind::Relative, ErrorKind::Squared]);
        assert!(found.values().all(|errors| errors.len() == 100));
        reference.targets.fill(None);
        assert!(ErrorModel::fit(None, &reference).is_err());
    }
}
