//! Modules behind the pooling.

use cupola_nn::Array;
use cupola_spec::{Activation, Layer};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::hugging_face::folder::ModelFolder;

/// Supported classes.
pub(super) const KINDS: [&str; 6] = ["Transformer", "Pooling", "Dense", "LayerNorm", "Dropout", "Normalize"];
/// `torch.nn.LayerNorm`'s default.
const LAYER_NORM_EPS: f64 = 1e-5;
/// Input and output of a module.
const VECTOR: &str = "sentence_embedding";
/// Largest width of a vector.
const MAX_WIDTH: usize = 1 << 20;

/// A layer and its weights by their names within the layer.
type LayerWithWeights = (Layer, Vec<(String, Array)>);

/// `config.json` of a Dense.
#[derive(Deserialize)]
struct DenseConfig {
    in_features: usize,
    out_features: usize,
    #[serde(default = "yes")]
    bias: bool,
    #[serde(default = "tanh")]
    activation_function: Option<String>,
}

fn yes() -> bool {
    true
}

#[allow(clippy::unnecessary_wraps, reason = "the key may be null")]
fn tanh() -> Option<String> {
    Some("torch.nn.modules.activation.Tanh".to_owned())
}

/// Layers of a module that takes a vector of `width` numbers, which it may change.
///
/// # Errors
/// [`Error::Modules`] for a second transformer or pooling, and files and keys that are not supported.
pub(super) fn read(
    class: &str,
    folder: &ModelFolder,
    width: &mut usize,
) -> Result<Vec<LayerWithWeights>, Error> {
    check_names(folder)?;
    match class {
        "Dense" => dense(folder, width),
        "LayerNorm" => layer_norm(folder, *width),
        "Normalize" => Ok(vec![(Layer::Normalize {}, Vec::new())]),
        other => Err(Error::Modules { why: format!("a {other} follows the Pooling") }),
    }
}

/// Refuses modules that read or write anything but the vector, or add their input.
fn check_names(folder: &ModelFolder) -> Result<(), Error> {
    let Some(config) = folder.optional::<Map<String, Value>>("config.json")? else { return Ok(()) };
    let names = ["module_input_name", "module_output_name"];
    let other = |key: &&&str| config.get(**key).is_some_and(|name| !name.is_null() && name != VECTOR);
    let residual = config.get("use_residual").is_some_and(|value| value == &Value::Bool(true));
    let key = names.iter().find(other).copied().or_else(|| residual.then_some("use_residual"));
    let Some(key) = key else { return Ok(()) };
    let found = config.get(key).map(ToString::to_string).unwrap_or_default();
    let remedy = "save the model without it";
    Err(Error::unsupported_key(&folder.name("config.json"), key, &found, remedy))
}

fn dense(folder: &ModelFolder, width: &mut usize) -> Result<Vec<LayerWithWeights>, Error> {
    let file = folder.name("config.json");
    let config: DenseConfig = folder.required("config.json")?;
    if config.in_features != *width {
        let remedy = format!("the module before gives {width} numbers; take all files from one model");
        let found = config.in_features.to_string();
        return Err(Error::unsupported_key(&file, "in_features", &found, &remedy));
    }
    if config.out_features == 0 || config.out_features > MAX_WIDTH {
        let found = config.out_features.to_string();
        return Err(Error::unsupported_key(&file, "out_features", &found, "expected 1 to 1048576"));
    }
    let activation = activation(&file, config.activation_function.as_deref())?;
    let (mut weights, _) = folder.weights()?;
    let mut parts = vec![("weight", vec![config.out_features, *width])];
    parts.extend(config.bias.then(|| ("bias", vec![config.out_features])));
    let mut own = Vec::new();
    for (part, shape) in parts {
        own.push((part.to_owned(), take(&mut weights, folder, &format!("linear.{part}"), &shape)?));
    }
    check_rest(&weights, folder)?;
    *width = config.out_features;
    let linear = (Layer::Linear { out: config.out_features, bias: config.bias }, own);
    let function = activation.map(|function| (Layer::Activation { function }, Vec::new()));
    Ok(std::iter::once(linear).chain(function).collect())
}

fn layer_norm(folder: &ModelFolder, width: usize) -> Result<Vec<LayerWithWeights>, Error> {
    let (mut weights, _) = folder.weights()?;
    let mut own = Vec::new();
    for part in ["weight", "bias"] {
        own.push((part.to_owned(), take(&mut weights, folder, &format!("norm.{part}"), &[width])?));
    }
    check_rest(&weights, folder)?;
    Ok(vec![(Layer::LayerNorm { eps: Some(LAYER_NORM_EPS) }, own)])
}

/// Takes a weight of a module.
fn take(
    weights: &mut cupola_nn::StateDict,
    folder: &ModelFolder,
    name: &str,
    expected: &[usize],
) -> Result<Array, Error> {
    let file = folder.name("model.safetensors");
    let remedy = "take all files from one model";
    let Some(array) = weights.remove(name) else {
        return Err(Error::invalid_file(&file, format!("weight `{name}` is missing"), remedy));
    };
    if array.shape != expected {
        let why = format!("weight `{name}` has shape {:?}, expected {expected:?}", array.shape);
        return Err(Error::invalid_file(&file, why, remedy));
    }
    Ok(array)
}

fn check_rest(weights: &cupola_nn::StateDict, folder: &ModelFolder) -> Result<(), Error> {
    match weights.names().next() {
        None => Ok(()),
        Some(name) => {
            let why = format!("weight `{name}` is not of this module");
            let file = folder.name("model.safetensors");
            Err(Error::invalid_file(&file, why, "take all files from one model"))
        }
    }
}

/// Activation of a class of `torch.nn`; `None` for the identity.
fn activation(file: &str, class: Option<&str>) -> Result<Option<Activation>, Error> {
    let Some(class) = class else { return Ok(None) };
    let name = class.rsplit('.').next().unwrap_or_default();
    Ok(Some(match name {
        _ if !class.starts_with("torch.nn.") => return Err(unknown_activation(file, class)),
        "Identity" => return Ok(None),
        "Tanh" => Activation::Tanh,
        "ReLU" => Activation::Relu,
        "GELU" => Activation::Gelu,
        "SiLU" => Activation::Silu,
        "Sigmoid" => Activation::Sigmoid,
        _ => return Err(unknown_activation(file, class)),
    }))
}

fn unknown_activation(file: &str, class: &str) -> Error {
    let remedy = "expected Identity, Tanh, ReLU, GELU, SiLU or Sigmoid of torch.nn";
    Error::unsupported_key(file, "activation_function", class, remedy)
}
