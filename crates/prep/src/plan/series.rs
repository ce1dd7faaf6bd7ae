//! Windows of one or several series of rows.

use cupola_budget::Budget;
use indexmap::IndexMap;

use super::Plan;
use crate::error::Error;
use crate::examples::{ExampleBuilder, Examples};
use crate::frame::{Frame, SEND_TRAINED_COLUMNS, finite};
use crate::split::{OneSeries, SeriesRows};
use crate::target::FittedTarget;
use crate::transform::FittedInput;

/// Columns of key and time with their texts.
pub type SeriesLabel = IndexMap<String, String>;

impl Plan {
    /// Row of the frame that each example of [`Self::apply`] ends at: of each series, in the order in which they
    /// appear, every row but the first `window - 1`, in the order of time. `None` if each row is an example.
    ///
    /// # Errors
    /// The errors of [`Self::apply`] about the columns of time and key.
    pub fn window_ends(&self, frame: &Frame) -> Result<Option<Vec<usize>>, Error> {
        let Some(window) = self.window() else { return Ok(None) };
        let found = self.series_rows(&self.derived(frame)?)?;
        let ends = found.series.iter().flat_map(|one| one.rows.iter().skip(window.max(1) - 1));
        Ok(Some(ends.copied().collect()))
    }

    /// Key and time of the row that each example of [`Self::apply`] ends at; `None` for a model without `[series]`.
    ///
    /// # Errors
    /// As [`Self::window_ends`].
    pub fn series_labels(&self, frame: &Frame) -> Result<Option<Vec<SeriesLabel>>, Error> {
        let Some(order) = &self.series else { return Ok(None) };
        let Some(ends) = self.window_ends(frame)? else { return Ok(None) };
        let columns = || order.keys.iter().chain(&order.time);
        let text = |name: &String, row: usize| {
            frame.get(name).and_then(|column| column.text(row)).unwrap_or_default().into_owned()
        };
        let label = |row: usize| columns().map(|name| (name.clone(), text(name, row))).collect();
        Ok(Some(ends.into_iter().map(label).collect()))
    }

    /// The last window of each series of raw rows, in the order of time, for a forecast of what comes next. A value that
    /// is missing at its beginning is the last one before it. `None` if rows are examples on their own, or a series is
    /// shorter than a window.
    ///
    /// # Errors
    /// The errors of [`Self::apply`] about these rows and the columns of time and key.
    pub fn latest_windows(&self, frame: &Frame) -> Result<Option<Frame>, Error> {
        let Some(window) = self.window().map(|window| window.max(1)) else { return Ok(None) };
        let derived = self.derived(frame)?;
        let found = self.series_rows(&derived)?.series;
        if found.iter().any(|one| one.rows.len() < window) {
            return Ok(None);
        }
        for (name, row) in self.windowed_columns().flat_map(|name| {
            let rows = found.iter().flat_map(|one| &one.rows[one.rows.len() - window..]);
            rows.map(move |row| (name, *row))
        }) {
            finite(name, derived.require(name, SEND_TRAINED_COLUMNS)?, row)?;
        }
        let last = |one: &OneSeries| one.rows[one.rows.len() - window..].to_vec();
        let rows: Vec<usize> = found.iter().flat_map(last).collect();
        let mut out = frame.take(&rows);
        for name in frame.names().map(str::to_owned).collect::<Vec<_>>() {
            let Some(values) = frame.get(&name) else { continue };
            let mut filled = rows.clone();
            for (at, one) in found.iter().enumerate() {
                let first = one.rows.len() - window;
                let present = one.rows[..=first].iter().rfind(|row| !values.is_missing(**row));
                filled[at * window] = present.copied().unwrap_or(one.rows[first]);
            }
            if filled != rows
                && let Some(column) = Frame::default().with(&name, values.clone()).take(&filled).get(&name)
            {
                out = out.with(&name, column.clone());
            }
        }
        Ok(Some(out))
    }

    /// Columns whose values are windows.
    fn windowed_columns(&self) -> impl Iterator<Item = &str> {
        let columns = self.inputs.iter().filter_map(FittedInput::window).flat_map(|(_, columns)| columns);
        columns.map(|column| column.column.as_str())
    }

    /// Times that each example of [`Self::apply`] forecasts; `None` for a model that does not forecast, or whose series
    /// have no time or no usual step.
    ///
    /// # Errors
    /// As [`Self::window_ends`].
    pub fn forecast_times(&self, frame: &Frame) -> Result<Option<Vec<Vec<String>>>, Error> {
        let (Some(order), Some(frequency)) = (&self.series, self.frequency) else { return Ok(None) };
        let FittedTarget::Forecast { horizon, .. } = *self.targets.first() else { return Ok(None) };
        let Some(ends) = self.window_ends(frame)? else { return Ok(None) };
        let Some(times) = self.series_rows(&self.derived(frame)?)?.times else { return Ok(None) };
        let ahead = |row: usize| frequency.times_after(order, frame, row, times.values[row], horizon);
        Ok(ends.into_iter().map(ahead).collect())
    }

    /// Series of derived rows, all of which have a time and a key.
    ///
    /// # Errors
    /// [`Error::Value`] for a time or key that is missing or invalid, or a time that occurs twice in a series.
    pub(crate) fn series_rows(&self, frame: &Frame) -> Result<SeriesRows, Error> {
        match &self.series {
            Some(order) => order.complete_rows(frame),
            None => Ok(SeriesRows::single(frame.rows())),
        }
    }

    /// Transforms the windows of all series of derived rows to compact examples.
    pub(super) fn encode_series(&self, frame: &Frame, budget: &Budget) -> Result<Examples, Error> {
        let mut all = Examples::zeros(self.compact_layout().compact, 0);
        for one in self.series_rows(frame)?.series {
            budget.check()?;
            all.append(self.encode_windows(frame, &one)?);
        }
        Ok(all)
    }

    /// Transforms the windows of one series to compact examples: one that ends at each of its rows but the first
    /// `window - 1`.
    ///
    /// # Errors
    /// [`Error::Input`] for fewer rows than a window, [`Error::Value`] for the first value that does not fit.
    pub(crate) fn encode_windows(&self, frame: &Frame, one: &OneSeries) -> Result<Examples, Error> {
        let window = self.window().unwrap_or(1).max(1);
        if one.rows.len() < window {
            let why = format!(
                "{}a window requires {window} rows, found {}; send the latest rows{}",
                one.label(),
                one.rows.len(),
                if self.series.is_some() { "" } else { ", in order" }
            );
            return Err(Error::Input { input: self.targets.first().name().to_owned(), why });
        }
        let rows = one.of(frame);
        let ends = frame.take(&one.rows[window - 1..]);
        let mut out = ExampleBuilder::new(&self.compact_layout(), ends.rows());
        for input in &self.inputs {
            let windowed = input.window().is_some();
            let first = if windowed { 0 } else { window - 1 };
            input
                .apply(if windowed { &rows } else { &ends }, None, &mut out)
                .map_err(|error| error.row_of(&one.rows[first..]))?;
        }
        Ok(out.finish())
    }
}
