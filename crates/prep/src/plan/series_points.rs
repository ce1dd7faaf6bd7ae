//! Series, time and target of single rows, for a join with predictions.

use super::Plan;
use crate::error::Error;
use crate::features::Derivation;
use crate::frame::{Column, Frame};
use crate::split::{ORDER_COLUMNS, Times, series_keys};

/// Series and time of rows, each by itself: no window is needed, and a time may occur twice.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeriesPoints {
    /// Values of the key of each row, empty for a single series; `None` where one is missing.
    pub keys: Vec<Option<Vec<String>>>,
    /// Time of each row: seconds since 1970, or the number itself. NaN where missing.
    pub times: Vec<f64>,
    /// `true` for dates and times, `false` for numbers.
    pub dates: bool,
    /// Column of the target as the plan reads it; `None` if the rows have none, or it was not asked for.
    pub target: Option<Column>,
}

impl Plan {
    /// Series and time of raw rows, which may lack all other columns. `target` is a column to read as well.
    /// `None` for a model whose series have no time.
    ///
    /// # Errors
    /// [`Error::Column`] for a missing column of times or keys, [`Error::Value`] for a value that is not a time.
    pub fn series_points(&self, frame: &Frame, target: Option<&str>) -> Result<Option<SeriesPoints>, Error> {
        let Some((order, time)) = self.series.as_ref().and_then(|order| Some((order, order.time.as_ref()?)))
        else {
            return Ok(None);
        };
        let places = || order.keys.iter().chain([time]).map(String::as_str);
        for name in places().filter(|name| self.derive.needs(name).is_none()) {
            frame.require(name, ORDER_COLUMNS)?;
        }
        let rows = self.derived_columns(frame, &places().chain(target).collect::<Vec<_>>())?;
        let format = order.format.as_deref();
        // A log has typed dates as ISO 8601, whatever the format of texts.
        let times = match Times::of(&rows, time, format) {
            Err(error) if format.is_some() => Times::of(&rows, time, None).map_err(|_| error)?,
            times => times?,
        };
        Ok(Some(SeriesPoints {
            keys: series_keys(&order.keys, &rows)?,
            times: times.values,
            dates: times.dates,
            target: target.and_then(|name| rows.get(name).cloned()),
        }))
    }

    /// Times of the `horizon` rows after a time; `None` for series without a usual step.
    pub fn times_after(&self, time: f64, horizon: usize) -> Option<Vec<f64>> {
        self.frequency?.seconds_after(time, horizon)
    }

    /// Derived rows with the columns of `wanted` that raw rows allow. A computed column is left out if it needs a column
    /// that the rows lack, unless it is wanted.
    fn derived_columns(&self, frame: &Frame, wanted: &[&str]) -> Result<Frame, Error> {
        let is_computed = wanted.iter().any(|name| self.derive.needs(name).is_some());
        let is_possible = |needs: &[(String, bool)]| needs.iter().all(|(name, _)| frame.get(name).is_some());
        let features =
            self.derive.features.iter().filter(|own| {
                is_computed && (wanted.contains(&own.name.as_str()) || is_possible(&own.needs))
            });
        let derive = Derivation { features: features.cloned().collect(), ..self.derive.clone() };
        // Other columns have no say, such as a number that is none.
        let needed = |name: &str| {
            wanted.contains(&name)
                || derive.features.iter().any(|own| own.needs.iter().any(|(needs, _)| needs == name))
        };
        let used = frame.names().filter(|name| needed(name));
        let used = used.filter_map(|name| Some((name.to_owned(), frame.get(name)?.clone()))).collect();
        derive.apply(&self.values.apply(&Frame::new(used), &self.null_texts)?)
    }
}
