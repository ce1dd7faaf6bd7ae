//! Nature of a raw column: the one rule by which inputs are inferred and configs are drafted.

use std::collections::HashSet;

use cupola_spec::Encoding;

use crate::frame::Column;
use crate::frame::meaning::ValueRule;

/// Most distinct texts of a column that is a category.
const MAX_CATEGORIES: usize = 1000;
/// Most distinct values of a category that is one-hot encoded; larger ones are embedded.
const MAX_ONE_HOT: usize = 64;
/// Fewest rows from which on unique values tell an identifier from a quantity.
const MIN_UNIQUE_ROWS: usize = 20;
/// Words of free text, on average. Names of people and products have fewer.
const PROSE_WORDS: f64 = 5.0;
/// Texts that the words are counted in.
const COUNTED_TEXTS: usize = 1000;

/// Nature of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnNature {
    /// Real numbers.
    Number,
    /// Values of a small set, with the encoding that suits their number.
    Category(Encoding),
    /// Dates, with or without a time of day.
    Date,
    /// Free text.
    Text,
    /// Values that tell rows apart and say nothing else: keys, names, numbers of rows.
    Identifier(&'static str),
    /// Contents of files.
    Files,
    /// Values that no input can use, with the reason.
    Unusable(&'static str),
}

impl ColumnNature {
    /// Encoding that an inferred input declares; one-hot is the default of every category.
    pub(super) fn encoding(self) -> Option<Encoding> {
        match self {
            Self::Category(encode) if encode != Encoding::OneHot => Some(encode),
            _ => None,
        }
    }
}

/// Number of distinct and of missing values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ValueCounts {
    pub distinct: usize,
    pub missing: usize,
}

impl ValueCounts {
    pub fn of(column: &Column) -> Self {
        let (distinct, missing) = match column {
            Column::Number { values, .. } => {
                let present = values.iter().filter(|v| !v.is_nan());
                let distinct: HashSet<u64> = present.map(|v| (v + 0.0).to_bits()).collect();
                (distinct.len(), values.iter().filter(|v| v.is_nan()).count())
            }
            Column::Text(values) => {
                let distinct: HashSet<&str> = values.iter().flatten().collect();
                (distinct.len(), values.iter().filter(Option::is_none).count())
            }
            Column::Bytes(values) => (0, values.iter().filter(Option::is_none).count()),
        };
        Self { distinct, missing }
    }
}

/// Nature of a column whose values have the meaning `rule`; `inexact` if it holds integers that floats do not.
pub(super) fn nature(
    name: &str,
    column: &Column,
    rule: Option<&ValueRule>,
    inexact: bool,
    counts: ValueCounts,
) -> ColumnNature {
    let ValueCounts { distinct, missing } = counts;
    // A column of dates is one whatever type the source gave it.
    let is_date =
        matches!(rule, Some(ValueRule::Date { .. })) || matches!(column, Column::Number { time: true, .. });
    match column {
        Column::Bytes(_) => ColumnNature::Files,
        _ if inexact && !is_date => {
            ColumnNature::Identifier("integers beyond 2^53, of which numbers lose digits; declare a category")
        }
        _ if distinct == 0 => ColumnNature::Unusable("all values are missing"),
        _ if distinct == 1 && missing == 0 => ColumnNature::Unusable("one value throughout"),
        _ if is_date => ColumnNature::Date,
        Column::Number { values, .. } => match numbered(name, values, counts) {
            Some(why) => ColumnNature::Identifier(why),
            None => ColumnNature::Number,
        },
        Column::Text(_) => of_texts(column, counts),
    }
}

fn of_texts(column: &Column, counts: ValueCounts) -> ColumnNature {
    let Column::Text(texts) = column else { return ColumnNature::Number };
    let present = column.len() - counts.missing;
    let distinct = counts.distinct;
    if distinct <= MAX_CATEGORIES && distinct <= 20.max(present / 2) {
        let encode = if distinct > MAX_ONE_HOT { Encoding::Index } else { Encoding::OneHot };
        return ColumnNature::Category(encode);
    }
    if texts.iter().flatten().all(is_time_of_day) {
        return ColumnNature::Unusable("times of day; write dates with the time, or numbers such as hours");
    }
    let counted = || texts.iter().flatten().take(COUNTED_TEXTS);
    let words: usize = counted().map(|text| text.split_whitespace().count()).sum();
    if words as f64 >= PROSE_WORDS * counted().count() as f64 {
        ColumnNature::Text
    } else {
        ColumnNature::Identifier("nearly as many values as rows: an identifier")
    }
}

/// Reason why a column of numbers tells rows apart instead of measuring something; `None` for a quantity.
fn numbered(name: &str, values: &[f64], counts: ValueCounts) -> Option<&'static str> {
    let present = values.len() - counts.missing;
    let whole = values.iter().all(|value| value.is_nan() || value.fract() == 0.0);
    if !whole || present < MIN_UNIQUE_ROWS || counts.distinct * 20 < present * 19 {
        return None;
    }
    let counting = values.windows(2).all(|pair| (pair[1] - pair[0] - 1.0).abs() < f64::EPSILON);
    if counting && is_row_number(name) {
        return Some("counts the rows: an index");
    }
    is_identifier(name).then_some("unique whole numbers: an identifier")
}

/// `true` for a name such as `id`, `customer_id`, `PassengerId` or `uuid`.
pub fn is_identifier(name: &str) -> bool {
    const ALONE: [&str; 6] = ["id", "uuid", "guid", "identifier", "rowid", "objectid"];
    const ENDINGS: [&str; 7] = ["_id", "-id", " id", ".id", "_uuid", "_guid", "_key"];
    let lower = name.trim().to_lowercase();
    let camel = ["Id", "ID"].iter().any(|ending| {
        let before = name.trim().strip_suffix(ending).and_then(|stem| stem.chars().next_back());
        before.is_some_and(char::is_lowercase)
    });
    camel || ALONE.contains(&lower.as_str()) || ENDINGS.iter().any(|ending| lower.ends_with(ending))
}

fn is_row_number(name: &str) -> bool {
    const NAMES: [&str; 12] =
        ["", "#", "index", "idx", "level_0", "row", "row_number", "rownum", "no", "no.", "nr", "sno"];
    let lower = name.trim().to_lowercase();
    NAMES.contains(&lower.as_str()) || lower.starts_with("unnamed: ") || is_identifier(name)
}

/// `true` for a text such as `9:30` or `09:30:15`.
fn is_time_of_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let digits =
        |part: &&str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    (2..=3).contains(&parts.len()) && parts.iter().all(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, column: &Column) -> ColumnNature {
        nature(name, column, None, false, ValueCounts::of(column))
    }

    fn texts(each: impl Fn(usize) -> String) -> Column {
        Column::texts((0..60).map(|row| Some(each(row))))
    }

    fn numbers(each: impl Fn(usize) -> f64) -> Column {
        Column::numbers((0..60).map(each).collect())
    }

    #[test]
    fn times_of_day_are_named_as_such() {
        let ColumnNature::Unusable(why) = of("t", &texts(|minute| format!("9:{minute:02}"))) else {
            panic!("not left out")
        };
        assert!(why.starts_with("times of day"));
        for text in ["9", "9:30 Uhr", "1:2:3:4", "a:b", "123:00"] {
            assert!(!is_time_of_day(text), "{text}");
        }
    }

    #[test]
    #[allow(clippy::cast_precision_loss)]
    fn unique_numbers_are_identifiers_by_their_name_only() {
        let unique = numbers(|row| (row * 7919 % 1009) as f64);
        for name in ["id", "customer_id", "PassengerId", "user ID", "order-id", "uuid"] {
            assert!(matches!(of(name, &unique), ColumnNature::Identifier(_)), "{name}");
        }
        for name in ["price", "paid", "humid", "grid", "Madrid", "area"] {
            assert_eq!(of(name, &unique), ColumnNature::Number, "{name}");
        }
        let counting = numbers(|row| row as f64);
        for name in ["index", "Unnamed: 0", "", "row"] {
            assert_eq!(of(name, &counting), ColumnNature::Identifier("counts the rows: an index"), "{name}");
            assert_eq!(of(name, &unique), ColumnNature::Number, "{name}");
        }
        assert_eq!(of("day", &counting), ColumnNature::Number);
        // Measured, not counted; repeated; too few to tell.
        assert_eq!(of("id", &numbers(|row| row as f64 + 0.5)), ColumnNature::Number);
        assert_eq!(of("id", &numbers(|row| (row / 3) as f64)), ColumnNature::Number);
        assert_eq!(of("id", &Column::numbers(vec![1.0, 2.0, 3.0])), ColumnNature::Number);
    }

    #[test]
    fn unique_texts_are_prose_or_identifiers() {
        let uuid = texts(|row| format!("5f0c{row:04}-9a1b-4c3d-8e7f-0123456789ab"));
        assert!(matches!(of("x", &uuid), ColumnNature::Identifier(_)));
        let names = texts(|row| format!("Braund, Mr. Owen {row}"));
        assert!(matches!(of("name", &names), ColumnNature::Identifier(_)));
        assert_eq!(of("x", &texts(|row| format!("the parcel came late for time {row}"))), ColumnNature::Text);
        assert_eq!(of("x", &texts(|row| format!("c{}", row % 4))), ColumnNature::Category(Encoding::OneHot));
        let dates = texts(|row| format!("{row}"));
        let rule = ValueRule::Date { format: None };
        assert_eq!(nature("x", &dates, Some(&rule), false, ValueCounts::of(&dates)), ColumnNature::Date);
        assert_eq!(
            nature("id", &numbers(|_| 1.0), None, true, ValueCounts { distinct: 9, missing: 0 }),
            ColumnNature::Identifier(
                "integers beyond 2^53, of which numbers lose digits; declare a category"
            )
        );
    }
}
