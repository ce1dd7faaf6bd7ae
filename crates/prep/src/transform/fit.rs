//! Fitting of inputs: each observes the training rows, at once or batch by batch.

use cupola_budget::Budget;
use cupola_spec::{Encoding, Fill, Input, Kind, OutlierRule, Scaling};

use super::category::{CategoryFit, TargetOutcome};
use super::date::DateFit;
use super::isolation::{IsolationFit, IsolationOutliers};
use super::media::{FileCell, decode_files, decode_image, decode_sound};
use super::number::NumberFit;
use super::{Donors, FittedInput, FittedNumber, FittedSeries, text};
use crate::error::Error;
use crate::features::ResolvedInput;
use crate::frame::parallel::map_items;
use crate::frame::{Frame, SEND_TRAINED_COLUMNS, required};
use crate::stats::Moments;

/// Input being fitted.
#[derive(Debug)]
pub(crate) enum InputFit {
    /// Numbers.
    Number { input: Input, columns: Vec<NumberFit>, donors: Option<Donors>, forest: Option<IsolationFit> },
    /// Categories.
    Category { input: Input, columns: Vec<CategoryFit> },
    /// Dates.
    Date { input: Input, columns: Vec<DateFit> },
    /// Values that share one scale: an image or a series.
    Scaled { input: Input, columns: Vec<String>, moments: Moments },
    /// Input that was fitted to a sample.
    Done(FittedInput),
}

impl InputFit {
    /// Starts a fit. Texts and windowed series are fitted to `sample`. If `exact`, all values of numbers are stored.
    pub fn new(resolved: &ResolvedInput, sample: &Frame, exact: bool) -> Result<Self, Error> {
        let (input, columns) = (resolved.input.clone(), &resolved.columns);
        Ok(match input.kind {
            Kind::Number => {
                let knn = matches!(&input.fill, Some(Fill::Name(name)) if name == "knn");
                let donors = knn.then(|| Donors::new(columns));
                let columns = columns.iter().map(|column| NumberFit::new(column, exact)).collect();
                let isolation = input.outliers.filter(|outliers| outliers.by == OutlierRule::Isolation);
                let forest = isolation.map(|_| IsolationFit::default());
                Self::Number { input, columns, donors, forest }
            }
            Kind::Category => {
                let policy = input.category();
                let columns = columns.iter().map(|column| CategoryFit::new(column, policy.clone())).collect();
                Self::Category { input, columns }
            }
            Kind::Date => {
                let columns = columns.iter().map(|column| DateFit::new(column, &input)).collect();
                Self::Date { input, columns }
            }
            Kind::Series if input.window.is_some() => {
                let scale = input.scale.unwrap_or(Scaling::Standard);
                let columns = columns.iter().map(|column| FittedSeries::fit(column, scale, sample));
                let columns = columns.collect::<Result<_, _>>()?;
                let window = input.window.unwrap_or(1);
                Self::Done(FittedInput::Window { name: input.name, columns, window })
            }
            Kind::Image | Kind::Series => {
                Self::Scaled { input, columns: columns.clone(), moments: Moments::default() }
            }
            Kind::Text => Self::Done(text::fit(resolved, sample)?),
        })
    }

    /// `true` if the fit needs the outcomes of the rows.
    pub fn needs_outcomes(&self) -> bool {
        matches!(self, Self::Category { input, .. } if input.encode == Some(Encoding::Target))
    }

    /// Adds training rows.
    ///
    /// # Errors
    /// [`Error::Column`] for a missing column, [`Error::Value`] for a value that does not fit its kind.
    pub fn observe(&mut self, frame: &Frame, outcomes: Option<&[TargetOutcome]>) -> Result<(), Error> {
        match self {
            Self::Number { columns, donors, forest, .. } => {
                let observed =
                    map_items(columns.iter_mut().collect(), frame.rows(), |column| column.observe(frame));
                observed.into_iter().collect::<Result<(), Error>>()?;
                let names: Vec<&str> = columns.iter().map(NumberFit::column).collect();
                forest.iter_mut().try_for_each(|forest| forest.observe(&names, frame))?;
                donors.iter_mut().try_for_each(|donors| donors.observe(frame))
            }
            Self::Category { columns, .. } => {
                let observed = map_items(columns.iter_mut().collect(), frame.rows(), |column| {
                    column.observe(frame, outcomes)
                });
                observed.into_iter().collect()
            }
            Self::Date { columns, .. } => columns.iter_mut().try_for_each(|column| column.observe(frame)),
            Self::Scaled { input, columns, moments } => observe_scaled(input, columns, frame, moments),
            Self::Done(_) => Ok(()),
        }
    }

    /// Computes the transform.
    ///
    /// # Errors
    /// [`Error::Input`] for a category without any value.
    pub fn finish(self) -> Result<FittedInput, Error> {
        Ok(match self {
            Self::Number { input, columns, donors, forest } => {
                let rows = columns.iter().map(NumberFit::present).max().unwrap_or(0);
                let columns: Vec<FittedNumber> = map_items(columns, rows, |column| column.finish(&input));
                let fills: Vec<f64> = columns.iter().map(|column| column.fill).collect();
                let isolation = forest.zip(input.outliers).map(|(forest, outliers)| IsolationOutliers {
                    forest: forest.finish(&fills, outliers.limit),
                    action: outliers.action,
                });
                FittedInput::Number { name: input.name, columns, donors, isolation }
            }
            Self::Category { input, columns } => {
                let columns = columns.into_iter().map(CategoryFit::finish).collect::<Result<_, _>>()?;
                FittedInput::Category { name: input.name, columns }
            }
            Self::Date { input, columns } => {
                let columns = columns.into_iter().map(DateFit::finish).collect();
                FittedInput::Date { name: input.name, columns }
            }
            Self::Scaled { input, columns, moments } => finish_scaled(input, columns, &moments),
            Self::Done(fitted) => fitted,
        })
    }
}

/// Adds all values of an image or a series to the moments.
fn observe_scaled(
    input: &Input,
    columns: &[String],
    frame: &Frame,
    moments: &mut Moments,
) -> Result<(), Error> {
    let steps: Option<usize> = input.steps.map(|steps| steps.iter().product());
    let size = input.shape.map(|shape| shape.iter().product()).or(steps);
    let reads_files = columns.len() == 1 && size.is_some_and(|size: usize| size > 1);
    for column in columns {
        let values = frame.require(column, SEND_TRAINED_COLUMNS)?;
        if !reads_files {
            for row in 0..frame.rows() {
                moments.add(required(column, values, row)?);
            }
            continue;
        }
        let budget = Budget::unlimited();
        let decode = |row| {
            let file = FileCell { name: column, column: values, row, budget: &budget };
            match input.shape {
                Some(shape) => decode_image(&file, shape),
                None => decode_sound(&file, steps.unwrap_or(1)),
            }
        };
        decode_files(frame, decode, |_, decoded| decoded.into_iter().for_each(|value| moments.add(value)))?;
    }
    Ok(())
}

fn finish_scaled(input: Input, columns: Vec<String>, moments: &Moments) -> FittedInput {
    let name = input.name;
    if input.kind == Kind::Image {
        let shape = input.shape.unwrap_or([1, 1, columns.len()]);
        let (shift, factor) = moments.scaling(input.scale.unwrap_or(Scaling::MinMax));
        FittedInput::Image { name, columns, shape, shift, factor }
    } else {
        let shape = input.steps.unwrap_or([columns.len(), 1]);
        let (shift, factor) = moments.scaling(input.scale.unwrap_or(Scaling::Standard));
        FittedInput::Series { name, columns, shape, shift, factor }
    }
}
