//! Rules of alerts.

use super::AlertLabels;
use crate::error::Error;

/// Rule that yields alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertRule {
    /// Name, which is the label `alertname` of its alerts.
    pub name: String,
    /// Model that it is about; `None` for each served model.
    pub model: Option<String>,
    /// Condition that it checks.
    pub condition: AlertCondition,
    /// Time for which the condition must hold before an alert fires, in seconds.
    pub hold: f64,
    /// Label `severity`; `None` leaves it to the condition.
    pub severity: Option<String>,
    /// Sentence for people; `None` for one that the condition writes.
    pub summary: Option<String>,
}

/// Condition of a rule. Durations are in seconds, shares between 0 and 1.
#[derive(Debug, Clone, PartialEq)]
pub enum AlertCondition {
    /// Data or predictions have drifted from the reference profile.
    Drift {
        /// Columns that must have drifted.
        scope: DriftScope,
    },
    /// Too many requests are slow for the objective, by burn rates of the error budget.
    Latency {
        /// Share of the requests that must be quick.
        objective: f64,
        /// Longest duration of a quick request; a bound of the histogram.
        within: f64,
        /// Fewest requests of the long window for a decision.
        requests: f64,
    },
    /// Too many requests fail with a status of 500 or above for the objective, by burn rates of the error budget.
    Errors {
        /// Share of the requests that must succeed.
        objective: f64,
        /// Fewest requests of the long window for a decision.
        requests: f64,
    },
    /// The served version was trained too long ago.
    Age {
        /// Longest time since its training.
        limit: f64,
    },
    /// No requests have come for too long.
    Idle {
        /// Longest time without requests.
        limit: f64,
    },
    /// Predictions are too often wrong, by feedback.
    Accuracy {
        /// Smallest accuracy.
        least: f64,
        /// Window of time.
        window: f64,
        /// Fewest rows of feedback for a decision.
        rows: f64,
    },
    /// Predictions of numbers are too far off, by feedback.
    MeanError {
        /// Largest mean absolute error, in units of the target.
        most: f64,
        /// Window of time.
        window: f64,
        /// Fewest rows of feedback for a decision.
        rows: f64,
    },
    /// Too few predictions get feedback.
    Feedback {
        /// Smallest rows of feedback per successful request.
        least: f64,
        /// Window of time.
        window: f64,
        /// Fewest requests for a decision.
        requests: f64,
    },
    /// A metric is on the wrong side of a bound.
    Metric {
        /// Name as `/metrics` has it.
        metric: String,
        /// Labels that its series must have.
        labels: AlertLabels,
        /// Side of the bound that is wrong.
        comparison: MetricComparison,
        /// Bound.
        bound: f64,
    },
}

/// Columns that a drift rule is about.
#[derive(Debug, Clone, PartialEq)]
pub enum DriftScope {
    /// At least this share of the columns.
    Share(f64),
    /// One column, by name.
    Column(String),
}

/// Wrong side of a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricComparison {
    /// Values above the bound.
    Above,
    /// Values below the bound.
    Below,
}

impl MetricComparison {
    /// `true` if the value is on the wrong side; a value that is not a number is not.
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Above => value > bound,
            Self::Below => value < bound,
        }
    }

    /// Operator in `PromQL`.
    pub fn operator(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::Below => "<",
        }
    }
}

impl AlertRule {
    /// Rule with the severity of its condition.
    pub fn new(name: &str, condition: AlertCondition, hold: f64) -> Self {
        Self { name: name.to_owned(), model: None, condition, hold, severity: None, summary: None }
    }

    /// Rules for a server whose config has none: 99.9 % of the requests without an error and 99 % within 250 ms, a
    /// third of the columns drifted, and versions that are older than 90 days.
    pub fn defaults() -> Vec<Self> {
        vec![
            Self::new("ErrorBudgetBurn", AlertCondition::Errors { objective: 0.999, requests: 100.0 }, 0.0),
            Self::new(
                "LatencyBudgetBurn",
                AlertCondition::Latency { objective: 0.99, within: 0.25, requests: 100.0 },
                0.0,
            ),
            Self::new("DataDrift", AlertCondition::Drift { scope: DriftScope::Share(1.0 / 3.0) }, 1_800.0),
            Self::new("ModelAge", AlertCondition::Age { limit: 90.0 * 86_400.0 }, 0.0),
        ]
    }

    /// Checks the numbers of a rule.
    ///
    /// # Errors
    /// [`Error::AlertRule`] names the number and its range.
    pub fn check(&self) -> Result<(), Error> {
        use AlertCondition as C;
        let refuse = |key: &'static str, expected: &'static str| Error::AlertRule {
            rule: self.name.clone(),
            key,
            expected,
        };
        let share = |key, value: f64| {
            if value > 0.0 && value < 1.0 { Ok(()) } else { Err(refuse(key, "a share above 0 and below 1")) }
        };
        let time = |key, value: f64| {
            if value > 0.0 && value.is_finite() { Ok(()) } else { Err(refuse(key, "a time above 0")) }
        };
        if !self.hold.is_finite() || self.hold < 0.0 {
            return Err(refuse("for", "a time"));
        }
        match &self.condition {
            C::Latency { objective, within, .. } => {
                share("objective", *objective).and(time("within", *within))
            }
            C::Errors { objective, .. } => share("objective", *objective),
            C::Drift { scope: DriftScope::Share(least) } if !(*least > 0.0 && *least <= 1.0) => {
                Err(refuse("share", "a share above 0 and at most 1"))
            }
            C::Age { limit } | C::Idle { limit } => time("longer_than", *limit),
            C::Accuracy { least, window, .. } => share("below", *least).and(time("window", *window)),
            C::Feedback { least, window, .. } if *least > 0.0 => time("window", *window),
            C::Feedback { .. } => Err(refuse("below", "a number above 0")),
            C::MeanError { most, window, .. } if *most >= 0.0 => time("window", *window),
            C::MeanError { .. } => Err(refuse("above", "a number of at least 0")),
            C::Metric { bound, .. } if bound.is_nan() => Err(refuse("above", "a number")),
            C::Drift { .. } | C::Metric { .. } => Ok(()),
        }
    }

    /// Windows of time that the condition looks back over, in seconds; the longest one decides what is kept.
    pub(super) fn longest_window(&self) -> f64 {
        match &self.condition {
            AlertCondition::Latency { .. } | AlertCondition::Errors { .. } => {
                super::BURN_WINDOWS.iter().map(|window| window.long).fold(0.0, f64::max)
            }
            AlertCondition::Accuracy { window, .. }
            | AlertCondition::MeanError { window, .. }
            | AlertCondition::Feedback { window, .. } => *window,
            AlertCondition::Idle { limit } => *limit,
            _ => 0.0,
        }
    }
}
