//! Published models that training starts from.

use cupola_nn::{Architecture, StateDict};
use cupola_prep::Plan;
use cupola_registry::{Home, Package};
use cupola_spec::{Family, Head, Layer, LayersFamily, ModelFile};

use crate::error::Error;

/// Plan and weights of a package that training starts from.
pub struct Pretrained {
    /// Plan of the package, whose tokenizer is reused.
    pub plan: Plan,
    /// Weights by the places of their modules.
    pub weights: StateDict,
}

/// Exact `name:version` of a reference.
pub fn label(home: &Home, reference: &str) -> Result<String, Error> {
    Ok(home.package(reference)?.label())
}

/// Network of a package without its head, as the text of an architecture file.
///
/// # Errors
/// Unknown packages, and [`Error::NotTrainable`] for those whose trunk takes no new head.
pub fn model_text(home: &Home, reference: &str) -> Result<String, Error> {
    let package = home.package(reference)?;
    let architecture = network(&package)?;
    let mut layers = architecture.trunk;
    // The length of an embedding tells a classifier nothing.
    if architecture.head == Head::Identity && layers.last() == Some(&Layer::Normalize {}) {
        layers.pop();
    }
    let mut names = architecture.names;
    names.retain(|place, _| place != "head");
    let token_width = architecture.sources.first().and_then(|source| source.widths.first()).copied();
    let family = Family::Layers(LayersFamily { layers, token_width: token_width.unwrap_or(64), names });
    Ok(toml::to_string(&ModelFile { family, expect: None })?)
}

/// Reads plan and weights; digests are checked.
pub fn read(home: &Home, reference: &str) -> Result<Pretrained, Error> {
    let package = home.package(reference)?;
    let plan = serde_json::from_slice(&package.read("plan.json")?)?;
    network(&package)?;
    Ok(Pretrained { plan, weights: StateDict::from_safetensors(&package.read("model.safetensors")?)? })
}

/// Architecture of the package, if a new head fits on it.
fn network(package: &Package) -> Result<Architecture, Error> {
    let refused = |why| Error::NotTrainable { package: package.label(), why };
    let config = package.read("config.json")?;
    let architecture: Architecture = serde_json::from_slice(&config)
        .map_err(|_| refused("holds no network; name a package of a network, or choose a family"))?;
    if !matches!(architecture.head, Head::Vector | Head::Identity) || architecture.level.is_some() {
        let why =
            "has more than one output vector for each example, which no new head fits on; choose a family";
        return Err(refused(why));
    }
    if architecture.sources.len() != 1 {
        let why = "has inputs of several kinds; only packages with inputs of one kind can be trained further";
        return Err(refused(why));
    }
    Ok(architecture)
}
