//! The layer table: a list of layers walked from an input shape, without a tensor.

use crate::layers::contract::{Cost, LayerContract, Misfit, WeightSpec};
use crate::layers::layer::Layer;
use crate::layers::residual::residual;

/// One line of the layer table.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ShapeRow {
    /// `PyTorch` name of the module, such as `trunk.3.layers.0`.
    pub name: String,
    /// The layer's `type`.
    pub kind: &'static str,
    /// Input shape without the batch axis.
    pub input: Vec<usize>,
    /// Output shape without the batch axis.
    pub output: Vec<usize>,
    /// Number of trained values.
    pub parameters: usize,
    /// Weights of the module, named within it.
    #[serde(skip)]
    pub weights: Vec<WeightSpec>,
    /// Cost of one example.
    #[serde(skip)]
    pub cost: Cost,
}

impl ShapeRow {
    /// The line of a module with this contract.
    pub fn new(name: String, kind: &'static str, input: Vec<usize>, contract: LayerContract) -> Self {
        let parameters = contract.parameters();
        let LayerContract { output, weights, cost } = contract;
        Self { name, kind, input, output, parameters, weights, cost }
    }
}

/// A layer that does not accept the shape of its input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("layer {name} ({kind}) requires {}, found shape {:?}; {}", misfit.needs, misfit.found, misfit.remedy)]
pub struct ShapeError {
    /// Name of the module.
    pub name: String,
    /// The layer's `type`.
    pub kind: &'static str,
    /// The requirement that is not met.
    pub misfit: Misfit,
}

/// Walks `layers` from an example of shape `input`; the names of the rows start with `prefix`.
/// The output of the last row is the output of the list.
///
/// # Errors
/// The first layer that does not fit.
pub fn trace(prefix: &str, input: &[usize], layers: &[Layer]) -> Result<Vec<ShapeRow>, ShapeError> {
    let mut rows = Vec::new();
    let mut shape = input.to_vec();
    for (index, layer) in layers.iter().enumerate() {
        let row = row(format!("{prefix}.{index}"), layer, &shape, &mut rows)?;
        shape.clone_from(&row.output);
        rows.push(row);
    }
    Ok(rows)
}

/// The row of one layer; those of the layers within it are added to `rows`.
fn row(
    name: String,
    layer: &Layer,
    input: &[usize],
    rows: &mut Vec<ShapeRow>,
) -> Result<ShapeRow, ShapeError> {
    let contract = match layer {
        Layer::Residual { layers, shortcut, drop_path } => {
            let body = trace(&format!("{name}.layers"), input, layers)?;
            let other = trace(&format!("{name}.shortcut"), input, shortcut)?;
            let contract = residual(input, end(&body, input), end(&other, input), *drop_path);
            rows.extend(body);
            rows.extend(other);
            contract
        }
        layer => layer.contract(input),
    };
    let fail = |misfit| ShapeError { name: name.clone(), kind: layer.kind(), misfit };
    let contract = contract.map_err(fail)?;
    if contract.output.contains(&0) {
        return Err(fail(Misfit::new(input, "sizes of at least 1", "change the size that is 0")));
    }
    Ok(ShapeRow::new(name, layer.kind(), input.to_vec(), contract))
}

fn end<'a>(rows: &'a [ShapeRow], input: &'a [usize]) -> &'a [usize] {
    rows.last().map_or(input, |row| &row.output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::contract::Init;
    use crate::{Activation, Lora};

    #[test]
    fn a_cnn_has_the_shapes_and_parameters_of_its_arithmetic() {
        let family = crate::parse_model_file("cnn", "family = 'cnn'\nchannels = [16, 32]\nhidden = 64")
            .unwrap()
            .family;
        let rows = trace("trunk", &[1, 8, 8], &family.design().layers).unwrap();
        assert_eq!(rows[3].output, [16, 4, 4]);
        assert_eq!(rows[8].output, [128]);
        let total: usize = rows.iter().map(|r| r.parameters).sum();
        // 16*9 + 2*16, 32*16*9 + 2*32, 128*64 + 64
        assert_eq!(total, 144 + 32 + 4608 + 64 + 8192 + 64);
    }

    #[test]
    fn a_convolution_states_its_weights_and_its_cost() {
        let layer = Layer::Conv2d { out: 16, kernel: 3, stride: 1, padding: 1, bias: true };
        let contract = layer.contract(&[4, 8, 8]).unwrap();
        assert_eq!(contract.output, [16, 8, 8]);
        let init = Init::Uniform { fan_in: 36 };
        let weights = [WeightSpec::new("weight", [16, 4, 3, 3], init), WeightSpec::new("bias", [16], init)];
        assert_eq!(contract.weights, weights);
        assert_eq!(contract.cost, Cost { multiply_adds: 36 * 16 * 64, activations: 16 * 64 });
    }

    #[test]
    fn running_statistics_are_stored_and_not_counted() {
        let contract = Layer::BatchNorm {}.contract(&[5]).unwrap();
        let names: Vec<&str> = contract.weights.iter().map(|weight| weight.name.as_str()).collect();
        assert_eq!(names, ["weight", "bias", "running_mean", "running_var"]);
        assert_eq!(contract.parameters(), 10);
    }

    #[test]
    fn attention_shares_key_and_value_heads_and_has_adapters() {
        let text = "{ \"type\": \"attention\", \"heads\": 4, \"kv_heads\": 2, \"bias\": false }";
        let layer: Layer = serde_json::from_str(text).unwrap();
        let contract = layer.contract(&[6, 8]).unwrap();
        let shapes: Vec<&[usize]> = contract.weights.iter().map(|weight| weight.shape.as_slice()).collect();
        assert_eq!(shapes, [&[8, 8], &[4, 8], &[4, 8], &[8, 8]]);
        assert_eq!(contract.cost.multiply_adds, 6 * 8 * (8 + 4 + 4 + 8) + 2 * 6 * 6 * 8);
        let adapters = layer.adapters(&[6, 8], Lora { rank: 2, alpha: 4.0 }).unwrap();
        let shapes: Vec<&[usize]> = adapters.iter().map(|weight| weight.shape.as_slice()).collect();
        assert_eq!(shapes, [&[2, 8], &[8, 2], &[2, 8], &[4, 2]]);
        assert_eq!(adapters[3].name, "v.lora_b");
    }

    #[test]
    fn a_residual_layer_has_the_shape_of_its_branches() {
        let layers = vec![Layer::Linear { out: 4, bias: true }];
        let residual = Layer::Residual { layers, shortcut: Vec::new(), drop_path: 0.0 };
        assert_eq!(residual.contract(&[4]).unwrap().output, [4]);
        assert!(residual.contract(&[3]).is_err());
        let error = trace("trunk", &[3], &[residual]).unwrap_err();
        assert_eq!((error.kind, error.misfit.found.as_slice()), ("residual", [4].as_slice()));
    }

    #[test]
    fn a_misfit_names_the_layer_and_the_remedy() {
        let layers = [Layer::Linear { out: 3, bias: true }];
        let error = trace("trunk", &[1, 8, 8], &layers).unwrap_err();
        assert_eq!(error.name, "trunk.0");
        assert!(
            error.to_string().ends_with("put `flatten`, `take` or `global_avg_pool` before it"),
            "{error}"
        );
    }

    #[test]
    fn a_probability_out_of_range_is_refused() {
        for p in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
            assert!(trace("trunk", &[4], &[Layer::Dropout { p }]).is_err(), "{p}");
        }
    }

    #[test]
    fn zero_sizes_are_refused_not_divided_by() {
        let layers = [Layer::MaxPool { kernel: 0, stride: None, padding: 0 }];
        assert!(trace("trunk", &[1, 8, 8], &layers).is_err());
    }

    #[test]
    fn sizes_beyond_any_memory_do_not_overflow() {
        let huge = usize::MAX / 2;
        let layers = [
            Layer::Conv2d { out: huge, kernel: 1, stride: 1, padding: 0, bias: true },
            Layer::Activation { function: Activation::Relu },
        ];
        let rows = trace("trunk", &[huge, 2, 2], &layers).unwrap();
        assert_eq!(rows[0].parameters, usize::MAX);
    }
}
