//! Alerts of a server: `[alerts]`, `[[alert]]` and `[[notify]]`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::train::parse_time;

/// Time above 0, such as `90s`, `30m` or `1h30m`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeSpan(f64);

impl TimeSpan {
    /// Time of this many seconds.
    pub const fn of_seconds(seconds: f64) -> Self {
        Self(seconds)
    }

    /// Number of seconds.
    pub fn seconds(self) -> f64 {
        self.0
    }
}

impl TryFrom<String> for TimeSpan {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let seconds = parse_time(&text);
        seconds.map(Self).ok_or_else(|| format!("`{text}` is not a time; write 90s, 30m, 1h30m or 2d"))
    }
}

impl From<TimeSpan> for String {
    fn from(span: TimeSpan) -> Self {
        format!("{}s", span.0)
    }
}

impl JsonSchema for TimeSpan {
    fn schema_name() -> Cow<'static, str> {
        "TimeSpan".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([0-9]+(\\.[0-9]+)?[dhms])+$",
            "description": "Time such as 90s, 30m, 1h30m or 2d",
        })
    }
}

/// Interval and grouping of alerts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlertSettings {
    /// Time between two checks of all rules.
    pub every: TimeSpan,
    /// Labels of alerts that are told together.
    pub group_by: Vec<String>,
    /// Time that a new group waits for further alerts.
    pub group_wait: TimeSpan,
    /// Shortest time between two notifications of a group.
    pub group_interval: TimeSpan,
    /// Time after which a group that still fires is told again.
    pub repeat: TimeSpan,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            every: TimeSpan(15.0),
            group_by: vec!["alertname".to_owned(), "model".to_owned()],
            group_wait: TimeSpan(30.0),
            group_interval: TimeSpan(300.0),
            repeat: TimeSpan(14_400.0),
        }
    }
}

/// Rule of alerts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// Name, which is the label `alertname`: letters, digits and `_`.
    #[schemars(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Condition.
    pub when: AlertWhen,
    /// Name of the model that it is about. Default: each served model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Time for which the condition must hold before the alert fires. Default: none.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub hold: Option<TimeSpan>,
    /// Label `severity`. Default: `page` for fast burns of an error budget, else `ticket`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// Sentence for people in place of the one that the condition writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// Condition of an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum AlertWhen {
    /// Columns have drifted from the reference profile of the package.
    Drift {
        /// Column. Default: all of them, by `share`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
        /// Smallest share of the columns that have drifted.
        #[serde(default = "half")]
        #[schemars(range(min = 0.0, max = 1.0))]
        share: f64,
    },
    /// The error budget of slow requests burns too fast (windows of the SRE workbook).
    Latency {
        /// Share of the requests that must be quick.
        #[schemars(range(min = 0.0, max = 1.0))]
        objective: f64,
        /// Longest time of a quick request in milliseconds, a bound of the histogram: 0.25, 0.5, 1, 2.5, 5, 10, 25,
        /// 50, 100, 250, 500, 1000, 2500, 5000 or 10000.
        within_ms: f64,
        /// Fewest requests of the long window for a decision.
        #[serde(default = "hundred")]
        #[schemars(range(min = 1.0))]
        requests: f64,
    },
    /// The error budget of failed requests burns too fast (windows of the SRE workbook).
    Errors {
        /// Share of the requests that must succeed.
        #[schemars(range(min = 0.0, max = 1.0))]
        objective: f64,
        /// Fewest requests of the long window for a decision.
        #[serde(default = "hundred")]
        #[schemars(range(min = 1.0))]
        requests: f64,
    },
    /// The served version was trained too long ago.
    Age {
        /// Longest time since its training.
        longer_than: TimeSpan,
    },
    /// No requests have come for too long.
    Idle {
        /// Longest time without requests.
        longer_than: TimeSpan,
    },
    /// Predictions of classes are too often wrong, by feedback.
    Accuracy {
        /// Smallest accuracy.
        #[schemars(range(min = 0.0, max = 1.0))]
        below: f64,
        /// Window of time.
        #[serde(default = "day")]
        window: TimeSpan,
        /// Fewest rows of feedback for a decision.
        #[serde(default = "hundred")]
        rows: f64,
    },
    /// Predictions of numbers are too far off, by feedback.
    MeanError {
        /// Largest mean absolute error, in units of the target.
        #[schemars(range(min = 0.0))]
        above: f64,
        /// Window of time.
        #[serde(default = "day")]
        window: TimeSpan,
        /// Fewest rows of feedback for a decision.
        #[serde(default = "hundred")]
        rows: f64,
    },
    /// Too few requests get feedback.
    Feedback {
        /// Smallest number of rows of feedback per successful request.
        #[schemars(range(min = 0.0))]
        below: f64,
        /// Window of time.
        #[serde(default = "day")]
        window: TimeSpan,
        /// Fewest requests for a decision.
        #[serde(default = "hundred")]
        requests: f64,
    },
    /// A metric is above or below a bound.
    Metric {
        /// Name as `/metrics` has it.
        #[schemars(regex(pattern = "^[A-Za-z_:][A-Za-z0-9_:]*$"))]
        metric: String,
        /// Labels that its series must have.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        labels: BTreeMap<String, String>,
        /// Bound that values exceed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        above: Option<f64>,
        /// Bound that values fall below.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        below: Option<f64>,
    },
}

impl AlertWhen {
    /// `true` for conditions on predictions that are compared with feedback, which the server has to remember.
    pub fn needs_outcomes(&self) -> bool {
        matches!(self, Self::Accuracy { .. } | Self::MeanError { .. })
    }
}

fn half() -> f64 {
    0.5
}

fn hundred() -> f64 {
    100.0
}

fn day() -> TimeSpan {
    TimeSpan(86_400.0)
}

/// Receiver of notifications. `${NAME}` in an address or secret stands for an environment variable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Notify {
    /// JSON by POST, signed where there is a secret.
    Webhook {
        /// Name in logs and metrics.
        #[serde(default = "webhook")]
        name: String,
        /// Address.
        url: String,
        /// Key of the signature (HMAC-SHA256), as `${NAME}`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(regex(pattern = "^\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}$"))]
        secret: Option<String>,
    },
    /// Message for an incoming webhook of Slack, Mattermost or Rocket.Chat.
    Slack {
        /// Name in logs and metrics.
        #[serde(default = "slack")]
        name: String,
        /// Address, which is a secret: `${SLACK_URL}`.
        url: String,
    },
    /// Alerts for Prometheus' Alertmanager, which groups and routes them itself.
    Alertmanager {
        /// Name in logs and metrics.
        #[serde(default = "alertmanager")]
        name: String,
        /// Address without `/api/v2/alerts`.
        url: String,
    },
    /// E-mail by SMTP.
    Email {
        /// Name in logs and metrics.
        #[serde(default = "email")]
        name: String,
        /// Host, or `HOST:PORT`.
        server: String,
        /// Encryption: `starttls` (port 587), `tls` (port 465) or `none` (port 25).
        #[serde(default)]
        encryption: MailEncryption,
        /// Name of the account.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        username: Option<String>,
        /// Password, as `${NAME}`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(regex(pattern = "^\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}$"))]
        password: Option<String>,
        /// Address of the sender.
        from: String,
        /// Addresses of the receivers.
        #[schemars(length(min = 1))]
        to: Vec<String>,
    },
}

impl Notify {
    /// Name in logs and metrics.
    pub fn name(&self) -> &str {
        match self {
            Self::Webhook { name, .. }
            | Self::Slack { name, .. }
            | Self::Alertmanager { name, .. }
            | Self::Email { name, .. } => name,
        }
    }
}

/// Encryption of a connection to a mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailEncryption {
    /// Required after a greeting in plain text.
    #[default]
    Starttls,
    /// From the first byte.
    Tls,
    /// None: for a mail server of the same machine.
    None,
}

fn webhook() -> String {
    "webhook".to_owned()
}

fn slack() -> String {
    "slack".to_owned()
}

fn alertmanager() -> String {
    "alertmanager".to_owned()
}

fn email() -> String {
    "email".to_owned()
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the values are exact")]
mod tests {
    use super::*;
    use crate::serve::parse_serve;

    #[test]
    fn alerts_are_read_with_their_times_and_channels() {
        let text = r#"
[alerts]
every = "5s"
[[alert]]
name = "Slow"
for = "1h30m"
when = { kind = "latency", objective = 0.99, within_ms = 100 }
[[alert]]
name = "Old"
model = "prices"
when = { kind = "age", longer_than = "30d" }
[[notify]]
kind = "webhook"
url = "https://hooks.example/a"
secret = "${HOOK}"
[[notify]]
kind = "email"
server = "mail.example:587"
from = "cupola@example.com"
to = ["me@example.com"]
"#;
        let serve = parse_serve("serve.toml", text).unwrap();
        let settings = serve.alerts.as_ref().unwrap();
        assert_eq!((settings.every.seconds(), settings.repeat.seconds()), (5.0, 14_400.0));
        assert_eq!(serve.alert_rules[0].hold.unwrap().seconds(), 5_400.0);
        assert_eq!(
            serve.alert_rules[1].when,
            AlertWhen::Age { longer_than: TimeSpan::of_seconds(30.0 * 86_400.0) }
        );
        assert_eq!(serve.notify.iter().map(Notify::name).collect::<Vec<_>>(), ["webhook", "email"]);
        let again: crate::Serve = serde_json::from_value(serde_json::to_value(&serve).unwrap()).unwrap();
        assert_eq!(again, serve);
    }

    #[test]
    fn invalid_alerts_are_refused_with_their_line() {
        for (text, part) in [
            ("[[alert]]\nname = 'a b'\nwhen = { kind = 'errors', objective = 0.9 }\n", "serve.toml:2"),
            (
                "[[alert]]\nname = 'a'\nfor = '5 minutes'\nwhen = { kind = 'errors', objective = 0.9 }\n",
                "for",
            ),
            ("[[alert]]\nname = 'a'\nwhen = { kind = 'errors', objective = 1.5 }\n", "objective"),
            ("[[alert]]\nname = 'a'\nwhen = { kind = 'errors', goal = 0.9 }\n", "goal"),
            ("[[notify]]\nkind = 'webhook'\nurl = 'https://x'\nsecret = 'plain'\n", "secret"),
            ("[alerts]\nevery = '0s'\n", "0s"),
        ] {
            let error = parse_serve("serve.toml", text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
