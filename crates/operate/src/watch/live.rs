//! Metrics of versions, asked from the server that runs them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cupola_monitor::alert::MetricSamples;
use cupola_monitor::service::{RolloutBounds, VersionFigures};
use cupola_sources::{fill_secrets, io_runtime};
use cupola_spec::WatchLive;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::error::WatchError;
use super::look::observe::one_line;

/// Longest time for one response.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest response in bytes.
const LIMIT: usize = 32 << 20;

/// Server whose metrics are asked for.
pub(super) struct LiveServer<'a> {
    settings: &'a WatchLive,
    key: Option<HeaderValue>,
    client: Client,
    runtime: Runtime,
}

/// Server without figures: it is away, refuses the key, or has not loaded the version.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoFigures(String);

impl<'a> LiveServer<'a> {
    /// Server of a config, with its key from the environment.
    ///
    /// # Errors
    /// A key that is not set.
    pub fn open(settings: &'a WatchLive, roots: &[PathBuf], home: &Path) -> Result<Self, WatchError> {
        let failed = |why: String| WatchError::request(why, "check `[watch.live]`");
        let bearer = |key: &String| {
            let key = fill_secrets(key, roots, home).map_err(|error| failed(one_line(&error)))?;
            let value = HeaderValue::from_str(&format!("Bearer {key}"));
            value.map_err(|_| {
                failed("the key of the server has characters that no header can have".to_owned())
            })
        };
        let key = settings.key.as_ref().map(bearer).transpose()?;
        // A redirect could lead the key to another host.
        let client = Client::builder().timeout(TIMEOUT).redirect(Policy::none()).build();
        let runtime = io_runtime("live").map_err(|error| failed(one_line(&error)))?;
        let client = client.map_err(|error| failed(one_line(&error.without_url())))?;
        Ok(Self { settings, key, client, runtime })
    }

    /// Figures of a loaded version since it was loaded.
    ///
    /// # Errors
    /// [`NoFigures`] with the reason.
    pub fn figures(&self, name: &str, version: u64) -> Result<VersionFigures, NoFigures> {
        let url = &self.settings.url;
        let text = self.get(url, &format!("/v1/models/{name}:{version}/monitor?window=all"))?;
        let report: Value =
            serde_json::from_str(&text).map_err(|error| NoFigures(format!("{url}: {error}")))?;
        let mut figures = traffic(&report, version).ok_or_else(|| {
            let why = report["why"].as_str().unwrap_or("the response has no requests");
            NoFigures(format!("{url} has no figures of {name}:{version}: {why}"))
        })?;
        let admin = self.settings.admin.as_ref().unwrap_or(url);
        let outcomes = self.get(admin, "/metrics").and_then(|text| {
            MetricSamples::parse(&text).map_err(|error| NoFigures(format!("{admin}/metrics: {error}")))
        });
        match outcomes {
            Ok(samples) => add_outcomes(&mut figures, &samples, name),
            Err(why) => figures.notes.push(format!("feedback is not known: {why}")),
        }
        if self.settings.alerts {
            let alerts = self.get(admin, "/v1/alerts").and_then(|text| {
                serde_json::from_str(&text).map_err(|error| NoFigures(format!("{admin}/v1/alerts: {error}")))
            });
            match alerts {
                Ok(alerts) => figures.alerts = firing(&alerts, name, version),
                Err(why) => figures.notes.push(format!("alerts are not known: {why}")),
            }
        }
        Ok(figures)
    }

    fn get(&self, base: &str, path: &str) -> Result<String, NoFigures> {
        let url = format!("{}{path}", base.trim_end_matches('/'));
        let mut request = self.client.get(&url);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        self.runtime.block_on(async {
            let away = |error: reqwest::Error| {
                NoFigures(format!("{base} does not answer: {}", one_line(&error.without_url())))
            };
            let mut response = request.send().await.map_err(away)?;
            let status = response.status();
            let mut body = Vec::new();
            while let Some(piece) = response.chunk().await.map_err(away)? {
                body.extend_from_slice(&piece);
                if body.len() > LIMIT {
                    return Err(NoFigures(format!("{url}: the response is larger than {LIMIT} bytes")));
                }
            }
            let why = match status {
                status if status.is_success() => return Ok(String::from_utf8_lossy(&body).into_owned()),
                StatusCode::NOT_FOUND => "the server has not loaded it".to_owned(),
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    format!("status {status}; `watch.live.key` needs the scopes predict and metrics")
                }
                status => format!("status {status}"),
            };
            Err(NoFigures(format!("{url}: {why}")))
        })
    }
}

/// Bounds of a config.
pub(super) fn bounds(live: &WatchLive) -> RolloutBounds {
    RolloutBounds {
        requests: live.requests,
        errors: live.errors,
        latency: live.latency,
        accuracy: live.accuracy,
        mean_error: live.mean_error,
        alerts: live.alerts,
    }
}

/// Requests of a report of `GET /v1/models/NAME:VERSION/monitor`; `None` without any.
fn traffic(report: &Value, version: u64) -> Option<VersionFigures> {
    let window = report["window"].as_object()?;
    Some(VersionFigures {
        version,
        requests: window.get("requests")?.as_u64()?,
        server_errors: window.get("server_errors")?.as_u64()?,
        p99: window.get("seconds")?["p99"].as_f64(),
        ..VersionFigures::default()
    })
}

/// Adds the counts of predictions whose target became known.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counters are whole and positive")]
fn add_outcomes(figures: &mut VersionFigures, samples: &MetricSamples, name: &str) {
    let version = figures.version.to_string();
    let own = |sample: &cupola_monitor::alert::MetricSample| {
        sample.label("model") == name && sample.label("version") == version
    };
    let count = |outcome: &str| {
        let counted = |sample: &_| own(sample) && sample.label("outcome") == outcome;
        samples.sum("cupola_outcomes_total", counted).max(0.0) as u64
    };
    (figures.right, figures.wrong, figures.measured) = (count("correct"), count("wrong"), count("measured"));
    figures.absolute_error = samples.sum("cupola_outcome_absolute_error_total", own);
}

/// Names of the firing alerts about a version, or about its model without naming one, sorted.
fn firing(alerts: &Value, name: &str, version: u64) -> Vec<String> {
    let version = version.to_string();
    let about = |alert: &&Value| {
        let labels = &alert["labels"];
        alert["status"] == "firing"
            && labels["model"] == name
            && labels["version"].as_str().is_none_or(|own| own == version)
    };
    let listed = alerts["alerts"].as_array().into_iter().flatten().filter(about);
    let mut names: Vec<String> =
        listed.filter_map(|alert| alert["labels"]["alertname"].as_str()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_those_of_the_version_alone() {
        let report = json!({ "window": { "requests": 7, "server_errors": 2, "seconds": { "p99": 0.5 } } });
        let mut figures = traffic(&report, 3).unwrap();
        assert_eq!((figures.requests, figures.server_errors, figures.p99), (7, 2, Some(0.5)));
        assert_eq!(traffic(&json!({ "enabled": false }), 3), None);
        let text = "cupola_outcomes_total{model=\"m\",version=\"3\",target=\"y\",outcome=\"correct\"} 5\n\
                    cupola_outcomes_total{model=\"m\",version=\"2\",target=\"y\",outcome=\"correct\"} 50\n\
                    cupola_outcomes_total{model=\"n\",version=\"3\",target=\"y\",outcome=\"wrong\"} 9\n\
                    cupola_outcomes_total{model=\"m\",version=\"3\",target=\"y\",outcome=\"wrong\"} 1\n\
                    cupola_outcome_absolute_error_total{model=\"m\",version=\"3\",target=\"z\"} 2.5\n";
        add_outcomes(&mut figures, &MetricSamples::parse(text).unwrap(), "m");
        assert_eq!((figures.right, figures.wrong, figures.measured), (5, 1, 0));
        assert!((figures.absolute_error - 2.5).abs() < 1e-12);
        let alerts = json!({ "alerts": [
            { "status": "firing", "labels": { "alertname": "B", "model": "m" } },
            { "status": "firing", "labels": { "alertname": "A", "model": "m", "version": "3" } },
            { "status": "firing", "labels": { "alertname": "C", "model": "m", "version": "2" } },
            { "status": "resolved", "labels": { "alertname": "D", "model": "m" } },
            { "status": "firing", "labels": { "alertname": "E", "model": "n" } },
        ] });
        assert_eq!(firing(&alerts, "m", 3), ["A", "B"]);
    }
}
