//! Performance of a model on data of its use: realised where targets are known, estimated where not.

use cupola_monitor::performance::{
    Cbpe, ChunkPerformance, ChunkRows, Chunking, ClassifierRows, Dle, ErrorKind, ErrorRows,
    realised_classifier, realised_regressor,
};
use cupola_workflow::{ErrorModel, LoadedModel, OutcomeRows, OutcomeSource, Session};
use indexmap::IndexMap;
use jiff::Timestamp;

use super::forecasts::measure_forecasts;
use super::join::{FeedbackCounts, FeedbackTargets};
use super::notes::{tell_feedback, tell_late, tell_versions};
use super::outcome::{PerformanceOutcome, PerformanceRequest, changes, chunking_of_reference, in_order};
use super::unmatched::SeriesMismatch;
use crate::error::Error;

/// Measures the performance of a model. All rows are in memory at once.
///
/// # Errors
/// [`Error::NoRows`], [`Error::NoTargets`] if nothing can be measured; the errors of the workflow for an unknown model or
/// rows that do not fit it, and of monitoring for a reference without targets.
pub fn measure_performance(
    session: &Session<'_>,
    request: &PerformanceRequest<'_>,
) -> Result<PerformanceOutcome, Error> {
    let mut model = session.open_model(&request.model)?;
    if let Some(found) = measure_forecasts(session, &mut model, request)? {
        return Ok(found);
    }
    let mut notes = Vec::new();
    let (rows, feedback) = labelled_rows(session, &mut model, request, &mut notes)?;
    let reference = reference(session, &mut model, request, &rows, &mut notes)?;
    let times: Option<Vec<Option<Timestamp>>> = rows.times.as_ref().map(|times| {
        let time = |time: &Option<i64>| time.and_then(|time| Timestamp::from_millisecond(time).ok());
        times.iter().map(time).collect()
    });
    let chunks = request.chunking.split(rows.predicted.len(), times.as_deref())?;
    let measured = Measured { rows: &rows, chunks: &chunks, reference: reference.as_ref() };
    let (performance, errors) = if rows.classes.is_empty() {
        measured.regressor(request.chunking, &mut notes)?
    } else {
        measured.classifier(request.chunking, &mut notes)?
    };
    let order = in_order(&errors, times.as_deref());
    Ok(PerformanceOutcome {
        package: model.package.label(),
        data: request.source.data.to_owned(),
        target: rows.target.clone(),
        rows: rows.predicted.len(),
        labelled: rows.targets.iter().flatten().count(),
        reference: request.reference.map(str::to_owned),
        feedback,
        chunks: performance,
        changes: changes(&order, !rows.classes.is_empty()),
        late: rows.late,
        unmatched: SeriesMismatch::of(rows.unmatched),
        forecast: None,
        notes,
    })
}

/// Rows with their predictions and the targets that the data, late values and feedback have, and the counts of the feedback.
fn labelled_rows(
    session: &Session<'_>,
    model: &mut LoadedModel,
    request: &PerformanceRequest<'_>,
    notes: &mut Vec<String>,
) -> Result<(OutcomeRows, FeedbackCounts), Error> {
    let source = request.source;
    let mut rows = session.collect_outcomes(model, source, request.reference.is_some())?;
    if rows.predicted.is_empty() {
        return Err(Error::NoRows { data: source.data.to_owned() });
    }
    tell_versions(rows.other_versions, notes);
    if let Some(late) = &rows.late {
        tell_late(late, SeriesMismatch::of(rows.unmatched.clone()).as_ref(), "windows", notes);
    }
    let path = request.feedback.join(format!("{}.jsonl", model.package.manifest.name));
    let mut feedback = FeedbackTargets::read(&path, &rows.target)?;
    if let Some(requests) = rows.requests.take() {
        feedback.join(&requests, &rows.other_requests, &mut rows.targets);
    } else if feedback.counts.lines > 0 {
        notes.push("the data has no `cupola_request`, so feedback does not join it".to_owned());
    }
    tell_feedback(&feedback.counts, notes);
    let has_targets = rows.targets.iter().any(Option::is_some);
    if !has_targets && request.reference.is_none() && source.targets.is_none() {
        return Err(Error::NoTargets { data: source.data.to_owned(), target: rows.target });
    }
    Ok((rows, feedback.counts))
}

/// Rows of the reference; `None` without one.
fn reference(
    session: &Session<'_>,
    model: &mut LoadedModel,
    request: &PerformanceRequest<'_>,
    rows: &OutcomeRows,
    notes: &mut Vec<String>,
) -> Result<Option<OutcomeRows>, Error> {
    let Some(data) = request.reference else {
        notes.push(
            "without --reference there are no estimates and thresholds; give rows with targets that the model was \
             not trained on"
                .to_owned(),
        );
        return Ok(None);
    };
    let source = OutcomeSource { data, targets: None, target: Some(&rows.target) };
    Ok(Some(session.collect_outcomes(model, source, rows.inputs.is_some())?))
}

/// Rows, their chunks, and the reference.
struct Measured<'a> {
    rows: &'a OutcomeRows,
    chunks: &'a [ChunkRows],
    reference: Option<&'a OutcomeRows>,
}

/// Error of each row; `None` without a target.
type RowErrors = Vec<Option<f64>>;

impl Measured<'_> {
    fn classifier(
        &self,
        chunking: Chunking,
        notes: &mut Vec<String>,
    ) -> Result<(Vec<ChunkPerformance>, RowErrors), Error> {
        let (rows, unknown) = classifier_rows(self.rows)?;
        if unknown > 0 {
            notes.push(format!(
                "{unknown} rows have a class that the model does not know; their targets do not count"
            ));
        }
        let error = |(predicted, target): (&Option<String>, &Option<String>)| {
            let wrong = predicted.as_ref()? != target.as_ref()?;
            Some(f64::from(u8::from(wrong)))
        };
        let errors = self.rows.predicted.iter().zip(&self.rows.targets).map(error).collect();
        let performance = match self.reference {
            Some(reference) => {
                let (reference, _) = classifier_rows(reference)?;
                let chunks = chunking_of_reference(chunking).split(reference.len(), None)?;
                Cbpe::fit(&reference, &chunks)?.estimate(&rows, self.chunks)?
            }
            None => realised_classifier(&rows, self.chunks),
        };
        Ok((performance, errors))
    }

    fn regressor(
        &self,
        chunking: Chunking,
        notes: &mut Vec<String>,
    ) -> Result<(Vec<ChunkPerformance>, RowErrors), Error> {
        let mut rows = error_rows(self.rows);
        let error = |(predicted, target): (&f64, &Option<f64>)| {
            target
                .map(|target| ErrorKind::Absolute.of_row(target, *predicted))
                .filter(|error| error.is_finite())
        };
        let errors = rows.predicted.iter().zip(&rows.targets).map(error).collect();
        let performance = match self.reference {
            Some(reference) => {
                rows.expected = self.expected(reference, &rows, notes)?;
                let reference = error_rows(reference);
                let chunks = chunking_of_reference(chunking).split(reference.predicted.len(), None)?;
                Dle::fit(&reference, &chunks)?.estimate(&rows, self.chunks)?
            }
            None => realised_regressor(&rows, self.chunks)?,
        };
        Ok((performance, errors))
    }

    /// Errors that a model of those of the reference expects.
    fn expected(
        &self,
        reference: &OutcomeRows,
        rows: &ErrorRows,
        notes: &mut Vec<String>,
    ) -> Result<IndexMap<ErrorKind, Vec<f64>>, Error> {
        let sides = reference.inputs.as_ref().zip(self.rows.inputs.as_ref());
        let (known, current) = sides.unzip();
        if sides.is_none() {
            let why = [&self.rows.inputs_error, &reference.inputs_error].into_iter().flatten().next();
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            notes.push(format!(
                "errors are estimated from the predictions alone, since the inputs are not columns that the error model \
                 reads{why}"
            ));
        }
        let model = ErrorModel::fit(known, &error_rows(reference))?;
        Ok(model.expect(current, &rows.predicted)?)
    }
}

/// Rows of a classifier, and the number of targets of unknown classes. A row without a prediction counts as incomplete.
fn classifier_rows(rows: &OutcomeRows) -> Result<(ClassifierRows, usize), Error> {
    let numbers = rows.class_numbers();
    let number = |text: &Option<String>| text.as_deref().and_then(|text| numbers.get(text).copied());
    let mut probabilities = rows.probabilities.clone();
    let width = rows.classes.len();
    let mut predicted = Vec::with_capacity(rows.predicted.len());
    for (row, text) in rows.predicted.iter().enumerate() {
        let class = number(text);
        if class.is_none() {
            probabilities[row * width..(row + 1) * width].fill(f64::NAN);
        }
        predicted.push(class.unwrap_or(0));
    }
    let targets: Vec<Option<usize>> = rows.targets.iter().map(number).collect();
    let unknown = rows.targets.iter().flatten().count() - targets.iter().flatten().count();
    Ok((ClassifierRows::new(width, probabilities, predicted, targets)?, unknown))
}

fn error_rows(rows: &OutcomeRows) -> ErrorRows {
    let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<f64>().ok());
    ErrorRows {
        predicted: rows.predicted.iter().map(|text| number(text).unwrap_or(f64::NAN)).collect(),
        targets: rows.targets.iter().map(number).collect(),
        ..ErrorRows::default()
    }
}

#[cfg(test)]
mod tests {
    use cupola_monitor::detect::DetectorKind;

    use super::*;

    #[test]
    fn errors_are_watched_in_the_order_of_time() {
        let time = |second: i64| Timestamp::from_second(second).ok();
        // Late rows come first in the data; their errors have risen.
        let errors: Vec<Option<f64>> =
            (0..2000).map(|row| Some(if row < 1000 { 1.0 } else { 0.0 })).collect();
        let times: Vec<Option<Timestamp>> =
            (0..2000).map(|row| time(if row < 1000 { 5000 + row } else { row })).collect();
        let order = in_order(&errors, Some(&times));
        assert!(order[0].0 < 0.5 && order[1999].0 > 0.5);
        let found = changes(&order, true);
        assert_eq!(found.len(), DetectorKind::ALL.len());
        let adwin = &found[0];
        assert_eq!((adwin.detector, adwin.seen), (DetectorKind::Adwin, 2000));
        let index = adwin.drifts[0].index;
        assert!((1000..1100).contains(&index), "{index}");
        let expected = time(5000 + i64::try_from(index).unwrap() - 1000).map(|time| time.to_string());
        assert_eq!(adwin.drifts[0].time, expected);
        assert!(changes(&order, false).iter().all(|own| !own.detector.needs_bits()));
    }

    #[test]
    fn rows_of_unknown_classes_and_without_predictions_do_not_count() {
        let texts = |texts: [Option<&str>; 3]| texts.map(|text| text.map(str::to_owned)).to_vec();
        let rows = OutcomeRows {
            classes: vec!["no".into(), "yes".into()],
            predicted: texts([Some("yes"), None, Some("no")]),
            probabilities: vec![0.2, 0.8, 0.5, 0.5, 0.9, 0.1],
            targets: texts([Some("yes"), Some("no"), Some("maybe")]),
            ..OutcomeRows::default()
        };
        let (own, unknown) = classifier_rows(&rows).unwrap();
        assert_eq!((own.len(), unknown), (3, 1));
        let chunks = Chunking::Count(1).split(3, None).unwrap();
        let found = realised_classifier(&own, &chunks);
        assert_eq!((found[0].labelled, found[0].metrics["accuracy"].realised), (1, Some(1.0)));
    }
}
