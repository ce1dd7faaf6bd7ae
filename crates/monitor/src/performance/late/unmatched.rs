//! Series that only the predictions or only the table of values has.

use std::collections::BTreeSet;

use super::join::{ActualValue, JoinedForecasts};

/// Keys of series that have no counterpart, such as those of another spelling.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnmatchedSeries {
    /// Series of the predictions that the table does not have.
    pub predicted: Vec<Vec<String>>,
    /// Series of the table that no prediction is about.
    pub table: Vec<Vec<String>>,
}

impl UnmatchedSeries {
    /// Series without a counterpart, in order. A single series without a key always has one.
    pub fn between(predicted: &BTreeSet<Vec<String>>, table: &BTreeSet<Vec<String>>) -> Self {
        let only = |own: &BTreeSet<Vec<String>>, other| -> Vec<Vec<String>> {
            own.difference(other).filter(|key| !key.is_empty()).cloned().collect()
        };
        Self { predicted: only(predicted, table), table: only(table, predicted) }
    }
}

/// Series of a table with a row that has a time, be its value missing or not.
pub fn table_series(values: &[ActualValue]) -> BTreeSet<Vec<String>> {
    values.iter().filter(|row| row.time.is_some()).filter_map(|row| row.series.clone()).collect()
}

impl JoinedForecasts {
    /// Counts the steps without a value of series that the table does not have as absent, since they are not later than the
    /// last value of the table. Returns the series without a counterpart.
    pub fn compare_series(&mut self, table: &BTreeSet<Vec<String>>) -> UnmatchedSeries {
        let predicted = self.forecasts.iter().map(|own| own.series.clone()).collect();
        let found = UnmatchedSeries::between(&predicted, table);
        let of_absent = self.forecasts.iter().zip(&self.pending);
        let absent: u64 = of_absent
            .filter(|(own, _)| found.predicted.binary_search(&own.series).is_ok())
            .map(|(_, pending)| pending)
            .sum();
        self.counts.pending -= absent;
        self.counts.absent = absent;
        self.counts.absent_series = found.predicted.len() as u64;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::performance::late::SeriesForecast;

    fn forecast(series: &[&str], times: &[f64]) -> SeriesForecast {
        SeriesForecast {
            series: series.iter().map(|&own| own.to_owned()).collect(),
            times: times.to_vec(),
            predicted: vec![0.0; times.len()],
            ..SeriesForecast::default()
        }
    }

    fn value(series: &str, time: Option<f64>, value: Option<f64>) -> ActualValue {
        ActualValue { series: Some(vec![series.to_owned()]), time, value }
    }

    #[test]
    fn steps_of_absent_series_are_not_pending() {
        let values = [
            value("a", Some(1.0), Some(5.0)),
            // A row without a value says that the series exists, one without a time does not.
            value("b", Some(1.0), None),
            value("c", None, Some(5.0)),
            value("C", Some(1.0), Some(5.0)),
        ];
        let of = |series: &str| forecast(&[series], &[1.0, 2.0]);
        let mut joined = JoinedForecasts::new(vec![of("a"), of("b"), of("c")], &values);
        assert_eq!((joined.counts.joined, joined.counts.pending, joined.counts.absent), (1, 5, 0));
        let found = joined.compare_series(&table_series(&values));
        assert_eq!(found.predicted, [["c"]]);
        assert_eq!(found.table, [["C"]]);
        let counts = joined.counts;
        assert_eq!((counts.joined, counts.pending, counts.absent, counts.gaps), (1, 3, 2, 0));
        assert_eq!((counts.series, counts.absent_series, counts.series_without_values), (3, 1, 2));
        assert_eq!(counts.steps, counts.joined + counts.pending + counts.absent + counts.gaps);
    }

    #[test]
    fn a_single_series_without_a_key_waits_for_values() {
        let mut joined = JoinedForecasts::new(vec![forecast(&[], &[1.0])], &[]);
        assert_eq!(joined.compare_series(&BTreeSet::new()), UnmatchedSeries::default());
        assert_eq!((joined.counts.pending, joined.counts.absent), (1, 0));
    }
}
