//! Columns of a record: inputs by the signature, predictions and probabilities.

use cupola_prep::{
    Column, ColumnType, OutputColumn, PredictedValue, Prediction, PredictionInterval, Predictions, Signature,
};
use cupola_runtime::PredictInput;

use super::RecordPrivacy;

/// Start of the names of columns that are not inputs.
const OWN: &str = "cupola_";

/// Column of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedColumn {
    /// Name: that of an input, `cupola_prediction_TARGET`, `cupola_low_TARGET`, `cupola_high_TARGET` or
    /// `cupola_probability_TARGET_CLASS`.
    pub name: String,
    /// Values, one for each prediction.
    pub values: RecordedValues,
}

/// Values of a column, of a type that depends on the signature alone.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordedValues {
    /// Numbers.
    Numbers(Vec<Option<f64>>),
    /// Categories, texts, dates and pseudonyms.
    Texts(Vec<Option<String>>),
    /// Forecasts and embeddings.
    Lists(Vec<Option<Vec<f64>>>),
}

/// Inputs of some rows. Files, such as pictures, are not recorded, and neither are inputs with a name of the log's own.
pub(super) fn of_inputs(
    signature: &Signature,
    input: &PredictInput,
    rows: &[usize],
    privacy: &RecordPrivacy,
) -> Vec<RecordedColumn> {
    let width = signature.inputs.len();
    let recorded = signature.inputs.iter().enumerate().filter(|(_, own)| {
        own.kind != ColumnType::File && !own.name.starts_with(OWN) && !privacy.drop.contains(&own.name)
    });
    let column = |(index, own): (usize, &cupola_prep::InputColumn)| {
        let hashed = privacy.hash.contains(&own.name);
        let texts = own.kind != ColumnType::Number || hashed;
        let values = if texts {
            let text = |row: &usize| {
                let text = text_at(input, &own.name, index, width, *row)?;
                if hashed { privacy.pseudonyms.as_ref().map(|own| own.of(&text)) } else { Some(text) }
            };
            RecordedValues::Texts(rows.iter().map(text).collect())
        } else {
            let number = |row: &usize| number_at(input, &own.name, index, width, *row);
            RecordedValues::Numbers(rows.iter().map(number).collect())
        };
        RecordedColumn { name: own.name.clone(), values }
    };
    recorded.map(column).collect()
}

fn number_at(input: &PredictInput, name: &str, index: usize, width: usize, row: usize) -> Option<f64> {
    match input {
        PredictInput::Frame(frame) => {
            let column = frame.get(name).filter(|column| row < column.len())?;
            column.number(row).ok().flatten().filter(|number| !number.is_nan())
        }
        PredictInput::Floats(values) => values.get(row * width + index).map(|value| f64::from(*value)),
        PredictInput::Tokens(_) => None,
    }
}

fn text_at(input: &PredictInput, name: &str, index: usize, width: usize, row: usize) -> Option<String> {
    match input {
        PredictInput::Frame(frame) => match frame.get(name).filter(|column| row < column.len())? {
            Column::Number { values, time: true } => time_text(values[row]),
            column => column.text(row).map(std::borrow::Cow::into_owned),
        },
        PredictInput::Floats(values) => values.get(row * width + index).map(ToString::to_string),
        // A text that came as the ids of its tokens.
        PredictInput::Tokens(texts) if index == 0 => {
            texts.get(row).and_then(|tokens| serde_json::to_string(tokens).ok())
        }
        PredictInput::Tokens(_) => None,
    }
}

/// ISO 8601 text of seconds since 1970; `None` for a missing value.
#[allow(clippy::cast_possible_truncation, reason = "a time is far below 2^63 ms; the cast saturates")]
fn time_text(seconds: f64) -> Option<String> {
    let time = seconds.is_finite().then(|| jiff::Timestamp::from_millisecond((seconds * 1e3).round() as i64));
    time?.ok().map(|time| time.to_string())
}

/// Predictions of each target, and the probabilities of its classes. A target that is dropped or hashed as an input is not
/// shown by its prediction either.
pub(super) fn of_predictions(
    signature: &Signature,
    predictions: &[Predictions],
    privacy: &RecordPrivacy,
) -> Vec<RecordedColumn> {
    let mut columns = Vec::new();
    for target in &signature.outputs {
        if privacy.drop.contains(&target.name) || privacy.hash.contains(&target.name) {
            continue;
        }
        let own = || predictions.iter().map(|row| row.get(&target.name));
        let values = match (target.length, target.kind) {
            (Some(_), _) => RecordedValues::Lists(own().map(list).collect()),
            (None, ColumnType::Number) => RecordedValues::Numbers(own().map(number).collect()),
            _ => RecordedValues::Texts(own().map(class).collect()),
        };
        columns.push(RecordedColumn { name: format!("{OWN}prediction_{}", target.name), values });
        for category in target.categories.iter().flatten() {
            let probability = |row: Option<&Prediction>| {
                let probability = row?.probabilities.as_ref()?.get(category)?;
                Some(f64::from(*probability))
            };
            let values = RecordedValues::Numbers(own().map(probability).collect());
            columns.push(RecordedColumn {
                name: format!("{OWN}probability_{}_{category}", target.name),
                values,
            });
        }
    }
    columns
}

/// Bounds of each forecast, lists as the forecasts; no columns without predictions.
pub(super) fn of_bounds(
    predictions: &[Predictions],
    signature: &Signature,
    privacy: &RecordPrivacy,
) -> Vec<RecordedColumn> {
    let is_hidden = |name: &String| privacy.drop.contains(name) || privacy.hash.contains(name);
    let targets = signature.outputs.iter().filter(|own| own.length.is_some() && !is_hidden(&own.name));
    let bound = |target: &OutputColumn, kind: &str, of: fn(&PredictionInterval) -> &PredictedValue| {
        let own = |row: &Predictions| match of(row.get(&target.name)?.interval.as_ref()?) {
            PredictedValue::Numbers(values) => Some(values.clone()),
            _ => None,
        };
        let values = RecordedValues::Lists(predictions.iter().map(own).collect());
        RecordedColumn { name: format!("{OWN}{kind}_{}", target.name), values }
    };
    let columns =
        targets.flat_map(|own| [bound(own, "low", |own| &own.low), bound(own, "high", |own| &own.high)]);
    columns.filter(|_| !predictions.is_empty()).collect()
}

#[allow(clippy::cast_precision_loss, reason = "a class of whole numbers")]
fn number(row: Option<&Prediction>) -> Option<f64> {
    match &row?.value {
        PredictedValue::Integer(value) => Some(*value as f64),
        PredictedValue::Number(value) => Some(*value),
        PredictedValue::Text(_) | PredictedValue::Numbers(_) => None,
    }
}

fn class(row: Option<&Prediction>) -> Option<String> {
    match &row?.value {
        PredictedValue::Integer(value) => Some(value.to_string()),
        PredictedValue::Number(value) => Some(value.to_string()),
        PredictedValue::Text(value) => Some(value.clone()),
        PredictedValue::Numbers(_) => None,
    }
}

fn list(row: Option<&Prediction>) -> Option<Vec<f64>> {
    match &row?.value {
        PredictedValue::Numbers(values) => Some(values.clone()),
        _ => number(row).map(|value| vec![value]),
    }
}

#[cfg(test)]
mod tests {
    use cupola_prep::Frame;
    use indexmap::IndexMap;

    use super::super::Pseudonyms;
    use super::*;

    fn signature() -> Signature {
        serde_json::from_value(serde_json::json!({
            "inputs": [
                {"name": "size", "type": "number", "nullable": true},
                {"name": "email", "type": "text", "nullable": true},
                {"name": "secret", "type": "category", "nullable": true},
                {"name": "cupola_time", "type": "number", "nullable": true},
                {"name": "picture", "type": "file", "nullable": true}
            ],
            "outputs": [{"name": "kind", "type": "category", "categories": ["a", "b"]}]
        }))
        .unwrap()
    }

    #[test]
    fn columns_are_typed_dropped_and_hashed() {
        let mut columns = IndexMap::new();
        columns.insert("size".to_owned(), Column::numbers(vec![9.0, 1.5, f64::NAN]));
        columns.insert("email".to_owned(), Column::texts([Some("x@y"), Some("a@b"), None]));
        columns.insert("secret".to_owned(), Column::texts([Some("s"), Some("s"), Some("s")]));
        let input = PredictInput::Frame(Frame::new(columns));
        let pseudonyms = Pseudonyms::new([7; 32]);
        let privacy = RecordPrivacy {
            drop: vec!["secret".into()],
            hash: vec!["email".into()],
            pseudonyms: Some(pseudonyms.clone()),
        };
        // Two predictions of three rows, in the order of the predictions.
        let found = of_inputs(&signature(), &input, &[1, 2], &privacy);
        let expected = [
            ("size", RecordedValues::Numbers(vec![Some(1.5), None])),
            ("email", RecordedValues::Texts(vec![Some(pseudonyms.of("a@b")), None])),
        ];
        let expected = expected.map(|(name, values)| RecordedColumn { name: name.into(), values });
        assert_eq!(found, expected);
        // Without a key nothing is recorded of a column that must be hashed.
        let found = of_inputs(&signature(), &input, &[1, 2], &RecordPrivacy { pseudonyms: None, ..privacy });
        assert_eq!(found[1].values, RecordedValues::Texts(vec![None, None]));
    }

    #[test]
    fn predictions_have_a_column_of_each_class() {
        let mut row = Prediction::new(PredictedValue::Text("b".into()));
        row.probabilities = Some(IndexMap::from_iter([("a".to_owned(), 0.25), ("b".to_owned(), 0.75)]));
        let predictions = [Predictions::from_iter([("kind".to_owned(), row)])];
        let found = of_predictions(&signature(), &predictions, &RecordPrivacy::default());
        let names: Vec<&str> = found.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(
            names,
            ["cupola_prediction_kind", "cupola_probability_kind_a", "cupola_probability_kind_b"]
        );
        assert_eq!(found[0].values, RecordedValues::Texts(vec![Some("b".into())]));
        assert_eq!(found[2].values, RecordedValues::Numbers(vec![Some(0.75)]));
    }

    #[test]
    fn a_forecast_has_lists_of_its_bounds() {
        let signature: Signature = serde_json::from_value(serde_json::json!({
            "inputs": [], "outputs": [{"name": "sold", "type": "number", "length": 2}], "window": 3
        }))
        .unwrap();
        let mut row = Prediction::new(PredictedValue::Numbers(vec![1.0, 2.0]));
        let list = |values: [f64; 2]| PredictedValue::Numbers(values.to_vec());
        row.interval =
            Some(PredictionInterval { coverage: 0.9, low: list([0.5, 1.0]), high: list([1.5, 3.0]) });
        let rows = [
            Predictions::from_iter([("sold".to_owned(), row)]),
            Predictions::from_iter([("sold".to_owned(), Prediction::new(list([4.0, 5.0])))]),
        ];
        let found = of_bounds(&rows, &signature, &RecordPrivacy::default());
        let column = |name: &str, first: [f64; 2]| RecordedColumn {
            name: name.into(),
            values: RecordedValues::Lists(vec![Some(first.to_vec()), None]),
        };
        assert_eq!(found, [column("cupola_low_sold", [0.5, 1.0]), column("cupola_high_sold", [1.5, 3.0])]);
        assert!(of_bounds(&[], &signature, &RecordPrivacy::default()).is_empty());
        let hidden = RecordPrivacy { drop: vec!["sold".into()], ..RecordPrivacy::default() };
        assert!(of_bounds(&rows, &signature, &hidden).is_empty());
    }
}
