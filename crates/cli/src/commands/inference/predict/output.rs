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
pub fn csv(predictions: &[Predictions]) -> String {
    let mut lines = vec![predictions.first().map(header).unwrap_or_default()];
    lines.extend(
        predictions.iter().map(|answer| answer.values().flat_map(fields).collect::<Vec<_>>().join(",")),
    );
    lines.push(String::new());
    lines.join("\n")
}

fn header(answer: &Predictions) -> String {
    let mut names = Vec::new();
    for (target, prediction) in answer {
        match &prediction.value {
            PredictedValue::Numbers(values) => {
                names.extend((1..=values.len()).map(|step| quoted(&format!("{target}_{step}"))));
            }
            PredictedValue::Integer(_) | PredictedValue::Number(_) | PredictedValue::Text(_) => {
                names.push(quoted(target))
            }
        }
        let classes = prediction.probabilities.iter().flat_map(|p| p.keys());
        names.extend(classes.map(|class| quoted(&format!("{target}_p_{class}"))));
    }
    names.join(",")
}

fn fields(prediction: &Prediction) -> Vec<String> {
    let mut fields = match &prediction.value {
        PredictedValue::Integer(number) => vec![number.to_string()],
        PredictedValue::Number(number) => vec![number.to_string()],
        PredictedValue::Text(label) => vec![quoted(label)],
        PredictedValue::Numbers(values) => values.iter().map(f64::to_string).collect(),
    };
    fields.extend(prediction.probabilities.iter().flat_map(|p| p.values()).map(f32::to_string));
    fields
}

/// Field quoted by RFC 4180.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
