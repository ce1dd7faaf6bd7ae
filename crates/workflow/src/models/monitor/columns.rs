//! Columns of a model that are monitored.

use cupola_monitor::{ColumnCollector, ColumnRole, NamedColumn, ObservedKind};
use cupola_prep::{
    Column, ColumnType, FittedInput, FittedTarget, Frame, PictureMeasures, Plan, PredictedValue, Prediction,
    Predictions, Signature, number_text,
};

use super::log::TIME;

/// Most inputs that are monitored: those of wider tables that come first.
const MOST_INPUTS: usize = 1000;
/// Most classes whose probabilities are monitored.
const MOST_CLASSES: usize = 20;

/// Column that is being collected.
struct Growing {
    name: String,
    role: ColumnRole,
    class: Option<String>,
    kind: ObservedKind,
    values: ColumnCollector,
    /// Values that are pseudonyms of the prediction log, and others.
    pseudonyms: [u64; 2],
}

/// Measures of the pictures of an input that are being collected.
struct GrowingPictures {
    input: FittedInput,
    measures: Vec<Growing>,
}

/// Collectors of the inputs, targets and predictions of a model.
pub(super) struct MonitoredColumns {
    inputs: Vec<Growing>,
    pictures: Vec<GrowingPictures>,
    targets: Vec<Growing>,
    predictions: Vec<Growing>,
    probabilities: Vec<Growing>,
}

impl MonitoredColumns {
    /// Collectors for the columns of a plan. Numbers of all columns together take at most `memory` values.
    pub fn of(plan: &Plan, memory: usize) -> Self {
        let signature = Signature::of(plan);
        let kinds =
            signature.inputs.iter().filter_map(|input| Some((input.name.as_str(), input_kind(input.kind)?)));
        let kinds: Vec<(&str, ObservedKind)> = kinds.take(MOST_INPUTS).collect();
        let most = (memory / (kinds.len() + 2 * MOST_CLASSES)).max(1000);
        let growing = |name: &str, role, class, kind| Growing::new((name, role, class), kind, most);
        let outputs = plan.targets.iter().filter_map(|target| Some((target, target_kind(target)?)));
        let outputs: Vec<(&FittedTarget, ObservedKind)> = outputs.collect();
        // Grades are compared within their group, which requests do not have.
        let compared = outputs.iter().filter(|(target, _)| target.group().is_none());
        let with_column = compared.filter_map(|(target, kind)| Some((target.column()?, *kind)));
        let classes = outputs.iter().flat_map(|(target, _)| match target {
            FittedTarget::Category { classes, .. } if classes.len() <= MOST_CLASSES => {
                classes.iter().map(|class| (target.name(), class.as_str())).collect()
            }
            _ => Vec::new(),
        });
        Self {
            inputs: kinds.iter().map(|(name, kind)| growing(name, ColumnRole::Input, None, *kind)).collect(),
            pictures: plan.inputs.iter().filter_map(|input| GrowingPictures::of(input, most)).collect(),
            targets: with_column.map(|(name, kind)| growing(name, ColumnRole::Target, None, kind)).collect(),
            predictions: outputs
                .iter()
                .map(|(target, kind)| growing(target.name(), ColumnRole::Prediction, None, *kind))
                .collect(),
            probabilities: classes
                .map(|(name, class)| {
                    growing(name, ColumnRole::Probability, Some(class), ObservedKind::Number)
                })
                .collect(),
        }
    }

    /// `true` if predictions are among the columns: a text or a vector is not monitored.
    pub fn predicts(&self) -> bool {
        !self.predictions.is_empty()
    }

    /// Names of the inputs and targets all values of which are pseudonyms.
    pub fn pseudonyms(&self) -> Vec<String> {
        let hashed = self.inputs.iter().chain(&self.targets).filter(|growing| {
            let [pseudonyms, others] = growing.pseudonyms;
            pseudonyms > 0 && others == 0
        });
        hashed.map(|growing| growing.name.clone()).collect()
    }

    /// Adds derived rows. Targets that they lack are left out.
    pub fn observe_rows(&mut self, rows: &Frame) {
        let is_log = rows.get(TIME).is_some();
        for growing in self.inputs.iter_mut().chain(&mut self.targets) {
            if let Some(column) = rows.get(&growing.name) {
                growing.observe(column);
                if is_log {
                    growing.count_pseudonyms(column);
                }
            }
        }
    }

    /// Adds the measures of the pictures of every so many rows.
    pub fn observe_pictures(&mut self, rows: &Frame, every: usize) {
        for pictures in &mut self.pictures {
            for row in (0..rows.rows()).step_by(every.max(1)) {
                let found = pictures.input.picture_measures(rows, row);
                let values: Vec<f64> = found.iter().flat_map(PictureMeasures::values).collect();
                for (at, growing) in pictures.measures.iter_mut().enumerate() {
                    growing.values.push_number(values.get(at).copied());
                }
            }
        }
    }

    /// Adds the predictions for a row.
    pub fn observe_prediction(&mut self, predictions: &Predictions) {
        for growing in &mut self.predictions {
            if let Some(prediction) = predictions.get(&growing.name) {
                growing.observe_value(prediction);
            }
        }
        for growing in &mut self.probabilities {
            let probabilities = predictions.get(&growing.name).and_then(|found| found.probabilities.as_ref());
            let class = growing.class.as_deref().unwrap_or_default();
            if let Some(probability) = probabilities.and_then(|found| found.get(class)) {
                growing.values.push_number(Some(f64::from(*probability)));
            }
        }
    }

    /// The columns that have rows: inputs, measures of pictures, predictions, probabilities, targets.
    pub fn finish(self) -> Vec<NamedColumn> {
        let pictures = self.pictures.into_iter().flat_map(|pictures| pictures.measures);
        let inputs = self.inputs.into_iter().chain(pictures);
        let all = inputs.chain(self.predictions).chain(self.probabilities).chain(self.targets);
        let named = all.map(|growing| NamedColumn {
            name: growing.name,
            role: growing.role,
            class: growing.class,
            column: growing.values.finish(),
        });
        named.filter(|named| named.column.rows > 0).collect()
    }
}

impl GrowingPictures {
    /// Collectors for an input; `None` if it has no pictures.
    fn of(input: &FittedInput, most: usize) -> Option<Self> {
        let (column, names) = input.picture_names()?;
        let growing = |name: &&str| {
            let name = format!("{column} {name}");
            Growing::new((&name, ColumnRole::Input, None), ObservedKind::Number, most)
        };
        Some(Self { measures: names.iter().map(growing).collect(), input: input.clone() })
    }
}

impl Growing {
    fn new((name, role, class): (&str, ColumnRole, Option<&str>), kind: ObservedKind, most: usize) -> Self {
        Self {
            name: name.to_owned(),
            role,
            class: class.map(str::to_owned),
            kind,
            values: ColumnCollector::new(kind, most),
            pseudonyms: [0; 2],
        }
    }

    fn observe(&mut self, column: &Column) {
        for row in 0..column.len() {
            if self.kind == ObservedKind::Number {
                self.values.push_number(column.number(row).unwrap_or_default());
            } else {
                self.values.push_text(column.text(row).as_deref());
            }
        }
    }

    /// Counts the values of a prediction log that are pseudonyms, and the others.
    fn count_pseudonyms(&mut self, column: &Column) {
        for text in (0..column.len()).filter_map(|row| column.text(row)) {
            self.pseudonyms[usize::from(!is_pseudonym(&text))] += 1;
        }
    }

    fn observe_value(&mut self, prediction: &Prediction) {
        #[allow(clippy::cast_precision_loss, reason = "a class that is counted as a number")]
        match (&prediction.value, self.kind) {
            (PredictedValue::Integer(value), ObservedKind::Number) => {
                self.values.push_number(Some(*value as f64));
            }
            (PredictedValue::Number(value), ObservedKind::Number) => self.values.push_number(Some(*value)),
            (PredictedValue::Integer(value), _) => self.values.push_text(Some(&value.to_string())),
            (PredictedValue::Number(value), _) => self.values.push_text(Some(&number_text(*value))),
            (PredictedValue::Text(value), _) => self.values.push_text(Some(value)),
            (PredictedValue::Numbers(values), _) => {
                for value in values {
                    self.values.push_number(Some(*value));
                }
            }
        }
    }
}

/// `true` for 32 hexadecimal digits, as `[log] hash` writes them.
fn is_pseudonym(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Kind of the values of an input. Dates move on by themselves, and files have no plain values.
pub(super) fn input_kind(kind: ColumnType) -> Option<ObservedKind> {
    match kind {
        ColumnType::Number => Some(ObservedKind::Number),
        ColumnType::Category => Some(ObservedKind::Category),
        ColumnType::Text => Some(ObservedKind::Text),
        ColumnType::Date | ColumnType::File => None,
    }
}

/// Kind of the values of a target and its predictions.
fn target_kind(target: &FittedTarget) -> Option<ObservedKind> {
    match target {
        FittedTarget::Category { .. } => Some(ObservedKind::Category),
        FittedTarget::Number { .. }
        | FittedTarget::Forecast { .. }
        | FittedTarget::Reconstruct { .. }
        | FittedTarget::Rank { .. } => Some(ObservedKind::Number),
        FittedTarget::Embedding { .. } | FittedTarget::NextToken { .. } => None,
    }
}
