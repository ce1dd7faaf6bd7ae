//! A list of layers in place of a family: `layers`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layers::Layer;
use crate::model::Design;

/// A trunk that is given layer by layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LayersFamily {
    /// Layers of the trunk in the order of the forward pass; the head is added. Default: none, a linear model.
    pub layers: Vec<Layer>,
    /// Width of a text's token embeddings.
    pub token_width: usize,
    /// Names of modules in the package that differ from their places `trunk.0`, `trunk.1.layers.0` and so
    /// on: a map from place to name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
}

impl Default for LayersFamily {
    fn default() -> Self {
        Self { layers: Vec::new(), token_width: 64, names: BTreeMap::new() }
    }
}

impl LayersFamily {
    pub(crate) fn design(&self) -> Design {
        Design { names: self.names.clone(), ..Design::of(self.layers.clone(), self.token_width) }
    }
}
