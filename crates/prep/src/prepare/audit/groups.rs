//! Groups of rows whose intervals are calibrated apart.

use cupola_spec::{Run, did_you_mean};

use crate::error::Error;
use crate::frame::Frame;
use crate::plan::{Plan, Signature};

/// Checks that requests have the column of `uncertainty.by`, or the columns that it is computed from.
pub(crate) fn check_group_column(run: &Run, plan: &Plan) -> Result<(), Error> {
    let Some(by) = run.uncertainty.as_ref().and_then(|uncertainty| uncertainty.by.as_ref()) else {
        return Ok(());
    };
    let inputs = Signature::of(plan).inputs;
    if inputs.iter().any(|input| input.name == *by) || run.features.iter().any(|own| own.name == *by) {
        return Ok(());
    }
    let near = did_you_mean(by, inputs.iter().map(|input| input.name.as_str()));
    Err(Error::Column {
        column: by.clone(),
        near,
        remedy: "name a column that the model takes in `uncertainty.by`, so that requests have it",
    })
}

/// Value of `uncertainty.by` in each of these derived rows; none without that column.
pub(crate) fn group_values(run: &Run, frame: &Frame, rows: &[usize]) -> Result<Vec<String>, Error> {
    let Some(by) = run.uncertainty.as_ref().and_then(|uncertainty| uncertainty.by.as_ref()) else {
        return Ok(Vec::new());
    };
    let values = frame.require(by, "check `uncertainty.by`")?;
    Ok(rows.iter().map(|&row| values.text(row).unwrap_or_default().into_owned()).collect())
}
