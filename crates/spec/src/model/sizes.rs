//! Sizes and switches that families share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How trees are boosted. Step size and number of trees are found from the budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Boosting {
    /// Effort: 0.5 for a quick look, 1 as a rule, 2 for the last bit.
    #[serde(default = "unit")]
    #[schemars(range(min = 0.0, max = 4.0))]
    pub budget: f64,
    /// Bins of a number's histogram.
    #[serde(default = "bins")]
    #[schemars(range(min = 2, max = 65_535))]
    pub bins: u16,
    /// Largest number of trees, if there is to be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trees: Option<usize>,
}

/// How a random forest grows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bagging {
    /// Trees of each output: a number and two classes have one, more classes one each.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 10_000))]
    pub trees: usize,
    /// Fewest rows of a leaf.
    #[serde(default = "five")]
    #[schemars(range(min = 1))]
    pub leaf: usize,
    /// Splits from the root to a leaf, if there is to be a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub depth: Option<u16>,
    /// Share of the columns that each split looks at. Default: the root of their number for a category, a
    /// third of them for a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub features: Option<f64>,
}

/// Trees in place of a network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TreesSpec {
    /// Each corrects those before it.
    Boosted(Boosting),
    /// Each for itself.
    Forest(Bagging),
}

/// Sizes of a recurrent network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recurrence {
    /// Width of the hidden state.
    pub width: usize,
    /// Number of layers.
    #[serde(default = "one")]
    pub layers: usize,
    /// Whether each layer also goes from the end.
    #[serde(default)]
    pub bidirectional: bool,
    /// Probability of zeroing a value between layers in training.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
}

/// How the numbers of a table enter a network; without it, as they are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Numbers {
    /// Learned cosines and sines of each number, then one linear layer and a `ReLU` that all numbers
    /// share: `PLR(lite)` (Gorishniy et al. 2022, 3.3).
    Periodic {
        /// Frequencies for each number.
        #[serde(default = "sixteen")]
        frequencies: usize,
        /// Deviation that the frequencies are drawn with.
        #[serde(default = "tenth")]
        sigma: f64,
        /// Width for each number.
        #[serde(default = "sixteen")]
        width: usize,
    },
}

/// Depth of a residual network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Two basic blocks in each stage.
    D18,
    /// 3, 4, 6 and 3 basic blocks.
    D34,
    /// 3, 4, 6 and 3 bottlenecks.
    D50,
}

/// How an image enters a residual network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageStem {
    /// Convolution 7x7 with stride 2, then a pool 3x3 with stride 2.
    Imagenet,
    /// Convolution 3x3.
    Small,
}

impl Depth {
    /// As typed.
    pub fn number(self) -> u8 {
        match self {
            Self::D18 => 18,
            Self::D34 => 34,
            Self::D50 => 50,
        }
    }
}

impl Serialize for Depth {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

impl<'de> Deserialize<'de> for Depth {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            18 => Ok(Self::D18),
            34 => Ok(Self::D34),
            50 => Ok(Self::D50),
            other => Err(serde::de::Error::custom(format!("depth {other} is not known; write 18, 34 or 50"))),
        }
    }
}

impl JsonSchema for Depth {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Depth".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "enum": [18, 34, 50], "description": "18, 34 or 50" })
    }
}

fn unit() -> f64 {
    1.0
}

fn bins() -> u16 {
    256
}

fn hundred() -> usize {
    100
}

fn five() -> usize {
    5
}

fn one() -> usize {
    1
}

fn sixteen() -> usize {
    16
}

fn tenth() -> f64 {
    0.1
}
