//! Learning the transforms: each input sees the training rows, in one piece or in many.

use cupola_spec::{Encoding, Fill, Input, Kind, OutlierRule, Scaling};

use super::category::CategoryFit;
use super::date::DateFit;
use super::isolation::ForestFit;
use super::number::NumberFit;
use super::{Donors, FittedInput, FittedNumber, FittedSeries, Isolation, media, text};
use crate::error::Error;
use crate::features::Resolved;
use crate::frame::{Frame, SEND, pixel};
use crate::stats::Moments;

/// An input that is being fitted.
#[derive(Debug)]
pub(crate) enum InputFit {
    Number {
        input: Input,
        columns: Vec<NumberFit>,
        donors: Option<Donors>,
        forest: Option<ForestFit>,
    },
    Category {
        input: Input,
        columns: Vec<CategoryFit>,
    },
    Date {
        input: Input,
        columns: Vec<DateFit>,
    },
    /// Values of one scale: those of a picture or a series.
    Scaled {
        input: Input,
        columns: Vec<String>,
        moments: Moments,
    },
    /// What is learned of a sample at once.
    Done(FittedInput),
}

impl InputFit {
    /// Begins. Texts and windows are learned of `sample`; of numbers all values are kept if `exact`.
    pub fn new(resolved: &Resolved, sample: &Frame, exact: bool) -> Result<Self, Error> {
        let (input, columns) = (resolved.input.clone(), &resolved.columns);
        Ok(match input.kind {
            Kind::Number => {
                let knn = matches!(&input.fill, Some(Fill::Name(name)) if name == "knn");
                let donors = knn.then(|| Donors::new(columns));
                let columns = columns.iter().map(|column| NumberFit::new(column, exact)).collect();
                let isolated = input.outliers.filter(|outliers| outliers.by == OutlierRule::Isolation);
                let forest = isolated.map(|_| ForestFit::default());
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
                Self::Done(FittedInput::Window {
                    name: input.name,
                    columns,
                    window: input.window.unwrap_or(1),
                })
            }
            Kind::Image | Kind::Series => {
                Self::Scaled { input, columns: columns.clone(), moments: Moments::default() }
            }
            Kind::Text => Self::Done(text::fit(resolved, sample)?),
        })
    }

    /// Whether it needs to know the target.
    pub fn wants_outcomes(&self) -> bool {
        matches!(self, Self::Category { input, .. } if input.encode == Some(Encoding::Target))
    }

    /// Learns of training rows.
    pub fn see(&mut self, frame: &Frame, outcomes: Option<&[(f64, usize)]>) -> Result<(), Error> {
        match self {
            Self::Number { columns, donors, forest, .. } => {
                columns.iter_mut().try_for_each(|column| column.see(frame))?;
                let names: Vec<&str> = columns.iter().map(NumberFit::column).collect();
                forest.iter_mut().try_for_each(|forest| forest.see(&names, frame))?;
                donors.iter_mut().try_for_each(|donors| donors.see(frame))
            }
            Self::Category { columns, .. } => {
                columns.iter_mut().try_for_each(|column| column.see(frame, outcomes))
            }
            Self::Date { columns, .. } => columns.iter_mut().try_for_each(|column| column.see(frame)),
            Self::Scaled { input, columns, moments } => scaled(input, columns, frame, moments),
            Self::Done(_) => Ok(()),
        }
    }

    /// The transform.
    pub fn finish(self) -> Result<FittedInput, Error> {
        Ok(match self {
            Self::Number { input, columns, donors, forest } => {
                let columns: Vec<FittedNumber> =
                    columns.into_iter().map(|column| column.finish(&input)).collect();
                let fills: Vec<f64> = columns.iter().map(|column| column.fill).collect();
                let isolation = forest.zip(input.outliers).map(|(forest, outliers)| Isolation {
                    forest: forest.finish(&fills, outliers.limit),
                    action: outliers.action,
                });
                FittedInput::Number { name: input.name, columns, donors, isolation }
            }
            Self::Category { input, columns } => {
                let columns = columns.into_iter().map(CategoryFit::finish).collect::<Result<_, _>>()?;
                FittedInput::Category { name: input.name, columns }
            }
            Self::Date { input, columns } => FittedInput::Date {
                name: input.name,
                columns: columns.into_iter().map(DateFit::finish).collect(),
            },
            Self::Scaled { input, columns, moments } => {
                let name = input.name.clone();
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
            Self::Done(fitted) => fitted,
        })
    }
}

/// Moments of all values of a picture or a series together.
fn scaled(input: &Input, columns: &[String], frame: &Frame, moments: &mut Moments) -> Result<(), Error> {
    let size =
        input.shape.map(|shape| shape.iter().product()).or(input.steps.map(|steps| steps.iter().product()));
    let of_files = columns.len() == 1 && size.is_some_and(|size: usize| size > 1);
    for column in columns {
        let values = frame.require(column, SEND)?;
        for row in 0..frame.rows() {
            if !of_files {
                moments.add(pixel(column, values, row)?);
                continue;
            }
            let own = match (input.shape, input.steps) {
                (Some(shape), _) => media::picture(column, values, row, shape)?,
                (None, steps) => {
                    media::sound(column, values, row, steps.map_or(1, |steps| steps.iter().product()))?
                }
            };
            for value in own {
                moments.add(value);
            }
        }
    }
    Ok(())
}
