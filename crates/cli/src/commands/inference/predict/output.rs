//! Predictions as JSON lines or CSV.

use anyhow::Result;
use cupola_prep::{PredictedValue, Prediction, Predictions};

pub fn json_lines(predictions: &[Predictions]) -> Result<String> {
    let mut text = String::new();
    for prediction in predictions {
        text.push_str(&serde_json::to_string(prediction)?);
        text.push('\n');
    }
    Ok(text)
}

/// Columns of each target: its value (a forecast has one for each row ahead), then its probabilities.
pub fn csv(predictions: &[Predictions]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if let Some(first) = predictions.first() {
        writer.write_record(header(first))?;
    }
    for prediction in predictions {
        writer.write_record(prediction.values().flat_map(fields))?;
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
    }
    names
}

fn fields(prediction: &Prediction) -> Vec<String> {
    let mut fields = match &prediction.value {
        PredictedValue::Integer(number) => vec![number.to_string()],
        PredictedValue::Number(number) => vec![number.to_string()],
        PredictedValue::Text(label) => vec![label.clone()],
        PredictedValue::Numbers(values) => values.iter().map(f64::to_string).collect(),
    };
    fields.extend(prediction.probabilities.iter().flat_map(|p| p.values()).map(f32::to_string));
    fields
}
