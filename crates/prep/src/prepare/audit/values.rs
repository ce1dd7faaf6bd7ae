//! Values of a subgroup column.

use std::collections::HashMap;

use cupola_values::{DecimalMark, parse_number};
use serde::{Deserialize, Serialize};

use crate::frame::Column;

/// Different values of a column beyond which the rest share one label.
const MOST_LABELS: usize = 10_000;
/// Label of all further values.
const OTHER: &str = "(other)";

/// Values of one column for all rows of a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditColumn {
    /// Name of the column.
    pub name: String,
    /// Its values.
    pub values: AuditValues,
}

/// Values of a column: numbers, or texts as indices.
///
/// Prepared rows are saved with postcard, which writes the position of a variant: keep their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AuditValues {
    /// Numbers, NaN where missing.
    Numbers(Vec<f64>),
    /// Texts.
    Labels {
        /// Different texts.
        labels: Vec<String>,
        /// Index of each row's text; `None` where it is missing.
        codes: Vec<Option<u32>>,
    },
}

/// Column that grows row by row. The first rows decide whether it has numbers.
#[derive(Debug)]
pub(super) struct GrowingColumn {
    name: String,
    values: AuditValues,
    index: HashMap<String, u32>,
}

impl GrowingColumn {
    /// Empty column of the kind that `column` has: texts that are all numbers count as numbers.
    pub fn of(name: &str, column: &Column) -> Self {
        let is_number = match column {
            Column::Number { time, .. } => !time,
            Column::Text(texts) => {
                let mut numbers = texts.iter().flatten().map(|text| number_of(text).is_some()).peekable();
                numbers.peek().is_some() && numbers.all(|is_number| is_number)
            }
            Column::Bytes(_) => false,
        };
        let values = if is_number {
            AuditValues::Numbers(Vec::new())
        } else {
            AuditValues::Labels { labels: Vec::new(), codes: Vec::new() }
        };
        Self { name: name.to_owned(), values, index: HashMap::new() }
    }

    /// Appends the values at `rows`.
    pub fn push(&mut self, column: &Column, rows: &[usize]) {
        match &mut self.values {
            AuditValues::Numbers(values) => {
                let number = |row: &usize| match column {
                    Column::Number { values, .. } => values[*row],
                    other => other.text(*row).and_then(|text| number_of(&text)).unwrap_or(f64::NAN),
                };
                values.extend(rows.iter().map(number));
            }
            AuditValues::Labels { labels, codes } => {
                for row in rows {
                    let text = column.text(*row);
                    codes.push(text.map(|text| label_index(&text, labels, &mut self.index)));
                }
            }
        }
    }

    pub fn finish(self) -> AuditColumn {
        AuditColumn { name: self.name, values: self.values }
    }
}

fn number_of(text: &str) -> Option<f64> {
    parse_number(text, DecimalMark::Point)
}

fn label_index(text: &str, labels: &mut Vec<String>, index: &mut HashMap<String, u32>) -> u32 {
    if let Some(found) = index.get(text) {
        return *found;
    }
    let text = if labels.len() < MOST_LABELS { text } else { OTHER };
    let next = u32::try_from(labels.len()).unwrap_or(u32::MAX);
    *index.entry(text.to_owned()).or_insert_with(|| {
        labels.push(text.to_owned());
        next
    })
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "counts and chosen values are exact")]
mod tests {
    use super::*;

    fn grown(column: &Column, rows: &[usize]) -> AuditValues {
        let mut grown = GrowingColumn::of("x", column);
        grown.push(column, rows);
        grown.finish().values
    }

    #[test]
    fn texts_that_are_numbers_are_numbers_and_all_others_labels() {
        let AuditValues::Numbers(found) = grown(&Column::texts([Some("1"), None, Some("2.5")]), &[2, 1, 0])
        else {
            panic!("numbers")
        };
        assert!(found[1].is_nan());
        assert_eq!([found[0], found[2]], [2.5, 1.0]);
        let found = grown(&Column::texts([Some("a"), None, Some("b"), Some("a")]), &[0, 1, 2, 3]);
        let labels = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(found, AuditValues::Labels { labels, codes: vec![Some(0), None, Some(1), Some(0)] });
    }

    #[test]
    fn a_column_of_many_values_has_a_bounded_number_of_labels() {
        let texts = (0..MOST_LABELS + 50).map(|row| Some(format!("v{row}")));
        let column = Column::texts(texts);
        let rows: Vec<usize> = (0..column.len()).collect();
        let AuditValues::Labels { labels, codes } = grown(&column, &rows) else { panic!("labels") };
        assert_eq!(labels.len(), MOST_LABELS + 1);
        assert_eq!(labels.last().map(String::as_str), Some(OTHER));
        assert_eq!(codes[MOST_LABELS + 3], codes[MOST_LABELS + 40]);
    }
}
