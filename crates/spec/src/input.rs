//! `[[inputs]]`: what the model sees.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Source;
use crate::model::Family;

/// One input: a column or a group of columns that are treated alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Name of the input; also the column, where `columns` is left out.
    pub name: String,
    /// What the values are.
    pub kind: Kind,
    /// Columns or globs such as `pixel_*`, in the order of the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Source>,
    /// For an image: `[channels, height, width]`; its columns are read in that order, last axis
    /// fastest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<[usize; 3]>,
    /// For a series: `[steps, width]`; its columns are read in that order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<[usize; 2]>,
    /// For a series: so many rows of the table, up to the one that is answered, in place of `steps`;
    /// rows are steps in time, and each column is a number at each of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub window: Option<usize>,
    /// For a text: how it becomes tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// For numbers: encode each by its place among so many bins of equal share
    /// (piecewise-linear; Gorishniy et al. 2022, 3.2), instead of scaling it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 1024))]
    pub bins: Option<usize>,
    /// For an image: random changes in training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augment>,
    /// Where inputs of several kinds meet: the network that makes a vector of this one. Tables need
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<Family>,
    /// For numbers, series and images. Default: `standard`, `min_max` for images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scaling>,
    /// For categories. Default: `one_hot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode: Option<Encoding>,
    /// For categories: what to do with a value that was not in the training split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Unseen>,
}

/// What values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Real numbers.
    Number,
    /// One of a closed set of texts, booleans or codes.
    Category,
    /// A picture, one column for each pixel.
    Image,
    /// Numbers in time, one column for each.
    Series,
    /// Free text.
    Text,
}

/// How a text becomes tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// The algorithm; its vocabulary is learned on the training split.
    #[serde(default = "bpe")]
    pub kind: TokensKind,
    /// Largest vocabulary.
    #[serde(default = "eight_thousand")]
    #[schemars(range(min = 2))]
    pub vocabulary: usize,
    /// Tokens of one example: longer texts are cut, shorter ones padded.
    #[schemars(range(min = 1))]
    pub length: usize,
    /// Whether case is left out.
    #[serde(default)]
    pub lowercase: bool,
    /// A `tokenizer.json` of Hugging Face's tokenizers to use instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Algorithm of a tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokensKind {
    /// Byte-level byte-pair encoding (Sennrich et al. 2016; GPT-2).
    Bpe,
    /// Subwords of words (Schuster and Nakajima 2012; BERT).
    WordPiece,
    /// Whole words, the most frequent ones.
    Word,
    /// Single characters.
    Char,
}

fn bpe() -> TokensKind {
    TokensKind::Bpe
}

fn eight_thousand() -> usize {
    8000
}

/// Random changes of an image in training, drawn for each example and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// Mirror left and right, half of the time.
    #[serde(default)]
    pub flip: bool,
    /// Shift by up to so many pixels in each direction; what comes in is 0. The same as padding and
    /// cropping back.
    #[serde(default)]
    pub crop: usize,
    /// Probability of blanking a rectangle of 2 % to 20 % of the area (Zhong et al. 2020).
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub erase: f64,
}

/// How numbers are scaled; fitted on the training split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// As they are.
    None,
    /// Mean 0 and standard deviation 1 (population), as scikit-learn's `StandardScaler`.
    Standard,
    /// To 0..1 by the smallest and largest value; for an image those of all pixels together.
    MinMax,
}

/// How a category becomes numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// One column of 0/1 for each value.
    OneHot,
    /// An index into a learned embedding.
    Index,
}

/// What to do with a category that was not in the training split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unseen {
    /// Treat it as one extra value, "other", that also stands for missing.
    Other,
    /// Refuse the row.
    Error,
}

/// Declared policy for categories; see [`Encoding`] and [`Unseen`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// How the value becomes numbers.
    pub encode: Encoding,
    /// What to do with values not seen in training.
    pub unseen: Unseen,
}

impl Input {
    /// An input of a kind, all else left to its default.
    pub fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            columns: None,
            shape: None,
            steps: None,
            window: None,
            tokens: None,
            bins: None,
            augment: None,
            encoder: None,
            scale: None,
            encode: None,
            unseen: None,
        }
    }

    /// The category policy, defaults filled in.
    pub fn category(&self) -> Category {
        Category {
            encode: self.encode.unwrap_or(Encoding::OneHot),
            unseen: self.unseen.unwrap_or(Unseen::Other),
        }
    }
}
