//! Description of raw columns, one by one, for a config that is yet to be written.

use cupola_spec::Data;

use super::nature::{ColumnNature, ValueCounts, nature};
use crate::frame::meaning::{ColumnReading, read_columns};
use crate::frame::{Column, Frame};

/// Description of a raw column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnInspection {
    /// Name of the column.
    pub name: String,
    /// Nature of the values.
    pub nature: ColumnNature,
    /// Number of distinct values.
    pub distinct: usize,
    /// Number of missing values.
    pub missing: usize,
    /// `true` if all present values are whole numbers.
    pub whole: bool,
    /// First value that is not missing, as the source wrote it.
    pub example: Option<String>,
    /// Spelling of the values, or the reason why they have several meanings.
    pub reading: ColumnReading,
}

/// Describes the columns of `frame`, whose rows are as their source delivers them; `data` tells its missing values.
/// It follows the rules of training, but a column that training would refuse is described instead.
pub fn inspect_columns(frame: &Frame, data: &Data) -> Vec<ColumnInspection> {
    let readings = read_columns(frame, data);
    let inspect = |(name, reading): (String, ColumnReading)| {
        let column = frame.get(&name)?;
        let rule = reading.rule();
        let changed = rule.as_ref().and_then(|rule| rule.applied(&name, column, &data.null).ok().flatten());
        let canonical = changed.as_ref().unwrap_or(column);
        let counts = ValueCounts::of(canonical);
        let nature =
            match (&reading, nature(&name, canonical, rule.as_ref(), frame.is_inexact(&name), counts)) {
                (ColumnReading::Contradictory { .. }, _) => {
                    ColumnNature::Unusable("values with several meanings")
                }
                (ColumnReading::AmbiguousDate { .. }, _) => ColumnNature::Date,
                (_, nature) => nature,
            };
        let whole = match canonical {
            Column::Number { values, .. } => {
                values.iter().all(|value| value.is_nan() || value.fract() == 0.0)
            }
            _ => false,
        };
        let example = (0..column.len()).find(|row| !column.is_missing(*row));
        let example = example.and_then(|row| Some(column.text(row)?.into_owned()));
        let ValueCounts { distinct, missing } = counts;
        Some(ColumnInspection { name, nature, distinct, missing, whole, example, reading })
    };
    readings.into_iter().filter_map(inspect).collect()
}

#[cfg(test)]
mod tests {
    use cupola_spec::{Encoding, Source};

    use super::*;
    use crate::frame::meaning::ValueRule;

    fn inspected(texts: &[&str]) -> ColumnInspection {
        let frame = Frame::default().with("x", Column::texts(texts.iter().map(|text| Some(*text))));
        let data = Data::plain(Source::One("x.csv".to_owned()), &[String::new()]);
        inspect_columns(&frame, &data).remove(0)
    }

    #[test]
    fn columns_are_read_as_training_reads_them() {
        let money = inspected(&["$1,250.50", "$3.10", "N/A"]);
        assert_eq!((money.nature, money.missing, money.whole), (ColumnNature::Number, 1, false));
        assert_eq!(money.example.as_deref(), Some("$1,250.50"));
        let dates = inspected(&["31/12/2024", "01/02/2024"]);
        assert_eq!(dates.nature, ColumnNature::Date);
        let format = Some("%d/%m/%Y".to_owned());
        assert_eq!(dates.reading, ColumnReading::Decided(Some(ValueRule::Date { format })));
        assert_eq!(inspected(&["red", "blue", "red"]).nature, ColumnNature::Category(Encoding::OneHot));
    }

    #[test]
    fn columns_that_training_refuses_are_described() {
        let ambiguous = inspected(&["1,234", "12"]);
        assert_eq!(ambiguous.nature, ColumnNature::Number);
        assert_eq!(ambiguous.reading, ColumnReading::AmbiguousNumber { example: "1,234".to_owned() });
        let dates = inspected(&["05/03/2024", "06/04/2024"]);
        assert!(matches!(dates.reading, ColumnReading::AmbiguousDate { .. }), "{dates:?}");
        let mut values: Vec<String> = (0..98).map(|i| i.to_string()).collect();
        values.extend(["lots".to_owned(), "unknown".to_owned()]);
        let mixed = inspected(&values.iter().map(String::as_str).collect::<Vec<_>>());
        let others = vec!["lots".to_owned(), "unknown".to_owned()];
        assert_eq!(mixed.reading, ColumnReading::Mixed { others: Some(others) });
    }
}
