//! Linear layers that start from training rows (Holzmüller et al. 2024, C.1).

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Tensor, TensorData};
use cupola_spec::Init;

use super::Network;
use super::head::HeadModule;
use crate::error::Error;
use crate::input::InputBatch;
use crate::layers::{Hidden, LayerModule};
use crate::weights::{RandomWeights, WeightSource};

/// Number of rows that the bias of a neuron is mixed from.
const MIXED_ROWS: usize = 5;
/// Deviation below which an output counts as constant on the rows.
const CONSTANT: f64 = 1e-12;

impl Network {
    /// Draws the linear layers of trunk and head anew from the rows of `input`, layer by layer. The weights are normal,
    /// scaled so that each output of the rows has a deviation of 1. Each bias is minus a random convex combination of
    /// the outputs of five rows (`he+5`). Layers within a residual block keep their weights.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub fn start_from_rows(mut self, input: &InputBatch, seed: u64) -> Result<Self, Error> {
        let mut draws = RandomWeights { seed };
        let mut x = detached(self.enter(input));
        for (index, layer) in self.trunk.iter_mut().enumerate() {
            match (&mut *layer, &x) {
                (LayerModule::Linear(linear), Hidden::Flat(rows)) => {
                    start(linear, rows, &format!("trunk.{index}"), &mut draws)?;
                }
                // Dropout would act on an autodiff device.
                (LayerModule::Dropout(_), _) => continue,
                _ => {}
            }
            x = detached(layer.forward(x));
        }
        if let (HeadModule::Vector(linear), Hidden::Flat(rows)) = (&mut self.head, &x) {
            start(linear, rows, "head", &mut draws)?;
        }
        Ok(self)
    }
}

/// Cuts the values off the graph.
fn detached(x: Hidden) -> Hidden {
    match x {
        Hidden::Flat(x) => Hidden::Flat(x.detach()),
        Hidden::Sequence(x, mask) => Hidden::Sequence(x.detach(), mask),
        Hidden::Image(x) => Hidden::Image(x.detach()),
    }
}

/// Draws weights and bias of a linear layer for the rows `x` `[rows, in]`.
#[allow(clippy::cast_possible_truncation, reason = "weights are in single precision")]
fn start(linear: &mut Linear, x: &Tensor<2>, name: &str, draws: &mut RandomWeights) -> Result<(), Error> {
    let [input, output] = linear.weight.val().dims();
    let device = x.device();
    let mut draw =
        |part: &str, shape: &[usize], init| draws.take(&format!("{name}.{part}.start"), shape, init);
    let mut weights = draw("weight", &[input, output], Init::Normal { deviation: 1.0 })?;
    let tensor = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [input, output]), &device);
    let outputs = x.clone().matmul(tensor(weights.clone()));
    let fail = |why: String| Error::Device { device: "of the network".into(), why };
    let outputs = outputs.try_into_vec_as::<f32>().map_err(|error| fail(error.to_string()))?;
    let column = |unit: usize| -> Vec<f64> {
        outputs.iter().skip(unit).step_by(output).map(|y| f64::from(*y)).collect()
    };
    let factors: Vec<f64> = (0..output).map(|unit| factor(&column(unit), input)).collect();
    for (index, weight) in weights.iter_mut().enumerate() {
        *weight = (f64::from(*weight) * factors[index % output]) as f32;
    }
    let ids = (linear.weight.id, linear.bias.as_ref().map(|bias| bias.id));
    let trained = device.is_autodiff();
    linear.weight = Param::initialized(ids.0, tensor(weights).set_require_grad(trained));
    if let Some(id) = ids.1 {
        // Values in -1..1.
        let places = draw("rows", &[output, MIXED_ROWS], Init::Uniform { fan_in: 1 })?;
        let shares = draw("shares", &[output, MIXED_ROWS], Init::Uniform { fan_in: 1 })?;
        let bias = (0..output).map(|unit| {
            let at = unit * MIXED_ROWS..(unit + 1) * MIXED_ROWS;
            (-mixed(&column(unit), &places[at.clone()], &shares[at]) * factors[unit]) as f32
        });
        let bias = Tensor::<1>::from_data(TensorData::new(bias.collect::<Vec<f32>>(), [output]), &device);
        linear.bias = Some(Param::initialized(id, bias.set_require_grad(trained)));
    }
    Ok(())
}

/// Factor that gives the outputs of a neuron a deviation of 1; that of a usual layer if they are all equal.
#[allow(clippy::cast_precision_loss)]
fn factor(outputs: &[f64], input: usize) -> f64 {
    let n = outputs.len().max(1) as f64;
    let mean = outputs.iter().sum::<f64>() / n;
    let deviation = (outputs.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n).sqrt();
    1.0 / if deviation > CONSTANT { deviation } else { (input.max(1) as f64).sqrt() }
}

/// Convex combination of the outputs of some rows. The draws are uniform in -1..1: places become rows, and shares are
/// exponential before they are divided by their sum, which makes them uniform on the simplex.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn mixed(outputs: &[f64], places: &[f32], shares: &[f32]) -> f64 {
    let unit = |draw: &f32| (f64::midpoint(f64::from(*draw), 1.0)).clamp(0.0, 1.0 - 1e-9);
    let shares: Vec<f64> = shares.iter().map(|draw| -(1.0 - unit(draw)).ln() + 1e-12).collect();
    let sum: f64 = shares.iter().sum();
    let row = |draw: &f32| (unit(draw) * outputs.len() as f64) as usize;
    places.iter().zip(&shares).map(|(place, share)| outputs[row(place)] * share / sum).sum()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use cupola_spec::{Block, parse_model_file};

    use super::*;
    use crate::architecture::{Architecture, Average, InputSource};

    /// A network that starts from 200 rows, and these rows.
    fn started(device: &Device) -> (Network, InputBatch) {
        let family = parse_model_file("m", "family = 'realmlp'\nhidden = [16, 8]").unwrap().family;
        let design = family.design();
        let block = Block::Table { numbers: 3, encoded: 1, indices: Vec::new() };
        let sources = vec![InputSource::new(&design, block)];
        let architecture = Architecture::new("realmlp", &design, sources, 2, Average::Output).unwrap();
        let network = Network::build(&architecture, &mut RandomWeights { seed: 3 }, device).unwrap();
        #[allow(clippy::cast_precision_loss)]
        let dense = (0..200 * 4).map(|index| (index as f32 * 0.77).sin() * 2.0 + 0.5).collect();
        let input = InputBatch::new(200, dense, Vec::new(), device);
        (network.start_from_rows(&input, 5).unwrap(), input)
    }

    #[test]
    fn each_output_of_the_rows_has_a_deviation_of_one_and_a_bias_within_them() {
        let device = Device::flex();
        let (network, input) = started(&device);
        let logits = network.forward(&input).try_into_vec_as::<f32>().unwrap();
        for unit in 0..2 {
            let column: Vec<f64> = logits.iter().skip(unit).step_by(2).map(|x| f64::from(*x)).collect();
            assert!((factor(&column, 1) - 1.0).abs() < 1e-3, "{}", factor(&column, 1));
            // Minus a mixture of outputs moves 0 between the smallest and the largest of them.
            assert!(column.iter().any(|x| *x < 0.0) && column.iter().any(|x| *x > 0.0));
        }
    }

    #[test]
    fn the_start_is_the_same_with_and_without_gradients_and_keeps_the_names() {
        let plain = started(&Device::flex()).0.state_dict().unwrap();
        let trained = started(&Device::flex().autodiff()).0;
        assert_eq!(trained.state_dict().unwrap(), plain);
        let ids = trained.parameter_ids().map(|(_, name)| name.to_owned());
        assert!(ids.eq(started(&Device::flex()).0.parameter_ids().map(|(_, name)| name.to_owned())));
    }
}
