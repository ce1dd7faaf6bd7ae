//! `[tune]`: search for good values of a config's keys.

mod defaults;
mod key;
mod range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::range::flatten;
pub use self::range::{TuneRange, TuneSpace, TuneValues};
use crate::train::Goal;

/// Search for good values of a config's keys: `cupola tune`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tune {
    /// Method that suggests the values of a trial.
    pub sampler: TuneSampler,
    /// Rule by which trials of networks end early. Several metrics have none.
    pub pruner: TunePruner,
    /// Number of epochs without improvement after which `pruner = "patience"` ends a trial.
    pub patience: usize,
    /// Number of trials.
    #[schemars(range(min = 1))]
    pub trials: usize,
    /// Time after which no trial begins, such as `"90s"`, `"30m"` or `"1h30m"`. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Metric of the valid split that trials are compared by, or a list of metrics. Default: the metric that
    /// `train.metric` selects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<TuneMetrics>,
    /// Database of the trials: `"sqlite://FILE"` for workers of one host, `"postgres://me@db/studies"` for several; a password
    /// is in `PGPASSWORD` or `~/.pgpass`. Default: a file in the folder of the study.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// Seed of the sampler. Default: `seed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Range of each key, such as `train.optimizer.learning_rate = { low = 1e-4, high = 1e-1, log = true }`.
    /// Default: the sizes and rates of the model's family.
    #[serde(skip_serializing_if = "TuneSpace::is_empty")]
    pub space: TuneSpace,
}

impl Default for Tune {
    fn default() -> Self {
        Self {
            sampler: TuneSampler::Tpe,
            pruner: TunePruner::Median,
            patience: 5,
            trials: 30,
            time: None,
            metric: None,
            storage: None,
            seed: None,
            space: TuneSpace::default(),
        }
    }
}

/// Method that suggests the values of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TuneSampler {
    /// Multivariate tree-structured Parzen estimator (Bergstra et al. 2011, Falkner et al. 2018).
    Tpe,
    /// Independent uniform samples.
    Random,
    /// All combinations of finite ranges.
    Grid,
    /// Scrambled Sobol points (Owen 1998).
    Qmc,
    /// CMA-ES (Hansen and Ostermeier 2001).
    Cmaes,
    /// Gaussian process with expected improvement.
    Gp,
    /// NSGA-II, for several metrics (Deb et al. 2002).
    Nsga2,
}

impl TuneSampler {
    /// Name in a config.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tpe => "tpe",
            Self::Random => "random",
            Self::Grid => "grid",
            Self::Qmc => "qmc",
            Self::Cmaes => "cmaes",
            Self::Gp => "gp",
            Self::Nsga2 => "nsga2",
        }
    }
}

/// Rule by which trials end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TunePruner {
    /// All trials run to their end.
    None,
    /// A trial ends if it is worse than the median of the complete trials at its epoch (Golovin et al. 2017).
    Median,
    /// A trial ends if it is not among the best quarter of the complete trials at its epoch.
    Percentile,
    /// Asynchronous successive halving (Li et al. 2020): of four trials one goes on at each rung.
    Asha,
    /// Hyperband (Li et al. 2018): brackets of successive halving.
    Hyperband,
    /// A trial ends if it has not improved for `patience` epochs.
    Patience,
}

/// One metric or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TuneMetrics {
    /// One metric.
    One(TuneMetric),
    /// Several metrics; the first one selects the best epoch of a trial.
    Several(Vec<TuneMetric>),
}

/// Objective that trials are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TuneMetric {
    /// Loss.
    Loss,
    /// Share of correct classes.
    Accuracy,
    /// Mean of the F1 scores of the classes.
    MacroF1,
    /// Area under the receiver operating characteristic.
    RocAuc,
    /// Root mean squared error.
    Rmse,
    /// Mean absolute error.
    Mae,
    /// Coefficient of determination.
    R2,
    /// Normalised discounted cumulative gain of the first ten rows of each group.
    #[serde(rename = "ndcg_at_10")]
    NdcgAt10,
    /// Size of the weights in bytes.
    Size,
    /// Median time of a forward pass of one row in microseconds.
    Latency,
}

impl TuneMetric {
    /// Metric of the valid split; `None` for what is measured of the model itself.
    pub fn goal(self) -> Option<Goal> {
        Some(match self {
            Self::Loss => Goal::Loss,
            Self::Accuracy => Goal::Accuracy,
            Self::MacroF1 => Goal::MacroF1,
            Self::RocAuc => Goal::RocAuc,
            Self::Rmse => Goal::Rmse,
            Self::Mae => Goal::Mae,
            Self::R2 => Goal::R2,
            Self::NdcgAt10 => Goal::NdcgAt10,
            Self::Size | Self::Latency => return None,
        })
    }

    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Latency => "latency",
            _ => self.goal().map_or("loss", Goal::name),
        }
    }

    /// `true` if a larger value is better.
    pub fn larger_is_better(self) -> bool {
        self.goal().is_some_and(Goal::larger_is_better)
    }
}

impl Tune {
    /// The metrics; empty for that of `train.metric`.
    pub fn metrics(&self) -> Vec<TuneMetric> {
        match &self.metric {
            None => Vec::new(),
            Some(TuneMetrics::One(metric)) => vec![*metric],
            Some(TuneMetrics::Several(metrics)) => metrics.clone(),
        }
    }
}

/// Key or range that a search cannot have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidTuneKey {
    /// Description of the problem, and its remedy.
    pub message: String,
}

impl From<String> for InvalidTuneKey {
    fn from(message: String) -> Self {
        Self { message }
    }
}

impl From<&str> for InvalidTuneKey {
    fn from(message: &str) -> Self {
        Self { message: message.to_owned() }
    }
}

impl std::fmt::Display for InvalidTuneKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// Seconds of a time such as `90s`, `30m` or `1h30m`; `None` for other texts, and for no time at all.
pub fn parse_time(text: &str) -> Option<f64> {
    let (mut seconds, mut digits) = (0.0, String::new());
    for letter in text.trim().chars() {
        let unit = match letter {
            '0'..='9' | '.' => {
                digits.push(letter);
                continue;
            }
            'h' => 3600.0,
            'm' => 60.0,
            's' => 1.0,
            'd' => 86400.0,
            _ => return None,
        };
        seconds += digits.parse::<f64>().ok()? * unit;
        digits.clear();
    }
    (digits.is_empty() && seconds > 0.0 && seconds.is_finite()).then_some(seconds)
}

#[cfg(test)]
mod tests;
