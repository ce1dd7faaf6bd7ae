//! Columns of a model that are monitored.

use cupola_monitor::{ColumnCollector, ColumnRole, NamedColumn, ObservedKind};
use cupola_prep::{
    Column, ColumnType, FittedTarget, Frame, Plan, PredictedValue, Prediction, Predictions, Signature,
    number_text,
};

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
}

/// Collectors of the inputs, targets and predictions of a model.
pub(super) struct MonitoredColumns {
    inputs: Vec<Growing>,
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
        let growing = |name: &str, role, class: Option<&str>, kind| Growing {
            name: name.to_owned(),
            role,
            class: class.map(str::to_owned),
            kind,
            values: ColumnCollector::new(kind, most),
        };
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

    /// Adds derived rows. Targets that they lack are left out.
    pub fn observe_rows(&mut self, rows: &Frame) {
        for growing in self.inputs.iter_mut().chain(&mut self.targets) {
            if let Some(column) = rows.get(&growing.name) {
                growing.observe(column);
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

    /// The columns that have rows: inputs, predictions, probabilities, targets.
    pub fn finish(self) -> Vec<NamedColumn> {
        let all =
            self.inputs.into_iter().chain(self.predictions).chain(self.probabilities).chain(self.targets);
        let named = all.map(|growing| NamedColumn {
            name: growing.name,
            role: growing.role,
            class: growing.class,
            column: growing.values.finish(),
        });
        named.filter(|named| named.column.rows > 0).collect()
    }
}

impl Growing {
    fn observe(&mut self, column: &Column) {
        for row in 0..column.len() {
            if self.kind == ObservedKind::Number {
                self.values.push_number(column.number(row).unwrap_or_default());
            } else {
                self.values.push_text(column.text(row).as_deref());
            }
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
