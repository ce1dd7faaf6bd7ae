//! Rows of several series in the order of time, as windows are cut from them.

use cupola_spec::{Input, Kind, Run};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::times::{ORDER_COLUMNS, Times};
use crate::error::Error;
use crate::frame::Frame;
use crate::frame::meaning::{ValueRule, ValueRules};

/// Columns by which rows are sorted and divided into series, stored in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesOrder {
    /// Column of times; `None` if rows are in the order of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Format of times that are texts; `None` for numbers and ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Columns whose values tell the series apart; empty for a single series.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// One series: the values of its key, and its rows in the order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OneSeries {
    /// Values of the key columns; empty for the only series of a table.
    pub key: Vec<String>,
    /// Indices of its rows in the frame.
    pub rows: Vec<usize>,
}

/// All series of a frame.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SeriesRows {
    /// Series in the order in which their first rows appear.
    pub series: Vec<OneSeries>,
    /// Times of all rows of the frame, if there is a column of them.
    pub times: Option<Times>,
    /// Rows without a time or a key, which belong to no series.
    pub incomplete: Vec<usize>,
}

impl SeriesOrder {
    /// Order of a run with windows; `None` if its rows are one series in their order. `values` has the formats of
    /// dates that were decided from the rows.
    pub(crate) fn of(run: &Run, values: &ValueRules) -> Option<Self> {
        let (time, keys) = (time_column(run, values), run.series.keys());
        if !run.windowed() || time.is_none() && keys.is_empty() {
            return None;
        }
        let (time, format) = time.unzip();
        Some(Self { time, format: format.flatten(), keys: keys.to_vec() })
    }

    /// Divides the rows of a frame into series and sorts each by time.
    ///
    /// # Errors
    /// [`Error::Column`] for a missing column, [`Error::Value`] for a value that is not a time or a time that occurs
    /// twice in one series.
    pub(crate) fn rows(&self, frame: &Frame) -> Result<SeriesRows, Error> {
        let times =
            self.time.as_ref().map(|time| Times::of(frame, time, self.format.as_deref())).transpose()?;
        let (mut series, mut incomplete) = (IndexMap::<Vec<String>, Vec<usize>>::new(), Vec::new());
        for (row, key) in series_keys(&self.keys, frame)?.into_iter().enumerate() {
            let timed = times.as_ref().is_none_or(|times| !times.values[row].is_nan());
            match key.filter(|_| timed) {
                Some(key) => series.entry(key).or_default().push(row),
                None => incomplete.push(row),
            }
        }
        let mut series: Vec<OneSeries> =
            series.into_iter().map(|(key, rows)| OneSeries { key, rows }).collect();
        if let Some(times) = &times {
            // The sort is stable: equal times, which are refused below, stay in the order of their rows.
            for one in &mut series {
                one.rows.sort_by(|a, b| times.values[*a].total_cmp(&times.values[*b]));
            }
            self.check_duplicates(frame, &series, times)?;
        }
        Ok(SeriesRows { series, times, incomplete })
    }

    /// [`Self::rows`] of rows that all have a time and a key, as predictions require.
    ///
    /// # Errors
    /// The errors of [`Self::rows`]; [`Error::Value`] for a missing time or key.
    pub(crate) fn complete_rows(&self, frame: &Frame) -> Result<SeriesRows, Error> {
        let found = self.rows(frame)?;
        let Some(&row) = found.incomplete.first() else { return Ok(found) };
        let missing = |column: &&String| frame.get(column).is_some_and(|values| values.is_missing(row));
        let column = self.keys.iter().chain(&self.time).find(missing).cloned().unwrap_or_default();
        Err(Error::Value {
            row: row + 1,
            column,
            expected: "a value that puts the row into its series".to_owned(),
            found: "nothing".to_owned(),
            remedy: "send it, or leave the row out".to_owned(),
        })
    }

    fn check_duplicates(&self, frame: &Frame, series: &[OneSeries], times: &Times) -> Result<(), Error> {
        let equal = |pair: &&[usize]| times.values[pair[0]].total_cmp(&times.values[pair[1]]).is_eq();
        let mut pairs = series.iter().flat_map(|one| one.rows.windows(2)).filter(equal);
        let Some(first) = pairs.next() else { return Ok(()) };
        let count = 1 + pairs.count();
        let column = self.time.clone().unwrap_or_default();
        let value = frame.get(&column).and_then(|values| values.text(first[1])).unwrap_or_default();
        let (expected, remedy) = if self.keys.is_empty() {
            ("each time once".to_owned(), "name the column that tells the series apart in `series.key`")
        } else {
            (format!("each time once for one `{}`", self.keys.join("`, `")), "remove one of the rows")
        };
        Err(Error::Value {
            row: first[1] + 1,
            found: format!("`{value}` of row {} again ({count} rows repeat a time)", first[0] + 1),
            column,
            expected,
            remedy: format!("{remedy}, or remove equal rows with `clean.duplicates`"),
        })
    }
}

/// Values of the key columns of each row; `None` where one is missing.
///
/// # Errors
/// [`Error::Column`] for a missing column.
pub(crate) fn series_keys(keys: &[String], frame: &Frame) -> Result<Vec<Option<Vec<String>>>, Error> {
    let columns = keys.iter().map(|key| frame.require(key, ORDER_COLUMNS));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let key = |row| columns.iter().map(|column| column.text(row).map(std::borrow::Cow::into_owned)).collect();
    Ok((0..frame.rows()).map(key).collect())
}

/// Column of times of a run, and the format of its texts.
pub(super) fn time_column(run: &Run, values: &ValueRules) -> Option<(String, Option<String>)> {
    let (column, declared) = run.time_column()?;
    let decided = match values.get(column) {
        Some(ValueRule::Date { format }) => format.clone(),
        _ => None,
    };
    // A column that is also an input of dates has the format of that input.
    let is_input =
        |input: &&Input| input.kind == Kind::Date && input.column_patterns().iter().any(|own| own == column);
    let of_input = run.inputs.iter().find(is_input).and_then(|input| input.format.clone());
    Some((column.to_owned(), declared.map(str::to_owned).or(decided).or(of_input)))
}

impl SeriesRows {
    /// One series of all rows in their order.
    pub fn single(rows: usize) -> Self {
        let series = vec![OneSeries { key: Vec::new(), rows: (0..rows).collect() }];
        Self { series, times: None, incomplete: Vec::new() }
    }

    /// The series in the order of their keys, so that the order of the rows does not matter.
    pub fn sorted(mut self) -> Self {
        self.series.sort_by(|a, b| a.key.cmp(&b.key));
        self
    }
}

impl OneSeries {
    /// The rows of the series in their order.
    pub fn of(&self, frame: &Frame) -> Frame {
        let all = self.rows.len() == frame.rows() && self.rows.iter().enumerate().all(|(at, row)| at == *row);
        if all { frame.clone() } else { frame.take(&self.rows) }
    }

    /// The key as a part of a message: `` series `A`: ``, with a blank at the end; empty without a key.
    pub fn label(&self) -> String {
        if self.key.is_empty() { String::new() } else { format!("series `{}`: ", self.key.join("`, `")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Column;

    fn order(keys: &[&str]) -> SeriesOrder {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        SeriesOrder { time: Some("t".to_owned()), format: None, keys }
    }

    fn frame(rows: &[(&str, &str)]) -> Frame {
        let text = |text: &&str| (!text.is_empty()).then(|| (*text).to_owned());
        Frame::default()
            .with("k", Column::texts(rows.iter().map(|(key, _)| text(key))))
            .with("t", Column::texts(rows.iter().map(|(_, time)| text(time))))
    }

    #[test]
    fn rows_are_grouped_by_key_and_sorted_by_time() {
        let frame = frame(&[
            ("b", "2024-01-03"),
            ("a", "2024-01-02"),
            ("b", "2024-01-01"),
            ("", "2024-01-01"),
            ("a", "2023-12-31"),
            ("a", ""),
        ]);
        let found = order(&["k"]).rows(&frame).unwrap();
        let rows: Vec<_> = found.series.iter().map(|one| (one.key[0].as_str(), one.rows.clone())).collect();
        assert_eq!(rows, [("b", vec![2, 0]), ("a", vec![4, 1])]);
        assert_eq!(found.incomplete, [3, 5]);
        assert_eq!(found.sorted().series[0].key, ["a"]);
        let error = order(&["k"]).complete_rows(&frame).unwrap_err().to_string();
        assert!(error.starts_with("row 4, column `k`: expected a value that puts the row into"), "{error}");
    }

    #[test]
    fn a_time_that_occurs_twice_is_refused_unless_a_key_separates_the_rows() {
        let frame =
            frame(&[("a", "2024-01-02"), ("b", "2024-01-01"), ("b", "2024-01-02"), ("a", "2024-01-01")]);
        let error = order(&[]).rows(&frame).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "row 4, column `t`: expected each time once, found `2024-01-01` of row 2 again (2 rows"
            ),
            "{error}"
        );
        assert!(error.contains("`series.key`"), "{error}");
        assert!(order(&["k"]).rows(&frame).is_ok());
    }
}
