//! `[[inputs]]`: what the model sees.

mod category;
mod date;
mod image;
mod number;
mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::category::{Category, Encoding, Unseen};
pub use self::date::DatePart;
pub use self::image::Augment;
pub use self::number::{Fill, OutlierAction, OutlierRule, Outliers, Scaling};
pub use self::text::{Tokens, TokensKind};
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
