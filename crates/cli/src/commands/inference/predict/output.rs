//! Predictions as JSON lines or CSV.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Seek, Write};
use std::path::Path;

use anyhow::Result;
use cupola_prep::{PredictedValue, Prediction, Predictions};
use cupola_registry::StagedFile;
use cupola_runtime::Explanation;
use cupola_workflow::PredictedRows;
use indexmap::IndexMap;
use serde::Serialize;

use crate::failure::of_output;

/// Key of the labels in a line of JSON, unless a target has this name.
const LABELS: &str = "series";
/// Key of the name of a row's file, unless a target has this name.
const FILE: &str = "file";

/// Value of a key of a line. A prediction is written as it is: by way of a JSON value, its probabilities would get the
/// digits of double precision.
#[derive(Serialize)]
#[serde(untagged)]
enum LineEntry<'a> {
    File(&'a str),
    Labels(IndexMap<&'a String, &'a String>),
    Prediction(ExplainedPrediction<'a>),
}

/// Prediction, and its explanation if it was asked for.
#[derive(Serialize)]
struct ExplainedPrediction<'a> {
    #[serde(flatten)]
    prediction: &'a Prediction,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<&'a Explanation>,
}

/// File of predictions that grows by some rows at a time. It appears under its name, or on standard output for `-`, when
/// all rows are predicted; before, it is a temporary file.
pub struct PredictionFile {
    target: Target,
    is_csv: bool,
    has_header: bool,
}

enum Target {
    File(StagedFile),
    StandardOutput(BufWriter<File>),
}

impl PredictionFile {
    pub fn new(path: &str, is_csv: bool) -> Result<Self> {
        let target = match path {
            "-" => Target::StandardOutput(BufWriter::new(tempfile::tempfile()?)),
            path => Target::File(StagedFile::new(Path::new(path)).map_err(of_output("--output"))?),
        };
        Ok(Self { target, is_csv, has_header: false })
    }

    pub fn write(&mut self, rows: &PredictedRows) -> Result<()> {
        let text = if self.is_csv {
            csv(rows, !std::mem::replace(&mut self.has_header, true))?
        } else {
            json_lines(rows)?
        };
        match &mut self.target {
            Target::File(file) => file.write_all(text.as_bytes())?,
            Target::StandardOutput(file) => file.write_all(text.as_bytes())?,
        }
        Ok(())
    }

    pub fn finish(self) -> Result<()> {
        match self.target {
            Target::File(file) => file.commit().map_err(of_output("--output"))?,
            Target::StandardOutput(file) => {
                let mut file = file.into_inner()?;
                file.rewind()?;
                let mut output = std::io::stdout().lock();
                match std::io::copy(&mut file, &mut output).and_then(|_| output.flush()) {
                    // A reader such as `head` has all the rows that it wants.
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                    copied => copied?,
                }
            }
        }
        Ok(())
    }
}

/// One object per prediction. Of a model of series it says in `series` which row the prediction belongs to,
/// and of files, which one in `file`.
fn json_lines(rows: &PredictedRows) -> Result<String> {
    let mut text = String::new();
    let (mut own, mut files) = (rows.labels.rows.iter(), rows.files.iter());
    let mut explanations = rows.explanations.iter();
    for prediction in &rows.predictions {
        let mut line = IndexMap::new();
        if let Some(file) = files.next() {
            line.insert(FILE, LineEntry::File(file));
        }
        if let Some(values) = own.next() {
            line.insert(LABELS, LineEntry::Labels(rows.labels.columns.iter().zip(values).collect()));
        }
        let explained = explanations.next();
        line.extend(prediction.iter().map(|(target, prediction)| {
            let explanation = explained.and_then(|row| row.get(target));
            (target.as_str(), LineEntry::Prediction(ExplainedPrediction { prediction, explanation }))
        }));
        text.push_str(&serde_json::to_string(&line)?);
        text.push('\n');
    }
    Ok(text)
}

/// The name of the file, columns of key and time of a model of series, then columns of each target: its value (a forecast has one for each
/// row ahead), then its probabilities, the threshold and flag of
/// an anomaly, or the times of a forecast.
fn csv(rows: &PredictedRows, with_header: bool) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if let Some(first) = rows.predictions.first().filter(|_| with_header) {
        let file = rows.files.first().map(|_| FILE.to_owned());
        writer
            .write_record(file.into_iter().chain(rows.labels.columns.iter().cloned()).chain(header(first)))?;
    }
    let (mut own, mut files) = (rows.labels.rows.iter(), rows.files.iter());
    for prediction in &rows.predictions {
        let labels = files.next().into_iter().chain(own.next().into_iter().flatten()).cloned();
        writer.write_record(labels.chain(prediction.values().flat_map(fields)))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn header(answer: &Predictions) -> Vec<String> {
    let mut names = Vec::new();
    for (target, prediction) in answer {
        match &prediction.value {
            PredictedValue::Numbers(values) => {
                names.extend((1..=values.len()).map(|step| format!("{target}_{step}")));
            }
            PredictedValue::Integer(_) | PredictedValue::Number(_) | PredictedValue::Text(_) => {
                names.push(target.clone());
            }
        }
        let classes = prediction.probabilities.iter().flat_map(|p| p.keys());
        names.extend(classes.map(|class| format!("{target}_p_{class}")));
        names.extend(interval_names(target, prediction));
        names.extend(prediction.threshold.map(|_| format!("{target}_threshold")));
        names.extend(prediction.anomaly.map(|_| format!("{target}_is_anomaly")));
        names.extend((1..=prediction.timestamps.len()).map(|step| format!("{target}_time_{step}")));
    }
    names
}

/// Columns of an interval, for each step of a forecast, or of a set.
fn interval_names(target: &str, prediction: &Prediction) -> Vec<String> {
    if prediction.set.is_some() {
        return vec![format!("{target}_set")];
    }
    let Some(interval) = &prediction.interval else { return Vec::new() };
    match &interval.low {
        PredictedValue::Numbers(low) => {
            let each =
                ["low", "high"].iter().flat_map(|bound| (1..=low.len()).map(move |step| (bound, step)));
            each.map(|(bound, step)| format!("{target}_{bound}_{step}")).collect()
        }
        _ => vec![format!("{target}_low"), format!("{target}_high")],
    }
}

/// Bounds of an interval, or a set as a JSON list.
fn interval_fields(prediction: &Prediction) -> Vec<String> {
    if let Some(set) = &prediction.set {
        return vec![serde_json::to_string(set).unwrap_or_default()];
    }
    let bounds = prediction.interval.iter().flat_map(|interval| [&interval.low, &interval.high]);
    bounds.flat_map(value_fields).collect()
}

fn fields(prediction: &Prediction) -> Vec<String> {
    let mut fields = value_fields(&prediction.value);
    fields.extend(prediction.probabilities.iter().flat_map(|p| p.values()).map(f32::to_string));
    fields.extend(interval_fields(prediction));
    fields.extend(prediction.threshold.map(|threshold| threshold.to_string()));
    fields.extend(prediction.anomaly.map(|anomaly| anomaly.to_string()));
    fields.extend(prediction.timestamps.iter().cloned());
    fields
}

fn value_fields(value: &PredictedValue) -> Vec<String> {
    match value {
        PredictedValue::Integer(number) => vec![number.to_string()],
        PredictedValue::Number(number) => vec![number.to_string()],
        PredictedValue::Text(label) => vec![label.clone()],
        PredictedValue::Numbers(values) => values.iter().map(f64::to_string).collect(),
    }
}

#[cfg(test)]
mod tests {
    use cupola_workflow::RowLabels;
    use serde_json::Value;

    use super::*;

    fn rows(predictions: &[Predictions], labels: RowLabels, files: &[&str]) -> PredictedRows {
        let files = files.iter().map(ToString::to_string).collect();
        PredictedRows { predictions: predictions.to_vec(), explanations: Vec::new(), labels, files }
    }

    #[test]
    fn a_probability_has_the_digits_of_single_precision() {
        let mut sure = Prediction::new(PredictedValue::Text("a".to_owned()));
        sure.probabilities = Some([("a".to_owned(), 0.9_f32)].into_iter().collect());
        let sure: Predictions = [("y".to_owned(), sure)].into_iter().collect();
        let lines = json_lines(&rows(&[sure], RowLabels::default(), &["a.png"])).unwrap();
        assert_eq!(lines, "{\"file\":\"a.png\",\"y\":{\"value\":\"a\",\"probabilities\":{\"a\":0.9}}}\n");
    }

    #[test]
    fn a_prediction_of_a_series_names_its_row() {
        let value = PredictedValue::Numbers(vec![1.5, 2.0]);
        let one: Predictions = [("y".to_owned(), Prediction::new(value))].into_iter().collect();
        let labels = RowLabels {
            columns: vec!["store".to_owned(), "day".to_owned()],
            rows: vec![vec!["a,b".to_owned(), "2024-01-05".to_owned()]],
        };
        assert_eq!(
            csv(&rows(std::slice::from_ref(&one), labels.clone(), &[]), true).unwrap(),
            "store,day,y_1,y_2\n\"a,b\",2024-01-05,1.5,2\n"
        );
        let line: Value =
            serde_json::from_str(&json_lines(&rows(std::slice::from_ref(&one), labels, &[])).unwrap())
                .unwrap();
        assert_eq!(line["series"], serde_json::json!({ "store": "a,b", "day": "2024-01-05" }));
        assert_eq!(line["y"]["value"], serde_json::json!([1.5, 2.0]));
        let plain = json_lines(&rows(std::slice::from_ref(&one), RowLabels::default(), &["a.png"])).unwrap();
        assert!(!plain.contains("series") && plain.contains("\"file\":\"a.png\""), "{plain}");
        assert!(
            csv(&rows(&[one], RowLabels::default(), &["a.png"]), true)
                .unwrap()
                .starts_with("file,y_1,y_2\na.png,1.5,2")
        );
    }
}
