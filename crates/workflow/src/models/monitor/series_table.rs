//! Table of the series of a model, with the values that arrived after their prediction.

use cupola_prep::{Error as PrepError, Frame, Plan};
use cupola_spec::{Source, nearest};

use crate::error::Error;
use crate::models::inference::InputRows;
use crate::session::Session;

/// Columns of a table of series that have to be there: key, time and target.
struct SeriesColumns<'a> {
    plan: &'a Plan,
    target: &'a str,
}

impl<'a> SeriesColumns<'a> {
    fn names(&self) -> impl Iterator<Item = &'a str> {
        let order = self.plan.series.iter().flat_map(|order| order.keys.iter().chain(&order.time));
        order.map(String::as_str).chain([self.target])
    }

    /// Names of the columns that rows have, and do not compute.
    fn raw(&self) -> impl Iterator<Item = &'a str> {
        let plan = self.plan;
        self.names().filter(|name| plan.derive.needs(name).is_none())
    }
}

impl Session<'_> {
    /// Rows of the series of a model, of which only key, time and the column `target` have to be there.
    ///
    /// # Errors
    /// [`Error::NoLateColumn`]; a source that cannot be read.
    pub(super) fn read_series(&self, source: &str, plan: &Plan, target: &str) -> Result<InputRows, Error> {
        let columns = SeriesColumns { plan, target };
        let rows = self.read_rows_with(&Source::One(source.to_owned()), plan, &|frame| {
            columns.raw().all(|name| frame.get(name).is_some())
        })?;
        for name in columns.raw() {
            match rows.frame.require(name, "") {
                Err(PrepError::Column { .. }) => {
                    return Err(missing_column(name, source, &rows.frame, &columns));
                }
                found => drop(found?),
            }
        }
        Ok(rows)
    }
}

/// Error of a table without the column of the target.
pub(super) fn missing_target(target: &str, source: &str, frame: &Frame, plan: &Plan) -> Error {
    missing_column(target, source, frame, &SeriesColumns { plan, target })
}

fn missing_column(name: &str, source: &str, frame: &Frame, columns: &SeriesColumns<'_>) -> Error {
    let expected: Vec<String> = columns.names().map(|name| format!("`{name}`")).collect();
    let near = nearest(name, frame.names().filter(|own| !columns.names().any(|name| name == *own)));
    Error::NoLateColumn {
        table: source.to_owned(),
        column: name.to_owned(),
        found: frame.listed_names(),
        near: near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default(),
        expected: expected.join(", "),
    }
}
