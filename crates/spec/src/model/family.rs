//! The families by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::TargetKind;
use crate::families::{
    AutoencoderFamily, Bagging, Boosting, CnnFamily, DlinearFamily, FtTransformerFamily, GptFamily,
    LayersFamily, LlamaFamily, MlpFamily, PatchtstFamily, RealmlpFamily, Recurrence, ResnetFamily,
    ResnetTabularFamily, TabmFamily, TcnFamily, TextTransformerFamily, TreesSpec, VitFamily,
};
use crate::layers::Cell;
use crate::model::Design;

/// A named family with its sizes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "family", rename_all = "snake_case")]
pub enum Family {
    /// Multi-layer perceptron: a linear layer, an activation and dropout for each hidden width.
    Mlp(MlpFamily),
    /// Convolutional network: for each entry of `channels` a 3x3 convolution, batch norm, an activation and
    /// a 2x2 max pool; then one hidden linear layer.
    Cnn(CnnFamily),
    /// Residual network for tables with blocks `x + dropout(linear(dropout(relu(linear(norm(x))))))`
    /// (Gorishniy et al. 2021, 3.2).
    ResnetTabular(ResnetTabularFamily),
    /// Transformer over one token for each column of a table (Gorishniy et al. 2021, 3.3).
    FtTransformer(FtTransformerFamily),
    /// Ensemble of multi-layer perceptrons that share most of their weights; each member has its own loss and
    /// its own head (Gorishniy et al. 2024).
    Tabm(TabmFamily),
    /// Multi-layer perceptron with the tuned defaults `RealMLP-TD` (Holzmüller et al. 2024): scaled and clipped
    /// numbers, number embeddings, learned scales and activations, and defaults of `[train]`.
    Realmlp(RealmlpFamily),
    /// Residual network for images, with torchvision's names (He et al. 2016).
    Resnet(ResnetFamily),
    /// Vision transformer with a class token (Dosovitskiy et al. 2021).
    Vit(VitFamily),
    /// Long short-term memory over a text or a series; the last step is read.
    Lstm(Recurrence),
    /// Gated recurrent units over a text or a series; the last step is read.
    Gru(Recurrence),
    /// Temporal convolutional network: residual blocks of two causal convolutions whose dilation doubles
    /// (Bai et al. 2018); the last step is read.
    Tcn(TcnFamily),
    /// Transformer encoder over a text or a series, norm first; the mean is read.
    TextTransformer(TextTransformerFamily),
    /// Decoder that predicts the next token (Radford et al. 2019): causal transformer blocks, norm first,
    /// learned positions.
    Gpt(GptFamily),
    /// Decoder that predicts the next token (Touvron et al. 2023): rotary positions, RMS norm, `SwiGLU` and
    /// shared key and value heads, without biases.
    Llama(LlamaFamily),
    /// Linear forecast from the moving average of a window and the remainder (Zeng et al. 2023).
    Dlinear(DlinearFamily),
    /// Transformer over patches of a window (Nie et al. 2023). The mean and deviation of each window are
    /// removed from the inputs and restored in the forecast (Kim et al. 2022).
    Patchtst(PatchtstFamily),
    /// Linear layers down to a small code and back to the inputs, for anomaly scores.
    Autoencoder(AutoencoderFamily),
    /// Gradient-boosted trees as a baseline. There are no epochs, so `[train]` does not apply.
    Gbdt(Boosting),
    /// Random forest as a baseline (Breiman 2001). There are no epochs, so `[train]` does not apply.
    RandomForest(Bagging),
    /// Exactly these layers; the head is added.
    Layers(LayersFamily),
}

impl Family {
    /// Settings of the trees; `None` for a network.
    pub fn trees(&self) -> Option<TreesSpec> {
        match self {
            Self::Gbdt(spec) => Some(TreesSpec::Boosted(spec.clone())),
            Self::RandomForest(spec) => Some(TreesSpec::Forest(*spec)),
            _ => None,
        }
    }

    /// The family for a first target of this kind, on which some defaults depend.
    pub(crate) fn for_target(self, kind: TargetKind) -> Self {
        match self {
            Self::Realmlp(family) => Self::Realmlp(family.for_target(kind)),
            other => other,
        }
    }

    /// Defaults of `[train]` that belong to the family, for a first target of this kind; `None` without.
    pub(crate) fn train_defaults(&self, kind: TargetKind) -> Option<Value> {
        match self {
            Self::Realmlp(_) => Some(RealmlpFamily::train_defaults(kind)),
            Self::Tabm(_) => Some(TabmFamily::train_defaults()),
            _ => None,
        }
    }

    /// Name of the family in a config.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mlp(_) => "mlp",
            Self::Cnn(_) => "cnn",
            Self::ResnetTabular(_) => "resnet_tabular",
            Self::FtTransformer(_) => "ft_transformer",
            Self::Tabm(_) => "tabm",
            Self::Realmlp(_) => "realmlp",
            Self::Resnet(_) => "resnet",
            Self::Vit(_) => "vit",
            Self::Lstm(_) => "lstm",
            Self::Gru(_) => "gru",
            Self::Tcn(_) => "tcn",
            Self::TextTransformer(_) => "text_transformer",
            Self::Gpt(_) => "gpt",
            Self::Llama(_) => "llama",
            Self::Dlinear(_) => "dlinear",
            Self::Patchtst(_) => "patchtst",
            Self::Autoencoder(_) => "autoencoder",
            Self::Gbdt(_) => "gbdt",
            Self::RandomForest(_) => "random_forest",
            Self::Layers(_) => "layers",
        }
    }

    /// The trunk of the family, how inputs enter it and how the head reads it.
    pub fn design(&self) -> Design {
        match self {
            Self::Mlp(family) => family.design(),
            Self::Cnn(family) => family.design(),
            Self::ResnetTabular(family) => family.design(),
            Self::FtTransformer(family) => family.design(),
            Self::Tabm(family) => family.design(),
            Self::Realmlp(family) => family.design(),
            Self::Resnet(family) => family.design(),
            Self::Vit(family) => family.design(),
            Self::Lstm(sizes) => sizes.design(Cell::Lstm),
            Self::Gru(sizes) => sizes.design(Cell::Gru),
            Self::Tcn(family) => family.design(),
            Self::TextTransformer(family) => family.design(),
            Self::Gpt(family) => family.design(),
            Self::Llama(family) => family.design(),
            Self::Dlinear(family) => family.design(),
            Self::Patchtst(family) => family.design(),
            Self::Autoencoder(family) => family.design(),
            // Trees have no layers; a package of them is not built from a design.
            Self::Gbdt(_) | Self::RandomForest(_) => Design::from_layers(Vec::new()),
            Self::Layers(family) => family.design(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_model_file;

    /// Each family with some of its keys.
    const SMALLEST: [&str; 20] = [
        "family = 'mlp'\nhidden = [4]",
        "family = 'cnn'\nchannels = [4]\nhidden = 4",
        "family = 'resnet_tabular'",
        "family = 'ft_transformer'",
        "family = 'tabm'\nhidden = [4]",
        "family = 'realmlp'\nhidden = [4]",
        "family = 'resnet'\ndepth = 34",
        "family = 'vit'\npatch = 4\nblocks = 1\nwidth = 8\nheads = 2",
        "family = 'lstm'\nwidth = 4",
        "family = 'gru'\nwidth = 4",
        "family = 'tcn'\nchannels = [4]",
        "family = 'text_transformer'\nblocks = 1\nwidth = 8\nheads = 2",
        "family = 'gpt'\nblocks = 1\nwidth = 8\nheads = 2",
        "family = 'llama'\nblocks = 1\nwidth = 8\nheads = 2",
        "family = 'dlinear'",
        "family = 'patchtst'",
        "family = 'autoencoder'\nhidden = [4]\ncode = 2",
        "family = 'gbdt'",
        "family = 'random_forest'",
        "family = 'layers'\nlayers = [{ type = 'flatten' }]",
    ];

    fn parsed(text: &str) -> Family {
        parse_model_file("m", text).unwrap_or_else(|problems| panic!("{text}: {problems}")).family
    }

    #[test]
    fn every_family_has_defaults_and_names_unknown_keys() {
        for text in SMALLEST {
            let family = parsed(text);
            assert!(text.contains(&format!("'{}'", family.name())), "{text}: {}", family.name());
            assert_eq!(parsed(&toml::to_string(&family).unwrap()), family, "{text}");
            let wrong = parse_model_file("m", &format!("colour = 3\n{text}")).unwrap_err().to_string();
            assert!(wrong.contains("unknown key `colour`"), "{text}: {wrong}");
        }
    }

    #[test]
    fn the_name_alone_is_a_family_that_expands_to_a_design() {
        for text in SMALLEST {
            let alone = parsed(text.lines().next().unwrap());
            let layers = alone.design().layers;
            let none = alone.trees().is_some() || matches!(alone, Family::Layers(_));
            assert_eq!(layers.is_empty(), none, "{text}");
        }
        let optional = |variant: &serde_json::Value| {
            let required = variant["required"].as_array().map(Vec::as_slice);
            assert_eq!(required, Some([serde_json::json!("family")].as_slice()), "{variant}");
        };
        crate::model_schema()["oneOf"].as_array().unwrap().iter().for_each(optional);
    }

    #[test]
    fn defaults_of_the_schema_are_those_of_the_structs() {
        let sizes = PatchtstFamily { patch: 16, stride: 8, blocks: 2, width: 64, heads: 4, dropout: 0.2 };
        assert_eq!(parsed("family = 'patchtst'"), Family::Patchtst(sizes));
        assert_eq!(parsed("family = 'gbdt'"), Family::Gbdt(Boosting::default()));
        let forest = Bagging { trees: 100, leaf: 1, depth: None, features: None };
        assert_eq!(parsed("family = 'random_forest'"), Family::RandomForest(forest));
    }
}
