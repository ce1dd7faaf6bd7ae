//! Collection of the values of columns, row by row, in bounded memory.

use std::collections::HashMap;

use super::sample::{NumberCollector, SortedNumbers};
use super::{CategoryReference, ContentSample, SampledTexts, TextReference};

/// Kind of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObservedKind {
    /// Numbers.
    Number,
    /// Values of a limited set.
    Category,
    /// Free texts.
    Text,
}

/// Values of a column, collected.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedColumn {
    /// Number of rows.
    pub rows: u64,
    /// Number of rows with a missing value.
    pub missing: u64,
    /// The others.
    pub values: ObservedValues,
}

/// Values of a column that are not missing.
#[derive(Debug, Clone, PartialEq)]
pub enum ObservedValues {
    /// Numbers.
    Number(SortedNumbers),
    /// Counts of categories.
    Category(CategoryReference),
    /// Lengths and counts of words.
    Text {
        /// Numbers of characters.
        length: SortedNumbers,
        /// Words.
        words: CategoryReference,
        /// Words of a sample of texts; empty if they are not known.
        texts: SampledTexts,
        /// Words of a sample of texts in their order, for a classifier; empty if they are not known.
        contents: ContentSample,
    },
}

/// Collects the values of one column.
#[derive(Debug, Clone)]
pub struct ColumnCollector {
    rows: u64,
    missing: u64,
    values: Collected,
}

#[derive(Debug, Clone)]
enum Collected {
    Number(NumberCollector),
    Category(CategoryCounts),
    Text(Box<CollectedTexts>),
}

#[derive(Debug, Clone)]
struct CollectedTexts {
    length: NumberCollector,
    words: CategoryCounts,
    texts: SampledTexts,
    contents: ContentSample,
}

/// Most words of one text that are counted.
const MOST_WORDS: usize = 2000;

/// Counts of distinct texts, up to a bound.
#[derive(Debug, Clone, Default)]
struct CategoryCounts {
    counts: HashMap<String, u64>,
    other: u64,
}

impl CollectedTexts {
    fn push(&mut self, value: &str) {
        #[allow(clippy::cast_precision_loss, reason = "a text has fewer than 2^53 characters")]
        self.length.push(value.chars().count() as f64);
        let all: Vec<String> = TextReference::words_of(value).take(MOST_WORDS).collect();
        for word in &all {
            self.words.push(word);
        }
        self.texts.push(all.iter().map(String::as_str));
        self.contents.push(value);
    }

    fn finish(self) -> ObservedValues {
        let Self { length, words, texts, contents } = self;
        ObservedValues::Text { length: length.finish(), words: words.finish(), texts, contents }
    }
}

impl ColumnCollector {
    /// Collector that holds at most so many numbers.
    pub fn new(kind: ObservedKind, most_numbers: usize) -> Self {
        let numbers = || NumberCollector::new(most_numbers);
        let values = match kind {
            ObservedKind::Number => Collected::Number(numbers()),
            ObservedKind::Category => Collected::Category(CategoryCounts::default()),
            ObservedKind::Text => Collected::Text(Box::new(CollectedTexts {
                length: numbers(),
                words: CategoryCounts::default(),
                texts: SampledTexts::default(),
                contents: ContentSample::default(),
            })),
        };
        Self { rows: 0, missing: 0, values }
    }

    /// Adds a number; one that is not finite counts as missing, as does any number in a column of another kind.
    pub fn push_number(&mut self, value: Option<f64>) {
        self.rows += 1;
        match (value, &mut self.values) {
            (Some(value), Collected::Number(numbers)) if value.is_finite() => numbers.push(value + 0.0),
            _ => self.missing += 1,
        }
    }

    /// Adds a category or a text; a text in a column of numbers counts as missing.
    pub fn push_text(&mut self, value: Option<&str>) {
        self.rows += 1;
        match (value, &mut self.values) {
            (Some(value), Collected::Category(counts)) => counts.push(value),
            (Some(value), Collected::Text(texts)) => texts.push(value),
            _ => self.missing += 1,
        }
    }

    /// The values so far.
    pub fn finish(self) -> ObservedColumn {
        let values = match self.values {
            Collected::Number(numbers) => ObservedValues::Number(numbers.finish()),
            Collected::Category(counts) => ObservedValues::Category(counts.finish()),
            Collected::Text(texts) => texts.finish(),
        };
        ObservedColumn { rows: self.rows, missing: self.missing, values }
    }
}

impl ObservedColumn {
    /// Number of values that are not missing.
    pub fn count(&self) -> u64 {
        self.rows - self.missing
    }
}

impl CategoryCounts {
    fn push(&mut self, value: &str) {
        if let Some(count) = self.counts.get_mut(value) {
            *count += 1;
        } else if (self.counts.len() as u64) < CategoryReference::MOST_DISTINCT {
            self.counts.insert(value.to_owned(), 1);
        } else {
            self.other += 1;
        }
    }

    fn finish(self) -> CategoryReference {
        let distinct = self.counts.len() as u64;
        let mut values: Vec<(String, u64)> = self.counts.into_iter().collect();
        values.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        CategoryReference { values, other: self.other, distinct }
    }
}
