//! Rows of numbers and categories.

use indexmap::IndexSet;

/// Values of the columns of some rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FeatureTable {
    /// Columns of equal length.
    pub columns: Vec<FeatureColumn>,
}

/// Values of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureColumn {
    /// Name.
    pub name: String,
    /// One value for each row.
    pub values: FeatureValues,
}

/// Values of one kind.
#[derive(Debug, Clone, PartialEq)]
pub enum FeatureValues {
    /// Numbers; one that is not finite is missing.
    Numbers(Vec<f64>),
    /// Values of a limited set.
    Categories(FeatureCategories),
}

/// Texts, each stored once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FeatureCategories {
    texts: IndexSet<String>,
    codes: Vec<u32>,
}

impl FeatureCategories {
    /// Code of a missing text.
    const MISSING: u32 = u32::MAX;

    /// Appends a text; `None` if it is missing.
    pub fn push(&mut self, text: Option<&str>) {
        let code = text.map(|text| match self.texts.get_index_of(text) {
            Some(code) => code,
            None => self.texts.insert_full(text.to_owned()).0,
        });
        self.codes.push(code.and_then(|code| u32::try_from(code).ok()).unwrap_or(Self::MISSING));
    }

    /// Texts in the order of their first rows.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(String::as_str)
    }

    /// Number of the text of each row among [`Self::texts`]; `None` if it is missing.
    pub(super) fn codes(&self) -> impl Iterator<Item = Option<usize>> {
        self.codes.iter().map(|code| (*code != Self::MISSING).then_some(*code as usize))
    }

    /// Keeps the rows of even numbers.
    fn halve(&mut self) {
        self.codes = self.codes.iter().copied().step_by(2).collect();
    }
}

impl<'a> FromIterator<Option<&'a str>> for FeatureCategories {
    fn from_iter<T: IntoIterator<Item = Option<&'a str>>>(texts: T) -> Self {
        let mut categories = Self::default();
        texts.into_iter().for_each(|text| categories.push(text));
        categories
    }
}

impl FeatureValues {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Categories(categories) => categories.codes.len(),
        }
    }

    /// `true` without rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FeatureTable {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }

    /// Keeps the rows of even numbers, for tables that outgrow their memory.
    pub fn halve(&mut self) {
        for column in &mut self.columns {
            match &mut column.values {
                FeatureValues::Numbers(values) => {
                    *values = values.iter().copied().step_by(2).collect();
                }
                FeatureValues::Categories(categories) => categories.halve(),
            }
        }
    }
}
