//! `GET /v1/models/{name}/monitor`: requests of a version, and drift of its columns and predictions.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};
use cupola_serving::access::{Caller, Scope};
use cupola_serving::{Catalog, Pipeline, WindowChoice};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::request::name_and_version;

/// Parameters of the query.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct MonitorOptions {
    window: WindowChoice,
    /// `true` to add the state of the sketches.
    state: bool,
}

impl MonitorOptions {
    /// Reads a query; unknown parameters are ignored.
    fn of(query: Option<&str>) -> Result<Self, ApiError> {
        let mut options = Self::default();
        for parameter in query.unwrap_or_default().split('&') {
            match parameter.split_once('=').unwrap_or((parameter, "true")) {
                ("window", value) => {
                    let expected = "`recent`, `current`, `all` or a number of windows";
                    options.window =
                        WindowChoice::parse(value).ok_or_else(|| invalid("window", expected, value))?;
                }
                ("state", "true" | "1") => options.state = true,
                ("state", "false" | "0") => options.state = false,
                ("state", other) => return Err(invalid("state", "true or false", other)),
                _ => {}
            }
        }
        Ok(options)
    }
}

fn invalid(name: &str, expected: &str, found: &str) -> ApiError {
    let message = format!("`{name}` must be {expected}, found `{}`", found.escape_debug());
    ApiError::invalid_value(message, name)
}

/// Monitoring of the main version, or of a loaded version `NAME:VERSION`.
pub(super) async fn get(
    State(catalog): State<Arc<Catalog>>,
    State(pipeline): State<Arc<Pipeline>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, ApiError> {
    let (name, version) = name_and_version(&name)?;
    caller.require_sight(name)?;
    let options = MonitorOptions::of(query.as_deref())?;
    if options.state {
        // Quantiles of few rows are values of single rows.
        caller.require(Scope::Metrics, "")?;
    }
    let loaded = catalog.find(name, version)?;
    let Some(monitor) = loaded.monitor.clone() else {
        let why = "monitoring is off; set `enabled = true` in `[monitor]` of the server's config";
        let version = loaded.manifest.version;
        return Ok(Json(json!({ "model": name, "version": version, "enabled": false, "why": why })));
    };
    // A version of many columns takes a moment.
    let report = tokio::task::spawn_blocking(move || {
        pipeline.flush_observations();
        pipeline.refresh_embeddings(&monitor);
        let mut report = monitor.report(options.window);
        if options.state {
            report["state"] = json!(monitor.state());
        }
        report
    });
    let report = report.await.map_err(|error| ApiError::inference_failed(error.to_string()))?;
    Ok(Json(report))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_chooses_windows_and_a_wrong_value_is_told() {
        let options = |query| MonitorOptions::of(Some(query));
        assert_eq!(MonitorOptions::of(None).unwrap(), MonitorOptions::default());
        assert_eq!(
            options("window=3&state=1&other=x").unwrap(),
            MonitorOptions { window: WindowChoice::Latest(3), state: true }
        );
        for wrong in ["window=0", "window", "state=maybe"] {
            assert!(options(wrong).is_err(), "{wrong}");
        }
    }
}
