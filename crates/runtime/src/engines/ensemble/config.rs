//! `config.json` of an ensemble.

use cupola_prep::FittedTarget;
use cupola_registry::Package;
use cupola_spec::TargetList;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::Error;

/// Members of an ensemble, part of `config.json`. The tensors of the member at index `i` are named `i.NAME` in
/// `model.safetensors`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnsembleConfig {
    /// Members, at least one.
    pub members: Vec<EnsembleMember>,
}

/// One model of an ensemble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnsembleMember {
    /// Package that the model was published as, or the run that trained it.
    pub name: String,
    /// Share of the average, relative to those of the others.
    pub weight: f64,
    /// Indices of its inputs among those of the plan.
    pub inputs: Vec<usize>,
    /// Its own targets, with their scale, calibration and threshold.
    #[serde(flatten)]
    pub targets: TargetList<FittedTarget>,
    /// Its own `config.json`.
    pub model: Value,
}

impl EnsembleMember {
    /// Family of the model, as it is declared in a config.
    pub fn family(&self) -> &str {
        self.model.get("family").and_then(Value::as_str).unwrap_or("network")
    }
}

impl EnsembleConfig {
    /// Members of a package; `None` for a package of one model.
    ///
    /// # Errors
    /// Files that cannot be read, and members that do not parse.
    pub fn of_package(package: &Package) -> Result<Option<Self>, Error> {
        let damaged = |error: serde_json::Error| Error::Package {
            package: package.label(),
            why: format!("config.json: {error}"),
        };
        let config: Value = serde_json::from_slice(&package.read("config.json")?).map_err(damaged)?;
        let own = config.get("ensemble").cloned();
        own.map(|own| serde_json::from_value(own).map_err(damaged)).transpose()
    }

    /// Content of `config.json`.
    pub fn to_json(&self) -> Value {
        json!({ "family": "ensemble", "ensemble": self })
    }

    /// Weights with a sum of 1.
    ///
    /// # Errors
    /// A weight that is negative or not finite, or weights whose sum is 0.
    pub fn shares(&self) -> Result<Vec<f64>, String> {
        let weights = || self.members.iter().map(|member| member.weight);
        if let Some(weight) = weights().find(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            return Err(format!("expected weights of 0 or more, found {weight}"));
        }
        let sum: f64 = weights().sum();
        if sum.is_finite() && sum > 0.0 {
            Ok(weights().map(|weight| weight / sum).collect())
        } else {
            Err(format!("expected weights with a sum above 0, found {sum}"))
        }
    }
}
