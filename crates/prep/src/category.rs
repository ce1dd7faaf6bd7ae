//! Closed sets of values.

use std::collections::{BTreeSet, HashMap};

use cupola_spec::{Encoding, Unseen};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::examples::Filling;
use crate::frame::Frame;
use crate::transform::SEND;

/// A value's index among the categories of the training split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedCategory {
    /// The column.
    pub column: String,
    /// Values in order of their index.
    pub categories: Vec<String>,
    /// One-hot or embedding.
    pub encode: Encoding,
    /// `other` adds one last index for unseen and missing values.
    pub unseen: Unseen,
}

impl FittedCategory {
    pub(crate) fn fit(column: &str, policy: cupola_spec::Category, frame: &Frame) -> Result<Self, Error> {
        let values = frame.require(column, SEND)?;
        let mut seen = BTreeSet::new();
        for row in 0..frame.rows() {
            if let Some(text) = values.text(row) {
                seen.insert(text);
            }
        }
        let categories: Vec<String> = seen.into_iter().collect();
        if categories.is_empty() {
            let why = "all its training values are missing; leave it out".to_owned();
            return Err(Error::Input { input: column.to_owned(), why });
        }
        Ok(Self { column: column.to_owned(), categories, encode: policy.encode, unseen: policy.unseen })
    }

    /// Number of indices, "other" included.
    pub fn size(&self) -> usize {
        self.categories.len() + usize::from(self.unseen == Unseen::Other)
    }

    pub(crate) fn apply(&self, frame: &Frame, out: &mut Filling) -> Result<(), Error> {
        let values = frame.require(&self.column, SEND)?;
        let at = match self.encode {
            Encoding::OneHot => out.take_encoded(self.size()),
            Encoding::Index => out.take_index(),
        };
        let indices: HashMap<&str, usize> =
            self.categories.iter().enumerate().map(|(i, c)| (c.as_str(), i)).collect();
        for row in 0..frame.rows() {
            let text = values.text(row);
            let found = text.as_deref().and_then(|text| indices.get(text)).copied();
            let index = match (found, self.unseen) {
                (Some(index), _) => index,
                (None, Unseen::Other) => self.categories.len(),
                (None, Unseen::Error) => return Err(self.unknown(row, text)),
            };
            match self.encode {
                Encoding::OneHot => out.set_dense(row, at + index, 1.0),
                Encoding::Index => out.set_index(row, at, index),
            }
        }
        Ok(())
    }

    fn unknown(&self, row: usize, text: Option<String>) -> Error {
        let known = self.categories.iter().map(String::as_str);
        let near = text.as_deref().and_then(|text| cupola_spec::nearest(text, known));
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
