//! The perceptron with tuned defaults: `realmlp`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::TargetKind;
use crate::families::NumberEmbedding;
use crate::families::blocks::{dropout, linear};
use crate::inputs::Scaling;
use crate::layers::{Activation, Layer};
use crate::model::{ColumnDefaults, Design};

/// Largest number of values of a one-hot category.
const ONE_HOT: usize = 8;
/// Width of the embedding of a category with more values.
const EMBEDDING: usize = 8;

/// Sizes of `RealMLP` (Holzmüller et al. 2024), with the tuned defaults of `pytabkit` 1.7.3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RealmlpFamily {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Activation function, of which each feature learns its share. Default: `selu` for a category, `mish` for a
    /// number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// Probability of zeroing a hidden value in training.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// Embedding of the numbers.
    pub numbers: NumberEmbedding,
}

impl Default for RealmlpFamily {
    fn default() -> Self {
        let numbers = NumberEmbedding::Pbld { frequencies: 16, sigma: 0.1, width: 4 };
        Self { hidden: vec![256; 3], activation: None, dropout: 0.15, numbers }
    }
}

impl RealmlpFamily {
    /// A learned scale of the inputs, then linear layers with learned activations. Its linear layers have the
    /// usual scale of weights, to which `[[train.groups]]` adapts the rates.
    pub(crate) fn design(&self) -> Design {
        let function = self.activation.unwrap_or(Activation::Selu);
        let mut layers = vec![Layer::Scale {}];
        for &out in &self.hidden {
            layers.extend([linear(out), Layer::MixedActivation { function }]);
            layers.extend(dropout(self.dropout));
        }
        let columns = ColumnDefaults {
            scale: Some(Scaling::RobustClip),
            one_hot: Some(ONE_HOT),
            embedding: Some(EMBEDDING),
        };
        Design { columns, data_start: true, clip_output: true, ..Design::from_layers(layers) }
            .with_numbers(Some(self.numbers))
    }

    /// The sizes for a target of this kind.
    pub(crate) fn for_target(&self, kind: TargetKind) -> Self {
        let own = if is_class(kind) { Activation::Selu } else { Activation::Mish };
        Self { activation: self.activation.or(Some(own)), ..self.clone() }
    }

    /// Defaults of `[train]` for a target of this kind.
    pub(crate) fn train_defaults(kind: TargetKind) -> Value {
        json!({
            "epochs": 256,
            "batch_size": 256,
            "clip_norm": 0.0,
            "dropout_schedule": "flat_cos",
            "optimizer": {
                "kind": "adamw",
                "learning_rate": if is_class(kind) { 0.04 } else { 0.2 },
                "weight_decay": 0.02,
                "decay_schedule": "flat_cos",
                "betas": [0.9, 0.95],
            },
            "schedule": { "kind": "coslog4" },
            "loss": { "label_smoothing": if is_class(kind) { 0.1 } else { 0.0 } },
            "groups": [
                { "weights": "trunk.*.weight", "rate": 1.0, "width_scaled": true },
                { "weights": "head.weight", "rate": 1.0, "width_scaled": true },
                { "weights": "trunk.*.scale", "rate": 6.0 },
                { "weights": "trunk.*.bias", "rate": 0.1 },
                { "weights": "head.bias", "rate": 0.1 },
                { "weights": "trunk.*.mix", "rate": 0.1 },
                { "weights": "*numbers.*", "rate": 0.1 },
            ],
        })
    }
}

fn is_class(kind: TargetKind) -> bool {
    matches!(kind, TargetKind::Category | TargetKind::NextToken)
}
