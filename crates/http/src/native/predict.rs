//! `POST /v1/models/{name}/predict`

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use cupola_budget::Budget;
use cupola_prep::{Prediction, Predictions, SeriesLabel};
use cupola_runtime::{
    BulkFormat, ExplainOptions, Explanation, IntervalRequest, LoadedPackage, PredictInput, RowExplanations,
};
use cupola_serving::{Error, Pipeline, PredictRequest, PredictResponse, QUICK_BODY_BYTES, checked_coverage};
use indexmap::IndexMap;
use serde::Serialize;

use super::explain::explain_of_body;
use super::files::FileBody;
use super::interval::interval_of_body;
use super::options::PredictOptions;
use super::unknown::UnknownColumns;
use crate::error::ApiError;
use crate::request::{
    Headers, MODEL_VERSION, RequestBudget, UnreadBody, WARNINGS, format_of, held_response, invalid_lines,
    invalid_rows, name_and_version, no_rows, request_id, timeout, with_request_id,
};
use crate::state::RequestLimits;

#[derive(Serialize)]
struct ResponseBody<'a> {
    model: &'a str,
    version: u64,
    request_id: &'a str,
    predictions: Vec<LabelledPrediction>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// Predictions of one row, or of the window that ends at it.
#[derive(Serialize)]
struct LabelledPrediction {
    /// Key and time of that row, for a model of series.
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<SeriesLabel>,
    /// Name of the file, for a form of files.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(flatten)]
    targets: RowTargets,
}

/// Predictions of a row by the names of the targets.
#[derive(Serialize)]
#[serde(untagged)]
enum RowTargets {
    Plain(Predictions),
    Explained(IndexMap<String, ExplainedPrediction>),
}

#[derive(Serialize)]
struct ExplainedPrediction {
    #[serde(flatten)]
    prediction: Prediction,
    /// `None` for a target that the request does not explain.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
}

impl RowTargets {
    /// Predictions with their explanations, if there are any.
    fn new(predictions: Predictions, explanations: Option<RowExplanations>) -> Self {
        let Some(mut explanations) = explanations else { return Self::Plain(predictions) };
        let explained = predictions.into_iter().map(|(name, prediction)| {
            let explanation = explanations.swap_remove(&name);
            (name, ExplainedPrediction { prediction, explanation })
        });
        Self::Explained(explained.collect())
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::Plain(predictions) => predictions.contains_key(name),
            Self::Explained(predictions) => predictions.contains_key(name),
        }
    }
}

/// Bytes of a body whose parsing takes as long as an empty value of a row.
const VALUE: usize = 8;

/// Reader of a request's rows.
#[derive(Clone)]
struct RowReader {
    /// `None` for rows.
    files: Option<FileBody>,
    /// `None` for `{"rows": [...]}`.
    format: Option<BulkFormat>,
    options: PredictOptions,
}

/// Predictions for rows as JSON, JSON lines, CSV or Arrow; `{name}` may be `NAME:VERSION`.
pub(super) async fn predict(
    State(pipeline): State<Arc<Pipeline>>,
    State(limits): State<RequestLimits>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    RequestBudget(budget): RequestBudget,
    headers: HeaderMap,
    body: UnreadBody,
) -> Response {
    let began = Instant::now();
    let id = request_id(&headers);
    let response = async {
        let (name, version) = name_and_version(&name)?;
        // Whatever the headers are enough to refuse is refused before the body is read.
        pipeline.check_accepting()?;
        let columns = pipeline.catalog().find(name, version)?.model.signature.inputs.len();
        let timeout = timeout(&headers, limits.timeout)?;
        let mut options = PredictOptions::of(query.as_deref())?;
        options.strict |= limits.strict;
        let reader = RowReader { files: FileBody::of(&headers)?, format: format_of(&headers), options };
        let body = body.read().await;
        let metadata = Headers(&headers);
        let request = PredictRequest {
            name,
            version,
            metadata: &metadata,
            id: &id,
            began,
            timeout,
            budget: &budget,
            size: body.as_ref().map_or(0, |body| reader.work(body, columns)),
        };
        respond(&pipeline, &request, &reader, body).await
    };
    let response = response.await.unwrap_or_else(IntoResponse::into_response);
    with_request_id(response, &id)
}

/// Rows of a request.
struct ReadRows {
    input: PredictInput,
    warnings: Vec<String>,
    /// Names of the files of a form, one for each row.
    files: Vec<String>,
}

impl RowReader {
    /// Explanations that the request asks for: in its body of rows, or in its query.
    fn explain(&self, body: Option<&Bytes>) -> Result<Option<ExplainOptions>, ApiError> {
        let in_query = self.options.explain.then(ExplainOptions::default);
        match body {
            Some(body) if self.files.is_none() && self.format.is_none() => {
                Ok(explain_of_body(body)?.or(in_query))
            }
            _ => Ok(in_query),
        }
    }

    /// Intervals that the request asks for: in its body of rows, or in its query.
    fn interval(&self, body: Option<&Bytes>) -> Result<Option<IntervalRequest>, ApiError> {
        match body {
            Some(body) if self.files.is_none() && self.format.is_none() => {
                Ok(interval_of_body(body)?.or(self.options.interval))
            }
            _ => Ok(self.options.interval),
        }
    }

    /// Size of a body by which its work is quick or not: `{}` is a row of all columns.
    fn work(&self, body: &[u8], columns: usize) -> usize {
        if self.files.is_some() {
            return body.len();
        }
        let end = match self.format {
            // A few bytes are any number of rows.
            Some(BulkFormat::Arrow) if body.len() > QUICK_BODY_BYTES => return usize::MAX,
            Some(BulkFormat::Arrow) => return body.len(),
            Some(BulkFormat::Lines | BulkFormat::Csv) => b'\n',
            None => b'}',
        };
        let rows = body.split(|byte| *byte == end).count() - 1;
        body.len().max(rows.saturating_mul(columns).saturating_mul(VALUE))
    }
}

async fn respond(
    pipeline: &Pipeline,
    request: &PredictRequest<'_>,
    reader: &RowReader,
    body: Result<Bytes, ApiError>,
) -> Result<Response, ApiError> {
    let (mut warnings, mut names) = (Vec::new(), Vec::new());
    let explain = reader.explain(body.as_ref().ok())?;
    let interval = reader.interval(body.as_ref().ok())?;
    let mut coverage = None;
    let read = |model: &LoadedPackage| {
        if let Some(options) = &explain {
            model.check_explain(options).map_err(Error::Explain)?;
        }
        coverage = interval.map(|interval| checked_coverage(model, interval)).transpose()?;
        let rows = reader.read(model, &body?, request.budget)?;
        if explain.is_some() && model.horizon().is_none() && model.signature.window.is_none() {
            let count = rows.input.rows(model.signature.inputs.len());
            model.check_explained_rows(count).map_err(Error::Explain)?;
        }
        (warnings, names) = (rows.warnings, rows.files);
        Ok::<_, ApiError>(rows.input)
    };
    let response = pipeline.predict(request, read).await?;
    let explanations = match &explain {
        Some(options) => Some(pipeline.explain(request, &response, options).await?),
        None => None,
    };
    let write = || {
        let mut predictions = response.predictions()?;
        pipeline.record(request.id, &response, &predictions);
        if let Some(coverage) = coverage {
            response.add_intervals(coverage, &mut predictions)?;
        }
        let mut predictions = labelled(&response, predictions, explanations, reader.options.horizon);
        for (prediction, name) in predictions.iter_mut().zip(names) {
            // A target of this name has the key.
            prediction.file = Some(name).filter(|_| !prediction.targets.has("file"));
        }
        if reader.format.is_some() {
            return lines(&response, &predictions, &warnings, request.budget);
        }
        let version = response.version.manifest.version;
        let body =
            ResponseBody { model: request.name, version, request_id: request.id, predictions, warnings };
        let json =
            serde_json::to_vec(&body).map_err(|error| ApiError::inference_failed(error.to_string()))?;
        let headers = [(header::CONTENT_TYPE, "application/json")];
        Ok((headers, held_response(json, request.budget)?).into_response())
    };
    let written = pipeline.answer(&response, request.budget, write).await??;
    pipeline.observe(response);
    Ok(written)
}

/// Predictions with the series that they belong to and the times that they are for; of a forecast the first `horizon`
/// values.
fn labelled(
    response: &PredictResponse,
    mut predictions: Vec<Predictions>,
    explanations: Option<Vec<RowExplanations>>,
    horizon: Option<usize>,
) -> Vec<LabelledPrediction> {
    let model = &response.version.model;
    if let PredictInput::Frame(frame) = &response.input {
        // The rows have been predicted, so they fit the plan.
        let _ = model.add_times(frame, &mut predictions);
    }
    if let Some(horizon) = horizon {
        predictions.iter_mut().flat_map(|row| row.values_mut()).for_each(|one| one.shorten(horizon));
    }
    let labels = match &response.input {
        PredictInput::Frame(frame) => model.plan.series_labels(frame).ok().flatten(),
        _ => None,
    };
    let mut labels = labels.into_iter().flatten();
    let mut explanations = explanations.map(Vec::into_iter);
    let labelled = predictions.into_iter().map(|predictions| {
        // A target of this name has the key.
        let series = labels.next().filter(|_| !predictions.contains_key("series"));
        let explained = explanations.as_mut().map(|rows| rows.next().unwrap_or_default());
        LabelledPrediction { series, file: None, targets: RowTargets::new(predictions, explained) }
    });
    labelled.collect()
}

/// Response of one line per row, with everything else in headers.
fn lines(
    response: &PredictResponse,
    predictions: &[LabelledPrediction],
    warnings: &[String],
    budget: &Budget,
) -> Result<Response, ApiError> {
    let mut lines = Vec::new();
    for prediction in predictions {
        serde_json::to_writer(&mut lines, prediction)
            .map_err(|error| ApiError::inference_failed(error.to_string()))?;
        lines.push(b'\n');
    }
    let version = response.version.manifest.version.to_string();
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson".to_owned()), (MODEL_VERSION, version)];
    let mut response = (headers, held_response(lines, budget)?).into_response();
    if !warnings.is_empty()
        && let Ok(value) = HeaderValue::from_str(&ascii_json(warnings))
    {
        response.headers_mut().insert(WARNINGS, value);
    }
    Ok(response)
}

/// JSON list of texts in printable ASCII, as headers require it.
fn ascii_json(texts: &[String]) -> String {
    let json = serde_json::to_string(texts).unwrap_or_default();
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        if (' '..='~').contains(&letter) {
            out.push(letter);
        } else {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                // Writing to a String does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

impl RowReader {
    /// Rows of a body.
    fn read(&self, model: &LoadedPackage, body: &[u8], budget: &Budget) -> Result<ReadRows, ApiError> {
        let (mut format, mut files) = (self.format, Vec::new());
        let input = match &self.files {
            Some(body_of_files) => {
                let (frame, names) = body_of_files.rows(&model.signature, body, budget)?;
                // Like a table, a form has columns of its own.
                (format, files) = (Some(BulkFormat::Csv), names);
                PredictInput::Frame(frame)
            }
            None => self.parse(model, body, budget)?,
        };
        if input.rows(model.signature.inputs.len()) == 0 {
            return Err(no_rows());
        }
        let unknown = UnknownColumns::of_request(&model.signature, format, body, &input)?;
        if self.options.strict {
            unknown.refuse(&model.signature)?;
        }
        if let Some(horizon) = self.options.horizon {
            model
                .check_horizon(horizon)
                .map_err(|error| ApiError::invalid_value(error.to_string(), "horizon"))?;
        }
        let input = match input {
            PredictInput::Frame(history) if !self.options.all_windows => {
                PredictInput::Frame(model.latest_windows(history, budget).map_err(Error::Row)?)
            }
            input => input,
        };
        Ok(ReadRows { input, warnings: unknown.warnings(&model.signature), files })
    }

    fn parse(&self, model: &LoadedPackage, body: &[u8], budget: &Budget) -> Result<PredictInput, ApiError> {
        let input = match self.format {
            None => model.parse_rows(body, budget),
            Some(format) => model.parse_bulk(format, body, budget).map(PredictInput::Frame),
        };
        input.map_err(|error| match (error, self.format) {
            (cupola_runtime::Error::Body { why }, None) => invalid_rows(body, &why),
            (cupola_runtime::Error::Body { why }, Some(BulkFormat::Lines)) => invalid_lines(body, &why),
            (cupola_runtime::Error::Body { why }, Some(_)) => {
                ApiError::malformed(format!("failed to read the body: {why}"))
            }
            (error, _) => self.invalid_row(model, body, error),
        })
    }

    /// Error of a row. If a column is missing, it names the one that may stand for it.
    fn invalid_row(&self, model: &LoadedPackage, body: &[u8], error: cupola_runtime::Error) -> ApiError {
        let near = match &error {
            cupola_runtime::Error::Value { column, found, .. } if found.starts_with("no such") => {
                UnknownColumns::instead_of(column, &model.signature, self.format, body)
            }
            _ => None,
        };
        let mut error = ApiError::from(Error::Row(error));
        if let Some(near) = near {
            error.message = format!("{} (the request has `{near}`)", error.message);
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_in_headers_are_ascii() {
        let json = ascii_json(&["unknown column `größe\u{7f}😀`".to_owned()]);
        assert!(json.is_ascii() && HeaderValue::from_str(&json).is_ok(), "{json}");
        let back: Vec<String> = serde_json::from_str(&json).unwrap();
        assert_eq!(back, ["unknown column `größe\u{7f}😀`"]);
    }

    #[test]
    fn the_work_of_a_body_counts_its_empty_rows() {
        let work = |format, body: &[u8], columns| {
            RowReader { files: None, format, options: PredictOptions::default() }.work(body, columns)
        };
        assert_eq!(work(None, b"{\"rows\": [{}, {}]}", 1_000), 3 * 1_000 * VALUE);
        assert_eq!(work(None, &[b' '; 500], 10), 500);
        assert_eq!(work(Some(BulkFormat::Csv), b"a\n\n\n", 100), 3 * 100 * VALUE);
        assert_eq!(work(Some(BulkFormat::Arrow), &[0; 100], 100), 100);
        assert_eq!(work(Some(BulkFormat::Arrow), &[0; QUICK_BODY_BYTES + 1], 1), usize::MAX);
    }
}
