//! `serve.toml`: the models of a server, the distribution of requests over versions, TLS, access and logs.

mod alerts;
mod limits;
mod monitor;

use std::sync::LazyLock;

use jsonschema::Validator;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::alerts::{Alert, AlertSettings, AlertWhen, MailEncryption, Notify, TimeSpan};
pub use self::limits::RateLimits;
pub use self::monitor::{ColumnStatistic, LiveMonitoring, PerformanceLog, StatisticNames};
use crate::config::Problems;
use crate::config::document::Document;
use crate::config::schema;

static SCHEMA: LazyLock<Value> = LazyLock::new(schema::schema_of::<Serve>);
static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| schema::validator(&SCHEMA));

/// The config of a server. Options of the command line override it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Serve {
    /// Models to serve.
    #[serde(default, rename = "model")]
    pub models: Vec<ServedModel>,
    /// Certificates. With them the server accepts only TLS connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Origins of web pages that may send requests (CORS), such as `https://shop.example`; `*` allows all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cors: Vec<String>,
    /// Names by which clients reach a server without keys, beside `localhost`, its address and names of the local
    /// network, such as `models.example.com`. Other names are refused: a web page could otherwise let its own name
    /// lead to this server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Refuse rows with columns that the model does not have. Default: ignore such columns and name them in the
    /// response's `warnings`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
    /// Memory for requests in flight, in MiB: bodies, rows, pictures, logits and responses. `--memory-mib`
    /// overrides it. Default: a quarter of the machine's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 64, max = 16_777_216))]
    pub memory_mib: Option<u32>,
    /// Log of requests and predictions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<RequestLog>,
    /// Public keys of minisign. Only packages that are signed with one of them are served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted: Vec<String>,
    /// Identity provider whose tokens are accepted in addition to keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<Jwt>,
    /// Rates and quotas of keys that hold for several servers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<RateLimits>,
    /// Interval and grouping of alerts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<AlertSettings>,
    /// Rules of alerts.
    #[serde(default, rename = "alert", skip_serializing_if = "Vec::is_empty")]
    pub alert_rules: Vec<Alert>,
    /// Receivers of notifications.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<Notify>,
    /// Live monitoring of requests, rows and predictions.
    #[serde(default)]
    pub monitor: LiveMonitoring,
}

/// A served model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServedModel {
    /// Reference to the model: NAME, NAME@ALIAS, NAME:VERSION or a folder. If an alias moves, the server
    /// follows it; NAME is the newest version at the start, unless `--follow` is given.
    pub serve: String,
    /// Another version that answers a share of the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Reference to another version that receives the same requests. Its predictions are compared and not
    /// returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<String>,
}

/// A version that answers a share of the requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// Reference to the version, in the same form as for the model.
    pub serve: String,
    /// Share of the requests.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub weight: f64,
    /// Name of a request header, such as `x-user-id`. Requests with equal values are always answered by the
    /// same version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<String>,
}

/// Certificates for TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Path of the certificate chain (PEM).
    pub cert: String,
    /// Path of the private key (PEM).
    pub key: String,
    /// Path of the certificates of the clients (PEM). All other clients are rejected (mutual TLS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<String>,
}

/// Tokens of an identity provider (`OpenID` Connect).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// Issuer of the tokens: the required value of `iss`.
    pub issuer: String,
    /// Required value of `aud`, or one of its values.
    pub audience: String,
    /// URL or file of the issuer's public keys (a JWK set). Default: discovered from the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<String>,
    /// Claim with the scopes, which are the same as those of keys: a text of words, or a list.
    #[serde(default = "scope")]
    pub scopes: String,
    /// Largest number of requests per second of each subject. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 1e9))]
    pub rate: Option<f64>,
}

/// Returns `true` for a number of requests per second that a limit can have: 0.001 to 1,000,000,000.
pub fn is_valid_rate(rate: f64) -> bool {
    (0.001..=1e9).contains(&rate)
}

fn scope() -> String {
    "scope".to_owned()
}

/// Log of requests and predictions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestLog {
    /// Folder of the Parquet files, relative to the home.
    #[serde(default = "predictions")]
    pub folder: String,
    /// Share of the requests that are logged with their rows and predictions.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
    /// Columns that are not logged, such as names of persons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
    /// Columns whose values are logged as pseudonyms: equal values stay equal, and `log.key` in the home is needed to
    /// compare a value with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hash: Vec<String>,
    /// Seconds after which the rows of a model are written to a file; a killed server loses at most these.
    #[serde(default = "rotate_seconds")]
    #[schemars(range(min = 1, max = 86_400))]
    pub rotate_seconds: u32,
    /// Memory in MiB after which they are written earlier.
    #[serde(default = "rotate_mib")]
    #[schemars(range(min = 1, max = 1_024))]
    pub rotate_mib: u32,
    /// Days after which files are deleted. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 36_500))]
    pub keep_days: Option<u32>,
    /// Size of all files in MiB from which the oldest are deleted. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub keep_mib: Option<u32>,
}

fn rotate_seconds() -> u32 {
    30
}

fn rotate_mib() -> u32 {
    16
}

fn predictions() -> String {
    "predictions".to_owned()
}

/// JSON Schema of a server config.
pub fn serve_schema() -> &'static Value {
    &SCHEMA
}

/// Parses the config of a server.
///
/// # Errors
/// All problems at once, each with line, column, key and remedy.
pub fn parse_serve(origin: &str, text: &str) -> Result<Serve, Problems> {
    let file = Document::parse(origin, text).map_err(|problem| Problems(vec![problem]))?;
    let problems = schema::explain(&SCHEMA, &VALIDATOR, &file, &file.value);
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    serde_json::from_value(file.value.clone())
        .map_err(|error| Problems(vec![file.problem("", format!("{error}; see `cupola schema --serve`"))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_and_a_mistyped_key_is_named() {
        let text = "[[model]]\nserve = 'a@champion'\nshadow = 'a:3'\n[model.canary]\nserve = 'a@next'\nweight = 0.1\n";
        let serve = parse_serve("serve.toml", text).unwrap();
        assert_eq!(serve.models[0].canary.as_ref().unwrap().serve, "a@next");
        let wrong =
            parse_serve("serve.toml", "[[model]]\nserve = 'a'\nshadows = 'b'\n").unwrap_err().to_string();
        assert!(wrong.contains("shadow") && wrong.contains("serve.toml:3"), "{wrong}");
        for rate in ["0", "-1", "1e-30", "nan", "inf", "1e300"] {
            let text = format!("[jwt]\nissuer = 'a'\naudience = 'b'\nrate = {rate}\n");
            assert!(parse_serve("serve.toml", &text).is_err(), "{rate}");
        }
        for rate in [0.0, -1.0, 1e-30, f64::NAN, f64::INFINITY] {
            assert!(!is_valid_rate(rate), "{rate}");
        }
        assert!(is_valid_rate(0.5));
        assert!(parse_serve("serve.toml", "[[model]]\nserve='a'\ncanary={serve='b',weight=2.0}").is_err());
    }
}
