//! Places of the values of each column in an example.

use cupola_spec::Block;
use indexmap::IndexMap;
use indexmap::map::Entry;

use super::Plan;
use crate::examples::EncodedColumns;
use crate::transform::{FittedInput, FittedNumber};

/// Places of one column's values in an example as the network sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnPlaces {
    /// Name of the column.
    pub column: String,
    /// Places among the real values of an example.
    pub dense: Vec<usize>,
    /// Places among the indices of an example.
    pub indices: Vec<usize>,
}

/// First free place of each kind, in the order in which the transforms take them.
struct NextPlace {
    number: usize,
    encoded: usize,
    index: usize,
}

impl Plan {
    /// Places of the columns of numbers, categories, dates and windowed series, in the order of the inputs; a column that several
    /// inputs take has the places of all of them. Images,
    /// series in one row and texts are left out: none of their values means something alone.
    pub fn column_places(&self) -> Vec<ColumnPlaces> {
        let numbers = match self.layout().blocks.first() {
            Some(Block::Table { numbers, .. }) => *numbers,
            _ => 0,
        };
        let mut next = NextPlace { number: 0, encoded: numbers, index: 0 };
        let mut places: Vec<ColumnPlaces> =
            self.inputs.iter().flat_map(|input| next.table_columns(input)).collect();
        places.extend(self.window_columns());
        let mut by_column: IndexMap<String, ColumnPlaces> = IndexMap::with_capacity(places.len());
        for own in places {
            match by_column.entry(own.column.clone()) {
                Entry::Vacant(entry) => {
                    entry.insert(own);
                }
                Entry::Occupied(mut entry) => {
                    entry.get_mut().dense.extend(own.dense);
                    entry.get_mut().indices.extend(own.indices);
                }
            }
        }
        by_column.into_values().collect()
    }

    /// Columns of windows, each of which has one value in every step.
    fn window_columns(&self) -> Vec<ColumnPlaces> {
        let table = self.layout().blocks.into_iter().find(|block| matches!(block, Block::Table { .. }));
        let mut at = table.map_or(0, |block| block.dense_width());
        let mut places = Vec::new();
        for input in &self.inputs {
            if let FittedInput::Window { columns, window, .. } = input {
                places.extend(columns.iter().enumerate().map(|(channel, series)| ColumnPlaces {
                    column: series.column.clone(),
                    dense: (0..*window).map(|step| at + step * columns.len() + channel).collect(),
                    indices: Vec::new(),
                }));
            }
            at += input.block().map_or(0, |block| block.dense_width());
        }
        places
    }
}

impl NextPlace {
    fn table_columns(&mut self, input: &FittedInput) -> Vec<ColumnPlaces> {
        match input {
            FittedInput::Number { columns, .. } => {
                let each = columns.iter().map(|c| self.take(&c.column, c.numbers(), c.encoded(), None));
                let places = each.collect();
                // The flag of outlying rows belongs to no column.
                let own: usize =
                    columns.iter().flat_map(FittedNumber::encoded).map(EncodedColumns::width).sum();
                let all = input.table_columns().into_iter().flat_map(|table| table.encoded);
                self.encoded += all.map(EncodedColumns::width).sum::<usize>() - own;
                places
            }
            FittedInput::Category { columns, .. } => {
                columns.iter().map(|c| self.take(&c.column, c.numbers(), c.encoded(), c.index())).collect()
            }
            FittedInput::Date { columns, .. } => {
                columns.iter().map(|c| self.take(&c.column, c.numbers.len(), c.encoded(), None)).collect()
            }
            FittedInput::Image { .. }
            | FittedInput::Series { .. }
            | FittedInput::Window { .. }
            | FittedInput::Text { .. } => Vec::new(),
        }
    }

    fn take(
        &mut self,
        column: &str,
        numbers: usize,
        encoded: impl IntoIterator<Item = EncodedColumns>,
        index: Option<usize>,
    ) -> ColumnPlaces {
        let encoded: usize = encoded.into_iter().map(EncodedColumns::width).sum();
        let indices = usize::from(index.is_some());
        let dense = (self.number..self.number + numbers).chain(self.encoded..self.encoded + encoded);
        let places = ColumnPlaces {
            column: column.to_owned(),
            dense: dense.collect(),
            indices: (self.index..self.index + indices).collect(),
        };
        self.number += numbers;
        self.encoded += encoded;
        self.index += indices;
        places
    }
}
