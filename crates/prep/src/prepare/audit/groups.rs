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
    Err(Error::GroupColumn { column: by.clone(), near })
}

/// Value of `uncertainty.by` in each of these derived rows; none without that column.
pub(crate) fn group_values(run: &Run, frame: &Frame, rows: &[usize]) -> Result<Vec<String>, Error> {
    let Some(by) = run.uncertainty.as_ref().and_then(|uncertainty| uncertainty.by.as_ref()) else {
        return Ok(Vec::new());
    };
    let values = frame.require(by, "check `uncertainty.by`")?;
    Ok(rows.iter().map(|&row| values.text(row).unwrap_or_default().into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Column;
    use crate::prepare::prepare;

    #[test]
    fn groups_are_of_a_column_that_requests_have() {
        let numbers = || Column::numbers((0..60).map(f64::from).collect());
        let frame = Frame::default().with("shop", numbers()).with("place", numbers()).with("y", numbers());
        let prepared = |by: &str| {
            let text = format!(
                "name='t'\nseed=1\n[data]\nsource='none'\n[model]\nfamily='mlp'\nhidden=[3]\n[split]\nvalid=0.2\ntest=0.2\n[uncertainty]\nmethod='cqr'\nby='{by}'\n[[inputs]]\nname='shop'\nkind='number'\n[[targets]]\nname='y'\nkind='number'"
            );
            let run = cupola_spec::parse("t", &text, &[], &|_| Err(String::new())).unwrap();
            prepare(&run, &frame, None, None).map_err(|error| error.to_string())
        };
        let found = prepared("shop").unwrap();
        assert_eq!(found.calibration_groups.len(), found.rows(crate::SplitPart::Calibrate));
        assert_eq!(found.plan.width(), 3);
        // The column is in the data, so a message that it is not would be false.
        let error = prepared("place").err().unwrap();
        assert!(error.starts_with("`uncertainty.by`: `place` is not an input of the model"), "{error}");
        assert!(prepared("shopp").err().unwrap().contains("did you mean `shop`?"));
    }
}
