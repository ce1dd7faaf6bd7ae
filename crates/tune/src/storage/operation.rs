//! Operations of a journal: one line each.

use std::fmt::Write as _;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::distribution::{distribution_json, parse_distribution};
use super::json::{self, number, written};
use super::trial_state::JournalTrialState;
use crate::{ParamDistribution, StudyDirection};

/// One line of a journal, without the id of the worker that wrote it.
#[derive(Debug, Clone, PartialEq)]
pub enum JournalOperation {
    /// Creates a study, unless one of its name exists.
    CreateStudy {
        /// Name.
        name: String,
        /// Direction of each objective.
        directions: Vec<StudyDirection>,
    },
    /// Deletes a study.
    DeleteStudy {
        /// Index of the study.
        study: usize,
    },
    /// Sets an attribute of a study.
    StudyAttribute {
        /// Index of the study.
        study: usize,
        /// `true` for an attribute of the system, `false` for one of the user.
        system: bool,
        /// Name of the attribute.
        key: String,
        /// Value of the attribute.
        value: Value,
    },
    /// Creates a trial, running unless the template says otherwise.
    CreateTrial {
        /// Index of the study.
        study: usize,
        /// Time of the start, ISO 8601; `None` for a trial that waits.
        start: Option<String>,
        /// Contents of the new trial.
        template: Box<TrialTemplate>,
    },
    /// Sets a parameter of a trial.
    Parameter {
        /// Index of the trial in the journal.
        trial: usize,
        /// Name of the parameter.
        name: String,
        /// Internal representation of the value.
        internal: f64,
        /// Range of the value.
        distribution: ParamDistribution,
    },
    /// Sets the state of a trial, and its values.
    State {
        /// Index of the trial in the journal.
        trial: usize,
        /// New state.
        state: JournalTrialState,
        /// Value of each objective.
        values: Option<Vec<f64>>,
        /// Time of the start of a running trial, or of the end of a finished one.
        time: Option<String>,
    },
    /// Sets an intermediate value.
    Intermediate {
        /// Index of the trial in the journal.
        trial: usize,
        /// Step of the value.
        step: i64,
        /// The value.
        value: f64,
    },
    /// Sets an attribute of a trial.
    TrialAttribute {
        /// Index of the trial in the journal.
        trial: usize,
        /// `true` for an attribute of the system, `false` for one of the user.
        system: bool,
        /// Name of the attribute.
        key: String,
        /// Value of the attribute.
        value: Value,
    },
    /// An operation without an effect on a study.
    Ignored,
}

/// Description of a line that is no operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidOperation(pub String);

/// Contents of a new trial.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrialTemplate {
    /// State; `None` for a running trial.
    pub state: Option<JournalTrialState>,
    /// Value of each objective.
    pub values: Option<Vec<f64>>,
    /// Time of the end.
    pub complete: Option<String>,
    /// Parameters with their ranges.
    pub params: IndexMap<String, (f64, ParamDistribution)>,
    /// Attributes of the user.
    pub user_attrs: Map<String, Value>,
    /// Attributes of the system.
    pub system_attrs: Map<String, Value>,
    /// Intermediate values by step.
    pub intermediate: Vec<(i64, f64)>,
}

impl JournalOperation {
    /// Parses a line.
    ///
    /// # Errors
    /// Description of what is missing.
    pub fn parse(line: &str) -> Result<Self, InvalidOperation> {
        let value = json::parse(line).map_err(|error| InvalidOperation(error.to_string()))?;
        let code =
            value["op_code"].as_u64().ok_or_else(|| InvalidOperation("`op_code` is missing".to_owned()))?;
        let found = match code {
            0 => create_study(&value),
            1 => index(&value, "study_id").map(|study| Self::DeleteStudy { study }),
            2 | 3 => study_attribute(&value, code == 3),
            4 => create_trial(&value),
            5 => parameter(&value),
            6 => state(&value),
            7 => intermediate(&value),
            8 | 9 => trial_attribute(&value, code == 9),
            10 => Some(Self::Ignored),
            code => return Err(InvalidOperation(format!("unknown `op_code` {code}"))),
        };
        let found = found.ok_or_else(|| {
            InvalidOperation(format!("keys of `op_code` {code} are missing or of another type"))
        })?;
        match found.impossible_value() {
            Some(why) => Err(InvalidOperation(why)),
            None => Ok(found),
        }
    }

    /// The line of the operation, without its line end.
    pub fn line(&self, worker: &str) -> String {
        let (code, keys): (u8, String) = match self {
            Self::CreateStudy { name, directions } => {
                let directions: Vec<u8> = directions.iter().map(|direction| direction.code()).collect();
                (0, keys(&json!({ "study_name": name, "directions": directions })))
            }
            Self::DeleteStudy { study } => (1, keys(&json!({ "study_id": study }))),
            Self::StudyAttribute { study, system, key, value } => {
                let (code, name) = if *system { (3, "system_attr") } else { (2, "user_attr") };
                (code, keys(&json!({ "study_id": study, name: { key: value } })))
            }
            Self::CreateTrial { study, start, template } => {
                (4, trial_keys(*study, start.as_deref(), template))
            }
            Self::Parameter { trial, name, internal, distribution } => {
                let rest = keys(&json!({ "distribution": distribution_json(distribution) }));
                let name = Value::from(name.as_str());
                let internal = written(*internal);
                let rest = format!(r#""param_name":{name},"param_value_internal":{internal},{rest}"#);
                (5, format!(r#""trial_id":{trial},{rest}"#))
            }
            Self::State { trial, state, values, time } => {
                let values = values.as_ref().map_or_else(|| "null".to_owned(), |values| list(values));
                let mut text = format!(r#""trial_id":{trial},"state":{},"values":{values}"#, state.code());
                if let Some(time) = time {
                    let key = if *state == JournalTrialState::Running {
                        "datetime_start"
                    } else {
                        "datetime_complete"
                    };
                    let time = Value::from(time.as_str());
                    let _ = write!(text, r#","{key}":{time}"#);
                }
                (6, text)
            }
            Self::Intermediate { trial, step, value } => {
                let value = written(*value);
                (7, format!(r#""trial_id":{trial},"step":{step},"intermediate_value":{value}"#))
            }
            Self::TrialAttribute { trial, system, key, value } => {
                let (code, name) = if *system { (9, "system_attr") } else { (8, "user_attr") };
                (code, keys(&json!({ "trial_id": trial, name: { key: value } })))
            }
            Self::Ignored => (10, keys(&json!({ "trial_ids": [] }))),
        };
        let worker = Value::from(worker);
        format!(r#"{{"op_code":{code},"worker_id":{worker},{keys}}}"#)
    }
}

fn create_study(value: &Value) -> Option<JournalOperation> {
    let codes = value["directions"].as_array()?.iter().map(|code| StudyDirection::of_code(code.as_u64()?));
    let directions = codes.collect::<Option<Vec<_>>>()?;
    Some(JournalOperation::CreateStudy { name: value["study_name"].as_str()?.to_owned(), directions })
}

fn study_attribute(value: &Value, system: bool) -> Option<JournalOperation> {
    let (key, attribute) = attribute(value, system)?;
    Some(JournalOperation::StudyAttribute { study: index(value, "study_id")?, system, key, value: attribute })
}

fn trial_attribute(value: &Value, system: bool) -> Option<JournalOperation> {
    let (key, attribute) = attribute(value, system)?;
    Some(JournalOperation::TrialAttribute { trial: index(value, "trial_id")?, system, key, value: attribute })
}

fn create_trial(value: &Value) -> Option<JournalOperation> {
    let mut template = TrialTemplate { state: trial_state(value), ..TrialTemplate::default() };
    template.values = match numbers(&value["values"]) {
        Some(values) => Some(values),
        None => number(&value["value"]).map(|value| vec![value]),
    };
    template.complete = text(&value["datetime_complete"]);
    for (name, distribution) in value["distributions"].as_object().into_iter().flatten() {
        let distribution = parse_distribution(distribution.as_str()?)?;
        if let Some(internal) = number(&value["params"][name]) {
            template.params.insert(name.clone(), (internal, distribution));
        }
    }
    template.user_attrs = value["user_attrs"].as_object().cloned().unwrap_or_default();
    template.system_attrs = value["system_attrs"].as_object().cloned().unwrap_or_default();
    for (step, value) in value["intermediate_values"].as_object().into_iter().flatten() {
        template.intermediate.push((step.parse().ok()?, number(value)?));
    }
    let start = text(&value["datetime_start"]);
    Some(JournalOperation::CreateTrial {
        study: index(value, "study_id")?,
        start,
        template: Box::new(template),
    })
}

fn parameter(value: &Value) -> Option<JournalOperation> {
    Some(JournalOperation::Parameter {
        trial: index(value, "trial_id")?,
        name: text(&value["param_name"])?,
        internal: number(&value["param_value_internal"])?,
        distribution: parse_distribution(value["distribution"].as_str()?)?,
    })
}

fn state(value: &Value) -> Option<JournalOperation> {
    let time = text(&value["datetime_start"]).or_else(|| text(&value["datetime_complete"]));
    let (trial, state) = (index(value, "trial_id")?, trial_state(value)?);
    Some(JournalOperation::State { trial, state, values: numbers(&value["values"]), time })
}

fn intermediate(value: &Value) -> Option<JournalOperation> {
    Some(JournalOperation::Intermediate {
        trial: index(value, "trial_id")?,
        step: value["step"].as_i64()?,
        value: number(&value["intermediate_value"])?,
    })
}

fn index(value: &Value, key: &str) -> Option<usize> {
    usize::try_from(value[key].as_u64()?).ok()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn trial_state(value: &Value) -> Option<JournalTrialState> {
    JournalTrialState::of_code(value["state"].as_u64()?)
}

fn numbers(value: &Value) -> Option<Vec<f64>> {
    value.as_array()?.iter().map(number).collect()
}

/// The one attribute of a line.
fn attribute(value: &Value, system: bool) -> Option<(String, Value)> {
    let table = value[if system { "system_attr" } else { "user_attr" }].as_object()?;
    table.iter().next().map(|(key, value)| (key.clone(), value.clone()))
}

/// Keys of a JSON object without its brackets.
fn keys(object: &Value) -> String {
    let text = object.to_string();
    text.trim_start_matches('{').strip_suffix('}').unwrap_or_default().to_owned()
}

fn list(values: &[f64]) -> String {
    let values: Vec<String> = values.iter().map(|value| written(*value)).collect();
    format!("[{}]", values.join(","))
}

fn trial_keys(study: usize, start: Option<&str>, template: &TrialTemplate) -> String {
    let mut text = keys(&json!({ "study_id": study, "datetime_start": start }));
    if *template == TrialTemplate::default() {
        return text;
    }
    let state = template.state.unwrap_or(JournalTrialState::Running).code();
    let _ = write!(text, r#","state":{state}"#);
    let values = match template.values.as_deref() {
        None => r#""value":null,"values":null"#.to_owned(),
        Some([value]) => format!(r#""value":{},"values":null"#, written(*value)),
        Some(values) => format!(r#""value":null,"values":{}"#, list(values)),
    };
    let _ = write!(text, ",{values}");
    if let Some(complete) = &template.complete {
        let _ = write!(text, r#","datetime_complete":{}"#, Value::from(complete.as_str()));
    }
    let distributions = template
        .params
        .iter()
        .map(|(name, (_, distribution))| (name.clone(), distribution_json(distribution).into()));
    let distributions = Value::Object(distributions.collect());
    let entry = |name: Value, number: f64| format!("{name}:{}", written(number));
    let params: Vec<String> =
        template.params.iter().map(|(name, (value, _))| entry(name.as_str().into(), *value)).collect();
    let steps: Vec<String> =
        template.intermediate.iter().map(|(step, value)| entry(step.to_string().into(), *value)).collect();
    let attributes =
        keys(&json!({ "user_attrs": template.user_attrs, "system_attrs": template.system_attrs }));
    let _ =
        write!(text, r#","distributions":{distributions},"params":{{{}}},{attributes}"#, params.join(","));
    let _ = write!(text, r#","intermediate_values":{{{}}}"#, steps.join(","));
    text
}
