//! Rows of a source as numbers and categories, for relations between columns.

use cupola_monitor::ObservedKind;
use cupola_monitor::multivariate::{FeatureCategories, FeatureColumn, FeatureTable, FeatureValues};
use cupola_prep::{Column, Frame, Plan, Signature, each_derived};
use cupola_spec::Source;

use super::columns::input_kind;
use super::log::{TIME, files_of, milliseconds};
use crate::error::Error;
use crate::models::inference::{LoadedModel, explained};
use crate::session::Session;

/// Values that are held at once: a quarter of a GiB of numbers.
const MEMORY: usize = 32 << 20;

/// Inputs of a model in the rows of a source.
#[derive(Debug, Clone, Default)]
pub struct CollectedFeatures {
    /// Numbers and categories.
    pub table: FeatureTable,
    /// Times of the predictions in milliseconds since 1970; `None` unless the source is a prediction log.
    pub times: Option<Vec<Option<i64>>>,
    /// Rows of the source for each row of the table: 1 unless there are too many.
    pub every: usize,
}

impl Session<'_> {
    /// Rows of a source as a model reads them, without texts, dates and files. Of more than 32 million values every second, fourth
    /// and so on row is kept.
    ///
    /// # Errors
    /// Sources that cannot be read, rows that do not fit the plan.
    pub fn collect_features(&self, model: &LoadedModel, data: &str) -> Result<CollectedFeatures, Error> {
        let plan = model.predictor.package.plan.clone();
        let rows = self.rows_in_pieces(&Source::One(files_of(data)), &plan)?;
        let exact = plan.exact_columns();
        let frames = |visit: &mut dyn FnMut(Frame) -> Result<(), Error>| {
            rows.each(&mut |batch| {
                visit(Frame::from_batches(rows.schema(), std::slice::from_ref(batch), &exact)?)
            })
        };
        let mut found = Growing::of(&plan);
        let done = each_derived(&plan, &frames, false, &mut |derived, _| {
            found.observe(derived);
            Ok(())
        });
        done.map_err(|error| match error {
            Error::Prepare(error) => explained(error, &plan, rows.origin()).into(),
            other => other,
        })?;
        Ok(found.collected)
    }
}

/// Features that are being collected.
struct Growing {
    collected: CollectedFeatures,
    seen: usize,
}

impl Growing {
    fn of(plan: &Plan) -> Self {
        let column = |name: &str, kind| {
            let values = match kind {
                ObservedKind::Number => FeatureValues::Numbers(Vec::new()),
                ObservedKind::Category => FeatureValues::Categories(FeatureCategories::default()),
                ObservedKind::Text => return None,
            };
            Some(FeatureColumn { name: name.to_owned(), values })
        };
        let inputs = Signature::of(plan).inputs;
        let columns = inputs.iter().filter_map(|input| column(&input.name, input_kind(input.kind)?));
        let table = FeatureTable { columns: columns.collect() };
        Self { collected: CollectedFeatures { table, times: None, every: 1 }, seen: 0 }
    }

    fn observe(&mut self, rows: &Frame) {
        let every = self.collected.every;
        let first = self.seen.next_multiple_of(every) - self.seen;
        for column in &mut self.collected.table.columns {
            let found = rows.get(&column.name);
            let kept = (first..rows.rows()).step_by(every);
            match &mut column.values {
                FeatureValues::Numbers(values) => values.extend(kept.map(|row| number(found, row))),
                FeatureValues::Categories(texts) => {
                    kept.for_each(|row| texts.push(found.and_then(|column| column.text(row)).as_deref()));
                }
            }
        }
        if let Some(column) = rows.get(TIME) {
            let times = self.collected.times.get_or_insert_default();
            times.extend((first..rows.rows()).step_by(every).map(|row| milliseconds(column, row)));
        }
        self.seen += rows.rows();
        let table = &mut self.collected.table;
        while table.rows() > 1 && table.rows() * table.columns.len() > MEMORY {
            table.halve();
            self.collected.every *= 2;
            if let Some(times) = &mut self.collected.times {
                *times = times.iter().copied().step_by(2).collect();
            }
        }
    }
}

/// NaN where missing.
fn number(column: Option<&Column>, row: usize) -> f64 {
    column.and_then(|column| column.number(row).ok().flatten()).unwrap_or(f64::NAN)
}
