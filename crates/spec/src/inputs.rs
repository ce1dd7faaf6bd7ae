//! `[[inputs]]`: the inputs of the model.

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

/// One input: a column, or a group of columns that are treated in the same way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Name of the input, and of its column unless `columns` is set.
    pub name: String,
    /// Kind of the values.
    pub kind: Kind,
    /// Columns, or globs such as `pixel_*`, in the order of the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Source>,
    /// Shape of an image, `[channels, height, width]`. Its columns are read in that order, the last axis
    /// fastest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<[usize; 3]>,
    /// Shape of a series, `[steps, width]`. Its columns are read in that order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<[usize; 2]>,
    /// Length of a series in rows of the table, up to the predicted row, in place of `steps`. Each row is a
    /// step in time, and each column is one value of a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub window: Option<usize>,
    /// Tokenizer of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// Number of bins of equal share for a piecewise-linear encoding of numbers (Gorishniy et al. 2022, 3.2),
    /// instead of scaling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 1024))]
    pub bins: Option<usize>,
    /// Random augmentation of an image in training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augment>,
    /// Network that encodes this input as a vector, if there are inputs of several kinds. The columns of a
    /// table need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<Family>,
    /// Replacement of a missing number or category. For numbers `median` (the default), `mean`, `mode`, `knn`
    /// (the mean of the five nearest rows) or a number, and for `gbdt` also `none` (its default), which leaves them
    /// missing; for categories `mode` or any text. Default for categories: a category of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<Fill>,
    /// Add a column that is 1 where a number is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indicator: Option<bool>,
    /// Treatment of outliers among numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outliers: Option<Outliers>,
    /// Add the product of each pair of columns of numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interact: Option<bool>,
    /// Parts of a date that become numbers. Default: `year`, `month`, `day`, `weekday`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<DatePart>>,
    /// Encode each part of a date except the year as a point on a circle (sine and cosine), so that December
    /// is next to January.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<bool>,
    /// Format of dates that are texts, as in strftime, such as `%d.%m.%Y`. Default: ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Scaling of numbers, series and images. Default: `standard`, and `min_max` for images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scaling>,
    /// Encoding of categories. Default: `one_hot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode: Option<Encoding>,
    /// Number of buckets of `encode = "hash"`. Default: 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    pub buckets: Option<usize>,
    /// Treatment of categories that are not in the training split. Default: `other`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Unseen>,
}

/// Kind of the values of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Real numbers.
    Number,
    /// Texts, booleans or codes of a closed set.
    Category,
    /// An image, with one column for each pixel.
    Image,
    /// Numbers in time, with one column for each.
    Series,
    /// Free text.
    Text,
    /// A date, or a date and time.
    Date,
}

impl Input {
    /// An input of a kind with defaults for everything else.
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

    /// Names and globs of the input's columns.
    pub fn column_patterns(&self) -> &[String] {
        self.columns.as_ref().map_or(std::slice::from_ref(&self.name), Source::patterns)
    }

    /// The settings of a category with the defaults filled in.
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
