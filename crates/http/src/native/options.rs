//! Parameters of the query of a request for predictions.

use cupola_runtime::IntervalRequest;

use super::interval::interval_of_query;
use crate::error::ApiError;

/// Parameters that any client may send.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct PredictOptions {
    /// `true` to refuse columns that the model does not have.
    pub strict: bool,
    /// Number of rows ahead that a forecast is cut to.
    pub horizon: Option<usize>,
    /// `true` for a forecast from every window of a history, `false` for the one from its end.
    pub all_windows: bool,
    /// `true` to explain predictions of a body that has no option for it.
    pub explain: bool,
    /// Coverage of the intervals of predictions of a body that has no option for it.
    pub interval: Option<IntervalRequest>,
}

impl PredictOptions {
    /// Reads a query; unknown parameters are ignored.
    ///
    /// # Errors
    /// [`ApiError`] for an invalid value, with the name of its parameter.
    pub fn of(query: Option<&str>) -> Result<Self, ApiError> {
        let parameters = query.unwrap_or_default().split('&');
        let each = parameters.map(|parameter| parameter.split_once('=').unwrap_or((parameter, "true")));
        let mut options = Self::default();
        for (name, value) in each {
            match (name, value) {
                ("strict", "true" | "1") => options.strict = true,
                ("strict", "false" | "0") => options.strict = false,
                ("explain", "true" | "1") => options.explain = true,
                ("explain", "false" | "0") => options.explain = false,
                ("strict" | "explain", other) => return Err(invalid(name, "true or false", other)),
                ("interval", value) => options.interval = interval_of_query(value)?,
                ("horizon", value) => match value.parse() {
                    Ok(horizon) => options.horizon = Some(horizon),
                    Err(_) => return Err(invalid(name, "a number of rows", value)),
                },
                ("windows", "all") => options.all_windows = true,
                ("windows", "last") => options.all_windows = false,
                ("windows", other) => return Err(invalid(name, "`last` or `all`", other)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_and_others_ignored() {
        let read = |query| PredictOptions::of(query).map_err(|error| (error.status.as_u16(), error.field));
        let of = |strict, horizon, all_windows| {
            Ok(PredictOptions { strict, horizon, all_windows, ..PredictOptions::default() })
        };
        for query in [None, Some(""), Some("a=b"), Some("strict=false"), Some("a&strict=0&windows=last")] {
            assert_eq!(read(query), of(false, None, false), "{query:?}");
        }
        for query in [Some("strict=true"), Some("strict"), Some("a=b&strict=1")] {
            assert_eq!(read(query), of(true, None, false), "{query:?}");
        }
        assert_eq!(read(Some("horizon=12&windows=all")), of(false, Some(12), true));
        assert!(read(Some("explain=true")).unwrap().explain);
        assert_eq!(read(Some("interval")).unwrap().interval, Some(IntervalRequest::Sealed));
        for (query, name) in [
            ("strict=maybe", "strict"),
            ("explain=yes", "explain"),
            ("interval=wide", "interval"),
            ("horizon=x", "horizon"),
            ("horizon", "horizon"),
            ("windows=2", "windows"),
        ] {
            assert_eq!(read(Some(query)), Err((400, Some(name.to_owned()))), "{query}");
        }
    }
}
