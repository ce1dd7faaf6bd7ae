//! Published models that training starts from.

use anyhow::Result;
use cupola_nn::{Architecture, StateDict};
use cupola_prep::Plan;
use cupola_registry::{Home, Package};
use cupola_spec::{Family, Head, Layer, LayersFamily, ModelFile};

use crate::failure::Mistake;

/// What training takes from a package.
pub struct Pretrained {
    /// Its plan: the tokenizer is used again.
    pub plan: Plan,
    /// Its weights by the places of their modules.
    pub weights: StateDict,
}

/// The exact `name:version` of a reference.
pub fn label(home: &Home, reference: &str) -> Result<String> {
    Ok(home.package(reference)?.label())
}

/// The network of a package, head excluded, as the text of an architecture file.
///
/// # Errors
/// In words, for the problem of a config: no such package, or none whose trunk can be taken over.
pub fn model_text(home: &Home, reference: &str) -> Result<String, String> {
    let said = |error: anyhow::Error| format!("{error:#}");
    let package = home.package(reference).map_err(|error| error.to_string())?;
    let architecture = network(&package).map_err(said)?;
    let mut layers = architecture.trunk;
    // An embedding's length tells a classifier nothing.
    if architecture.head == Head::Identity && layers.last() == Some(&Layer::Normalize {}) {
        layers.pop();
    }
    let mut names = architecture.names;
    names.retain(|place, _| place != "head");
    let token_width = architecture.sources.first().and_then(|source| source.widths.first()).copied();
    let family = Family::Layers(LayersFamily { layers, token_width: token_width.unwrap_or(64), names });
    toml::to_string(&ModelFile { family, expect: None }).map_err(|error| error.to_string())
}

/// Reads plan and weights, digests checked.
pub fn read(home: &Home, reference: &str) -> Result<Pretrained> {
    let package = home.package(reference)?;
    let plan = serde_json::from_slice(&package.read("plan.json")?)?;
    network(&package)?;
    Ok(Pretrained { plan, weights: StateDict::from_safetensors(&package.read("model.safetensors")?)? })
}

/// The architecture, if it is one that another head fits on.
fn network(package: &Package) -> Result<Architecture> {
    let refuse = |why: &str| Mistake(format!("{} {why}", package.label()));
    let config = package.read("config.json")?;
    let architecture: Architecture = serde_json::from_slice(&config)
        .map_err(|_| refuse("holds no network; name a package of one, or choose a family"))?;
    if !matches!(architecture.head, Head::Vector | Head::Identity) || architecture.level.is_some() {
        let why =
            "answers with more than one vector for each example, which no new head fits on; choose a family";
        return Err(refuse(why).into());
    }
    if architecture.sources.len() != 1 {
        return Err(
            refuse("takes several kinds of inputs; only those of one kind can be trained further").into()
        );
    }
    Ok(architecture)
}
