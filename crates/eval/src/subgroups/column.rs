use indexmap::IndexMap;

/// Text that stands for the group of the rows without a value.
pub const MISSING: &str = "(missing)";

/// Distinct numbers that each form a group; more are divided into quartiles.
const DISTINCT_NUMBERS: usize = 10;

/// Column whose values divide the rows into groups.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupColumn {
    /// Name of the column.
    pub name: String,
    /// Texts of the values.
    pub labels: Vec<String>,
    /// Index of each row's value in `labels`; `None` if it is missing.
    pub codes: Vec<Option<u32>>,
}

impl GroupColumn {
    /// Column of texts, one for each row; `None` if it is missing.
    pub fn new<T: AsRef<str>>(name: &str, values: impl IntoIterator<Item = Option<T>>) -> Self {
        let mut labels: IndexMap<String, ()> = IndexMap::new();
        let codes = values
            .into_iter()
            .map(|value| {
                let value = value?;
                let value = value.as_ref();
                let index =
                    labels.get_index_of(value).unwrap_or_else(|| labels.insert_full(value.to_owned(), ()).0);
                u32::try_from(index).ok()
            })
            .collect();
        Self { name: name.to_owned(), labels: labels.into_keys().collect(), codes }
    }

    /// Column of numbers; NaN is missing. Up to 10 distinct numbers each form a group, more are divided at their
    /// quartiles into groups such as `<= 28` and `> 28 to 37`.
    pub fn from_numbers(name: &str, values: &[f64]) -> Self {
        // The sum turns a negative zero into zero.
        let mut sorted: Vec<f64> =
            values.iter().filter(|value| !value.is_nan()).map(|value| value + 0.0).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut distinct = sorted.clone();
        distinct.dedup();
        let few = distinct.len() <= DISTINCT_NUMBERS;
        // Upper borders of the groups; the last has none.
        let mut borders = if few {
            distinct
        } else {
            [1, 2, 3].map(|quarter| sorted[(sorted.len() * quarter).div_ceil(4) - 1]).to_vec()
        };
        borders.dedup();
        let labels = if few { borders.iter().map(f64::to_string).collect() } else { bands(&borders) };
        let codes = values
            .iter()
            .map(|value| {
                let code = borders.partition_point(|border| border < value);
                u32::try_from(code).ok().filter(|_| !value.is_nan())
            })
            .collect();
        Self { name: name.to_owned(), labels, codes }
    }

    /// Text of a row's value.
    pub(super) fn text(&self, code: Option<u32>) -> &str {
        code.and_then(|code| self.labels.get(code as usize)).map_or(MISSING, String::as_str)
    }
}

/// Texts of the ranges that end at these borders, and of the last, which has no end.
fn bands(borders: &[f64]) -> Vec<String> {
    let mut labels: Vec<String> =
        borders.windows(2).map(|pair| format!("> {} to {}", pair[0], pair[1])).collect();
    if let (Some(first), Some(last)) = (borders.first(), borders.last()) {
        labels.insert(0, format!("<= {first}"));
        labels.push(format!("> {last}"));
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_numbered_in_their_order() {
        let column = GroupColumn::new("sex", [Some("m"), None, Some("f"), Some("m")]);
        assert_eq!(column.labels, ["m", "f"]);
        assert_eq!(column.codes, [Some(0), None, Some(1), Some(0)]);
        assert_eq!((column.text(Some(1)), column.text(None)), ("f", MISSING));
    }

    #[test]
    fn many_numbers_are_divided_at_their_quartiles() {
        let few = GroupColumn::from_numbers("doors", &[4.0, -0.0, f64::NAN, 4.0, 0.0]);
        assert_eq!(few.labels, ["0", "4"]);
        assert_eq!(few.codes, [Some(1), Some(0), None, Some(1), Some(0)]);
        let ages: Vec<f64> = (1..=40).map(f64::from).chain([f64::NAN, f64::INFINITY]).collect();
        let many = GroupColumn::from_numbers("age", &ages);
        assert_eq!(many.labels, ["<= 11", "> 11 to 21", "> 21 to 31", "> 31"]);
        assert_eq!(many.codes[10..12], [Some(0), Some(1)]);
        assert_eq!(many.codes[40..], [None, Some(3)]);
        // Equal quartiles join.
        let skewed: Vec<f64> = (0..60).map(|row| f64::from((row - 47).max(0))).collect();
        let skewed = GroupColumn::from_numbers("gain", &skewed);
        assert_eq!(skewed.labels, ["<= 0", "> 0"]);
        assert!(GroupColumn::from_numbers("none", &[f64::NAN]).labels.is_empty());
    }
}
