//! `[[inputs]]`: what the model sees.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Source;
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
    /// For numbers and categories: what stands for a missing value. For numbers `median` (the default),
    /// `mean`, `mode`, `knn` (the mean of the five nearest rows) or a number; for categories `mode` or any
    /// text. Without it a missing category is one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<Fill>,
    /// For numbers: one more column that is 1 where the value is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indicator: Option<bool>,
    /// For numbers: what to do with values far out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outliers: Option<Outliers>,
    /// For numbers: also the product of each pair of its columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interact: Option<bool>,
    /// For dates: which parts of it are numbers. Default: `year`, `month`, `day`, `weekday`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<DatePart>>,
    /// For dates: each part but the year as a point on a circle (sine and cosine), so that December is
    /// next to January.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<bool>,
    /// For dates that are texts: how they are written, such as `%d.%m.%Y` (as strftime). Default: ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// For numbers, series and images. Default: `standard`, `min_max` for images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scaling>,
    /// For categories. Default: `one_hot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode: Option<Encoding>,
    /// For `encode = "hash"`: how many values are told apart. Default: 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    pub buckets: Option<usize>,
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
    /// A date, or a date and time.
    Date,
}

/// What stands for a missing value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Fill {
    /// This number.
    Number(f64),
    /// `median`, `mean`, `mode` or `knn`; for categories `mode` or this text.
    Name(String),
}

/// Values far out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outliers {
    /// What is far out.
    pub by: OutlierRule,
    /// How far: multiples of the interquartile range beyond the quartiles (default 1.5), or standard
    /// deviations from the mean (default 3), or the share of training rows (default 0.01).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// What to do.
    pub action: OutlierAction,
}

/// What is far out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutlierRule {
    /// Beyond the quartiles by a multiple of their distance (Tukey 1977).
    Iqr,
    /// Many standard deviations from the mean.
    ZScore,
    /// Rows whose values of this input, all together, are unlike the others (an isolation forest; Liu, Ting
    /// and Zhou 2008). They are flagged or dropped.
    Isolation,
}

/// What to do with a value far out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutlierAction {
    /// Take the nearest value that is not far out.
    Clip,
    /// Leave it, and add a column that is 1 there.
    Flag,
    /// Treat it as missing.
    Missing,
    /// Do not train on the row; it is predicted and evaluated as any other.
    Drop,
}

/// A part of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DatePart {
    /// Such as 2024.
    Year,
    /// 1 to 12.
    Month,
    /// 1 to 31.
    Day,
    /// 1 (Monday) to 7.
    Weekday,
    /// 1 to 366.
    DayOfYear,
    /// 0 to 23.
    Hour,
    /// 0 to 59.
    Minute,
    /// Seconds since 1970.
    Time,
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
    /// Median 0 and interquartile range 1, as scikit-learn's `RobustScaler`.
    Robust,
    /// To a normal distribution by 1,000 quantiles, as scikit-learn's `QuantileTransformer`.
    Quantile,
    /// To a nearly normal distribution by a power (Yeo and Johnson 2000), then `standard`, as
    /// scikit-learn's `PowerTransformer`.
    Power,
}

/// How a category becomes numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// One column of 0/1 for each value.
    OneHot,
    /// An index into a learned embedding.
    Index,
    /// One number: its place in the order of the values, standardised.
    Ordinal,
    /// One number: its share of the training rows, standardised.
    Frequency,
    /// One number: the mean of the target in the training rows with this value, drawn towards the mean of
    /// all as ten rows would (Micci-Barreca 2001), standardised. A training row's own fold of five is left
    /// out, so it does not see its own target.
    Target,
    /// One column of 0/1 for each of `buckets` hashes: nothing is learned, so the values may be endless.
    Hash,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// How the value becomes numbers.
    pub encode: Encoding,
    /// What to do with values not seen in training.
    pub unseen: Unseen,
    /// Hashes that are told apart.
    pub buckets: usize,
    /// What stands for a missing value; `mode` for the most frequent one.
    pub fill: Option<String>,
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
            fill: None,
            indicator: None,
            outliers: None,
            interact: None,
            parts: None,
            cycle: None,
            format: None,
            scale: None,
            encode: None,
            buckets: None,
            unseen: None,
        }
    }

    /// The category policy, defaults filled in.
    pub fn category(&self) -> Category {
        Category {
            encode: self.encode.unwrap_or(Encoding::OneHot),
            unseen: self.unseen.unwrap_or(Unseen::Other),
            buckets: self.buckets.unwrap_or(64),
            fill: self.fill.as_ref().map(|fill| match fill {
                Fill::Number(number) => number.to_string(),
                Fill::Name(text) => text.clone(),
            }),
        }
    }
}
