//! Categories: values from a closed set, or hashed values of any set.

mod fit;
mod outcomes;

use std::borrow::Cow;
use std::collections::HashMap;

use cupola_spec::{Encoding, Unseen};
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Error;
use crate::examples::{EncodedColumns, ExampleBuilder};
use crate::frame::{Column, Frame, SEND_TRAINED_COLUMNS};

use self::outcomes::FOLDS;

pub(super) use self::fit::CategoryFit;
pub(crate) use self::outcomes::{Outcomes, TargetOutcome, folds};

/// Fitted transform of a category: its index among the training values, or a number that stands for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedCategory {
    /// Name of the column.
    pub column: String,
    /// Values in the order of their index; empty if they are hashed.
    pub categories: Vec<String>,
    /// Encoding of the value.
    pub encode: Encoding,
    /// Treatment of unseen values; `other` adds one last index for unseen and missing values.
    pub unseen: Unseen,
    /// Replacement for a missing value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<String>,
    /// Number of hash buckets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buckets: Option<usize>,
    /// Scaled number of each index, for encodings by one number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<f64>,
    /// Scaled numbers of each index for the training rows of each fold, for target encoding. Only training needs
    /// them, so they are not stored.
    #[serde(skip)]
    pub(super) fold_values: Vec<[f64; FOLDS]>,
}

impl FittedCategory {
    /// Category that becomes its index; missing and unknown values get the one after the last.
    pub(crate) fn of_index(column: String, categories: Vec<String>) -> Self {
        Self {
            column,
            categories,
            encode: Encoding::Index,
            unseen: Unseen::Other,
            fill: None,
            buckets: None,
            values: Vec::new(),
            fold_values: Vec::new(),
        }
    }

    /// Number of indices, including the one for other values.
    pub fn size(&self) -> usize {
        self.buckets.unwrap_or(self.categories.len() + usize::from(self.unseen == Unseen::Other))
    }

    /// Training values; `None` if values are hashed.
    pub fn closed(&self) -> Option<&[String]> {
        self.buckets.is_none().then_some(self.categories.as_slice())
    }

    /// Number of scaled numbers in the table.
    pub(crate) fn numbers(&self) -> usize {
        usize::from(!self.values.is_empty())
    }

    /// Encoded columns in the table.
    pub(crate) fn encoded(&self) -> Option<EncodedColumns> {
        let one_hot = matches!(self.encode, Encoding::OneHot | Encoding::Hash);
        one_hot.then(|| EncodedColumns::OneHot(self.size()))
    }

    /// Size of the index column in the table.
    pub(crate) fn index(&self) -> Option<usize> {
        (self.encode == Encoding::Index).then(|| self.size())
    }

    /// `true` if training rows are encoded by the values of their fold.
    pub(super) fn uses_folds(&self) -> bool {
        !self.fold_values.is_empty()
    }

    /// Writes the columns of all rows. `folds` are the folds of training rows.
    pub(super) fn apply(
        &self,
        frame: &Frame,
        folds: Option<&[usize]>,
        out: &mut ExampleBuilder,
    ) -> Result<(), Error> {
        let values = frame.require(&self.column, SEND_TRAINED_COLUMNS)?;
        let number = (self.numbers() > 0).then(|| out.take_number());
        let at = match self.encode {
            Encoding::OneHot | Encoding::Hash => out.take_one_hot(),
            Encoding::Index => out.take_index(),
            _ => 0,
        };
        let mut lookup = IndexLookup::new(self);
        for row in 0..frame.rows() {
            let index = lookup.index(values, row)?;
            match number {
                Some(number) => {
                    let own = folds.zip(self.fold_values.get(index)).map(|(folds, own)| own[folds[row]]);
                    let value = own.or(self.values.get(index).copied());
                    out.set_dense(row, number, value.unwrap_or_default());
                }
                None => out.set_index(row, at, index),
            }
        }
        Ok(())
    }

    fn unknown_value(&self, row: usize, text: Option<&str>) -> Error {
        let known = self.categories.iter().map(String::as_str);
        let near = text.and_then(|text| cupola_spec::nearest(text, known));
        let remedy = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "send one of the trained values".to_owned(),
        };
        Error::Value {
            row: row + 1,
            column: self.column.clone(),
            expected: format!("one of {} trained values", self.categories.len()),
            found: text.map_or("nothing".to_owned(), |text| format!("`{text}`")),
            remedy,
        }
    }
}

/// Lookup of indices that remembers the last value, since most rows repeat one.
struct IndexLookup<'a> {
    category: &'a FittedCategory,
    indices: HashMap<&'a str, usize, RandomState>,
    last: Option<usize>,
    last_text: String,
}

impl<'a> IndexLookup<'a> {
    fn new(category: &'a FittedCategory) -> Self {
        let indices = category.categories.iter().map(String::as_str).zip(0..).collect();
        Self { category, indices, last: None, last_text: String::new() }
    }

    /// Index of the value in a row.
    fn index(&mut self, values: &Column, row: usize) -> Result<usize, Error> {
        let category = self.category;
        let text = values.text(row).or(category.fill.as_deref().map(Cow::Borrowed));
        if let (Some(text), Some(last)) = (&text, self.last)
            && self.last_text == *text
        {
            return Ok(last);
        }
        let index = match category.buckets {
            // A missing value has the hash of the empty text.
            Some(buckets) => {
                let hash = xxh3_64(text.as_deref().unwrap_or_default().as_bytes());
                usize::try_from(hash % buckets as u64).unwrap_or_default()
            }
            None => match (text.as_deref().and_then(|text| self.indices.get(text)), category.unseen) {
                (Some(index), _) => *index,
                (None, Unseen::Other) => category.categories.len(),
                (None, Unseen::Error) => return Err(category.unknown_value(row, text.as_deref())),
            },
        };
        if let Some(text) = text {
            self.last_text.clear();
            self.last_text.push_str(&text);
            self.last = Some(index);
        }
        Ok(index)
    }
}
