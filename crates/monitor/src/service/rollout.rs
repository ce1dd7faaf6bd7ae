//! Two versions of a model by the metrics of the server that runs them.

use serde::{Deserialize, Serialize};

/// Deviations that a difference of shares has to exceed: one-sided 95 %.
const DEVIATIONS: f64 = 1.645;

/// Metrics of one version as a server counted them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct VersionFigures {
    /// Number of the version.
    pub version: u64,
    /// Requests.
    pub requests: u64,
    /// Requests that the server failed: status 500 and above.
    pub server_errors: u64,
    /// Seconds that 99 % of the requests do not exceed; `None` without requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// Predictions that feedback found right, and wrong.
    #[serde(default)]
    pub right: u64,
    /// Predictions that feedback found wrong.
    #[serde(default)]
    pub wrong: u64,
    /// Predicted numbers whose target became known.
    #[serde(default)]
    pub measured: u64,
    /// Sum of their absolute errors.
    #[serde(default)]
    pub absolute_error: f64,
    /// Names of the firing alerts about the version, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<String>,
    /// Figures that the server did not give, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Limits of the differences between two versions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RolloutBounds {
    /// Requests, or rows of feedback, of each version below which nothing is concluded.
    pub requests: u64,
    /// Largest increase of the share of failed requests.
    pub errors: f64,
    /// Largest ratio of the 99 % quantiles of the time.
    pub latency: f64,
    /// Largest decrease of the share of right predictions.
    pub accuracy: f64,
    /// Largest ratio of the mean absolute errors.
    pub mean_error: f64,
    /// `true` if a new alert counts.
    pub alerts: bool,
}

/// Verdict about the newer of two versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RolloutVerdict {
    /// Bounds that it crossed, in words; empty if it is not worse.
    pub crossed: Vec<String>,
    /// `true` if both versions had enough requests for a verdict.
    pub enough: bool,
}

impl RolloutVerdict {
    /// Compares a newer version with the earlier one.
    ///
    /// Shares have to differ by more than the bound, and by more than chance: one-sided test of two proportions at 95 %. A
    /// 99 % quantile takes a hundred requests to exist, so `requests` of at least that many guards the latency.
    pub fn of(earlier: &VersionFigures, newer: &VersionFigures, bounds: &RolloutBounds) -> Self {
        let enough = earlier.requests.min(newer.requests) >= bounds.requests;
        let mut crossed = Vec::new();
        if enough {
            crossed.extend(errors(earlier, newer, bounds.errors));
            crossed.extend(latency(earlier, newer, bounds.latency));
        }
        crossed.extend(accuracy(earlier, newer, bounds));
        crossed.extend(mean_error(earlier, newer, bounds));
        if bounds.alerts {
            let new = newer.alerts.iter().filter(|name| !earlier.alerts.contains(name));
            crossed.extend(new.map(|name| format!("alert {name} fires")));
        }
        Self { crossed, enough }
    }

    /// `true` if the newer version is worse.
    pub fn is_worse(&self) -> bool {
        !self.crossed.is_empty()
    }
}

fn errors(earlier: &VersionFigures, newer: &VersionFigures, bound: f64) -> Option<String> {
    let (before, now) = (earlier.server_errors, newer.server_errors);
    let difference = exceeds((now, newer.requests), (before, earlier.requests))?;
    (difference > bound).then(|| {
        format!(
            "{} of requests fail, {} before",
            percent(now, newer.requests),
            percent(before, earlier.requests)
        )
    })
}

fn latency(earlier: &VersionFigures, newer: &VersionFigures, bound: f64) -> Option<String> {
    let (before, now) = earlier.p99.zip(newer.p99)?;
    (before > 0.0 && now / before > bound)
        .then(|| format!("99 % of requests take up to {:.1} ms, {:.1} ms before", now * 1e3, before * 1e3))
}

fn accuracy(earlier: &VersionFigures, newer: &VersionFigures, bounds: &RolloutBounds) -> Option<String> {
    let (before, now) = (earlier.right + earlier.wrong, newer.right + newer.wrong);
    if before.min(now) < bounds.requests {
        return None;
    }
    let difference = exceeds((newer.wrong, now), (earlier.wrong, before))?;
    (difference > bounds.accuracy).then(|| {
        format!(
            "{} of predictions are right, {} before",
            percent(newer.right, now),
            percent(earlier.right, before)
        )
    })
}

fn mean_error(earlier: &VersionFigures, newer: &VersionFigures, bounds: &RolloutBounds) -> Option<String> {
    if earlier.measured.min(newer.measured) < bounds.requests {
        return None;
    }
    let mean = |one: &VersionFigures| one.absolute_error / one.measured as f64;
    let (before, now) = (mean(earlier), mean(newer));
    (before > 0.0 && now / before > bounds.mean_error)
        .then(|| format!("the mean absolute error is {now:.4}, {before:.4} before"))
}

/// Difference of two shares `(count, all)` if the first one is larger by more than chance.
fn exceeds(newer: (u64, u64), earlier: (u64, u64)) -> Option<f64> {
    if newer.1 == 0 || earlier.1 == 0 {
        return None;
    }
    let (a, b) = (newer.1 as f64, earlier.1 as f64);
    let difference = newer.0 as f64 / a - earlier.0 as f64 / b;
    let pooled = (newer.0 + earlier.0) as f64 / (a + b);
    let deviation = (pooled * (1.0 - pooled) * (1.0 / a + 1.0 / b)).sqrt();
    (difference > DEVIATIONS * deviation && difference > 0.0).then_some(difference)
}

fn percent(count: u64, all: u64) -> String {
    format!("{:.1} %", 100.0 * count as f64 / all.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: RolloutBounds = RolloutBounds {
        requests: 100,
        errors: 0.01,
        latency: 2.0,
        accuracy: 0.02,
        mean_error: 1.1,
        alerts: true,
    };

    fn calm(version: u64) -> VersionFigures {
        VersionFigures {
            version,
            requests: 1000,
            p99: Some(0.01),
            right: 900,
            wrong: 100,
            ..Default::default()
        }
    }

    #[test]
    fn each_bound_is_crossed_by_its_figure_alone() {
        let verdict = |newer: VersionFigures| RolloutVerdict::of(&calm(1), &newer, &BOUNDS).crossed;
        assert!(verdict(calm(2)).is_empty());
        assert_eq!(
            verdict(VersionFigures { server_errors: 50, ..calm(2) }),
            ["5.0 % of requests fail, 0.0 % before"]
        );
        assert_eq!(
            verdict(VersionFigures { p99: Some(0.03), ..calm(2) }),
            ["99 % of requests take up to 30.0 ms, 10.0 ms before"]
        );
        assert_eq!(
            verdict(VersionFigures { right: 800, wrong: 200, ..calm(2) }),
            ["80.0 % of predictions are right, 90.0 % before"]
        );
        assert_eq!(
            verdict(VersionFigures { alerts: vec!["Drift".into()], ..calm(2) }),
            ["alert Drift fires"]
        );
        let numbers = |error: f64| VersionFigures { measured: 500, absolute_error: 500.0 * error, ..calm(2) };
        assert!(RolloutVerdict::of(&numbers(1.0), &numbers(1.09), &BOUNDS).crossed.is_empty());
        let worse = RolloutVerdict::of(&numbers(1.0), &numbers(1.2), &BOUNDS);
        assert_eq!(worse.crossed, ["the mean absolute error is 1.2000, 1.0000 before"]);
    }

    #[test]
    fn chance_and_few_requests_conclude_nothing() {
        let few = VersionFigures { requests: 99, server_errors: 99, p99: Some(9.0), ..calm(2) };
        let verdict = RolloutVerdict::of(&calm(1), &few, &BOUNDS);
        assert_eq!((verdict.is_worse(), verdict.enough), (false, false));
        // Two of a hundred are beyond the bound of 1 %, but not of chance: scipy's z-test of 2/100 and 5/1000 has p = 0.036
        // with these, of 2/100 and 9/1000 p = 0.146.
        let two = VersionFigures { requests: 100, server_errors: 2, ..calm(2) };
        let some = |server_errors| VersionFigures { server_errors, ..calm(1) };
        assert!(!RolloutVerdict::of(&some(9), &two, &BOUNDS).is_worse());
        assert!(RolloutVerdict::of(&some(5), &two, &BOUNDS).is_worse());
        let nothing = VersionFigures::default();
        assert!(!RolloutVerdict::of(&nothing, &nothing, &RolloutBounds { requests: 0, ..BOUNDS }).is_worse());
    }
}
