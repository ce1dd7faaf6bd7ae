//! The Open Inference Protocol, version 2, over REST with its binary extension, and over gRPC
//! (<https://github.com/kserve/open-inference-protocol>).

pub(crate) mod grpc;
pub(crate) mod health;
mod repository;
pub(crate) mod rest;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use cupola_runtime::{Element, Input, Sealed, Tensor, TensorSpec, Values};

use crate::answer::Refusal;
use crate::ask::{Asked, ask};
use crate::state::Shared;

use self::wire::{DataType, Given};

/// What this server is called.
pub(crate) const NAME: &str = "cupola";
/// What it can do beyond the protocol.
pub(crate) const EXTENSIONS: [&str; 4] =
    ["binary_tensor_data", "model_configuration", "model_repository", "statistics"];

/// The elements that a tensor is said to have.
fn data_type(spec: &TensorSpec) -> DataType {
    match spec.element {
        Element::Float => DataType::Fp32,
        Element::Double => DataType::Fp64,
        Element::Bytes => DataType::Bytes,
    }
}

/// Axes of a tensor, the rows first: as many as there are.
fn shape(spec: &TensorSpec) -> Vec<i64> {
    std::iter::once(-1)
        .chain(spec.shape.iter().map(|axis| i64::try_from(*axis).unwrap_or(i64::MAX)))
        .collect()
}

/// An empty version, or a number.
fn version(text: &str) -> Result<Option<u64>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        Refusal::new(axum::http::StatusCode::NOT_FOUND, "unknown_version", format!("`{text}` is no version"))
    })
}

/// A request of either kind.
struct Infer<'a> {
    name: &'a str,
    version: Option<u64>,
    headers: &'a HeaderMap,
    id: &'a str,
    timeout: Duration,
    /// Names of the tensors that are wanted; all where there are none.
    wanted: Vec<String>,
}

/// What it is answered with.
struct Inferred {
    version: u64,
    tensors: Vec<Tensor>,
}

/// Answers a request; `read` gives its tensors.
async fn infer(
    app: &Arc<Shared>,
    request: Infer<'_>,
    read: impl FnOnce() -> Result<Vec<Given>, Refusal>,
) -> Result<Inferred, Refusal> {
    let asked = Asked {
        name: request.name,
        version: request.version,
        headers: request.headers,
        id: request.id,
        began: std::time::Instant::now(),
        timeout: request.timeout,
    };
    let answered = ask(app, &asked, |sealed| input(sealed, read()?)).await?;
    let outputs = &answered.model.sealed.outputs;
    if let Some(name) = request.wanted.iter().find(|name| !outputs.iter().any(|spec| spec.name == **name)) {
        let known: Vec<&str> = outputs.iter().map(|spec| spec.name.as_str()).collect();
        return Err(bad(format!("there is no output `{name}`; there are: {}", known.join(", "))));
    }
    let tensors = answered.tensors(&request.wanted)?;
    Ok(Inferred { version: answered.model.manifest.version, tensors })
}

fn bad(message: String) -> Refusal {
    Refusal::new(axum::http::StatusCode::BAD_REQUEST, "malformed", message)
}

/// Tensors as what the model takes: every name known and there once, every shape right.
fn input(sealed: &Sealed, given: Vec<Given>) -> Result<Input, Refusal> {
    let specs = &sealed.inputs;
    let mut rows: Option<usize> = None;
    let mut out: Vec<(usize, Values)> = Vec::with_capacity(given.len());
    for tensor in given {
        let name = tensor.name.as_str();
        let Some(place) = specs.iter().position(|spec| spec.name == name) else {
            let known: Vec<&str> = specs.iter().take(12).map(|spec| spec.name.as_str()).collect();
            return Err(bad(format!("there is no input `{name}`; there are: {}", known.join(", "))));
        };
        if out.iter().any(|(known, _)| *known == place) {
            return Err(bad(format!("input `{name}` is there twice")));
        }
        let spec = &specs[place];
        let own = rows_of(spec, &tensor.shape).ok_or_else(|| {
            bad(format!("input `{name}`: expected the shape {:?}, found {:?}", shape(spec), tensor.shape))
        })?;
        if *rows.get_or_insert(own) != own {
            return Err(bad(format!("input `{name}` has {own} rows, another one has {}", rows.unwrap_or(0))));
        }
        if tensor.values.len() != own * spec.width() {
            let (found, expected) = (tensor.values.len(), own * spec.width());
            return Err(bad(format!("input `{name}`: expected {expected} elements, found {found}")));
        }
        let texts = matches!(tensor.values, Values::Bytes(_));
        if texts != (spec.element == Element::Bytes) {
            let expected = data_type(spec).name();
            return Err(bad(format!(
                "input `{name}`: expected {expected}, found {}",
                tensor.data_type.name()
            )));
        }
        out.push((place, tensor.values));
    }
    let missing = (0..specs.len())
        .find(|place| !specs[*place].nullable && !out.iter().any(|(known, _)| known == place));
    if let Some(place) = missing {
        return Err(bad(format!("input `{}` is missing", specs[place].name)));
    }
    match rows {
        Some(rows) if rows > 0 => Ok(sealed.input_of(out, rows)),
        _ => Err(bad("there is no row; send at least one".to_owned())),
    }
}

/// Rows of a tensor of this shape, if it is one that fits. A column may leave its second axis out.
fn rows_of(spec: &TensorSpec, shape: &[i64]) -> Option<usize> {
    let (rows, rest) = shape.split_first()?;
    let rest: Vec<usize> = rest.iter().map(|axis| usize::try_from(*axis).ok()).collect::<Option<_>>()?;
    let fits = rest == spec.shape || (spec.shape == [1] && rest.is_empty());
    usize::try_from(*rows).ok().filter(|rows| fits && rows.checked_mul(spec.width()).is_some())
}
