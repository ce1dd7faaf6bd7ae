//! Receivers of notifications.

use std::time::Duration;

use cupola_monitor::alert::{ActiveAlert, AlertNotification};
use cupola_spec::Notify;
use jiff::Timestamp;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde_json::Value;

use super::email::MailChannel;
use super::failure::DeliveryError;
use super::{payload, signature};
use crate::error::Error;

/// Longest time for one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Receiver with its secrets.
pub(super) enum NotifyChannel {
    Webhook { url: String, secret: Option<String>, client: Client },
    Slack { url: String, client: Client },
    Alertmanager { url: String, client: Client },
    Email(Box<MailChannel>),
}

impl NotifyChannel {
    /// Receiver of a config, with environment variables in place of their names.
    ///
    /// # Errors
    /// [`Error::Alerts`] for an unset variable or an invalid address.
    pub fn open(spec: &Notify) -> Result<Self, Error> {
        let about = |why: String| Error::Alerts(format!("receiver `{}`: {why}", spec.name()));
        let resolve = |text: &str| {
            resolved(text, |name| std::env::var(name).ok()).map_err(|unset| about(unset.to_string()))
        };
        let address = |text: &str| {
            let url = resolve(text)?;
            let valid = reqwest::Url::parse(&url).is_ok_and(|url| ["http", "https"].contains(&url.scheme()));
            if valid {
                Ok(url)
            } else {
                Err(about("`url` must be an address such as https://HOST/PATH".to_owned()))
            }
        };
        let client = || {
            // A redirect could lead the alerts, and with them the signature, to another host.
            let builder = Client::builder().timeout(ATTEMPT_TIMEOUT).redirect(Policy::none());
            builder.build().map_err(|error| about(error.to_string()))
        };
        Ok(match spec {
            Notify::Webhook { url, secret, .. } => Self::Webhook {
                url: address(url)?,
                secret: secret.as_deref().map(resolve).transpose()?,
                client: client()?,
            },
            Notify::Slack { url, .. } => Self::Slack { url: address(url)?, client: client()? },
            Notify::Alertmanager { url, .. } => {
                let url = format!("{}/api/v2/alerts", address(url)?.trim_end_matches('/'));
                Self::Alertmanager { url, client: client()? }
            }
            Notify::Email { server, encryption, username, password, from, to, .. } => {
                let password = password.as_deref().map(resolve).transpose()?;
                let account = username.clone().zip(password);
                let mail = MailChannel::open(server, *encryption, account, from, to).map_err(about)?;
                Self::Email(Box::new(mail))
            }
        })
    }

    /// `true` for receivers that get all alerts again and again, and need no queue.
    pub fn takes_snapshots(&self) -> bool {
        matches!(self, Self::Alertmanager { .. })
    }

    /// Sends a notification.
    pub async fn send(&self, notification: &AlertNotification) -> Result<(), DeliveryError> {
        match self {
            Self::Webhook { url, secret, client } => {
                let body = payload::webhook(notification).to_string();
                let mut request = client.post(url).header("X-Cupola-Delivery", &notification.id);
                if let Some(secret) = secret {
                    let now = Timestamp::now().as_second();
                    let signed = signature(secret.as_bytes(), now, body.as_bytes());
                    request = request.header("X-Cupola-Signature", signed);
                }
                post(request, body).await
            }
            Self::Slack { url, client } => {
                post(client.post(url), payload::slack(notification).to_string()).await
            }
            Self::Alertmanager { .. } => self.send_all(&notification.alerts).await,
            Self::Email(mail) => mail.send(notification).await,
        }
    }

    /// Sends all alerts to a receiver of snapshots.
    pub async fn send_all(&self, alerts: &[ActiveAlert]) -> Result<(), DeliveryError> {
        let Self::Alertmanager { url, client } = self else { return Ok(()) };
        let body = payload::alertmanager(alerts, Timestamp::now());
        if body.as_array().is_some_and(Vec::is_empty) {
            return Ok(());
        }
        post(client.post(url), Value::to_string(&body)).await
    }
}

/// Posts a body of JSON.
async fn post(request: reqwest::RequestBuilder, body: String) -> Result<(), DeliveryError> {
    let request = request.header("Content-Type", "application/json").body(body);
    let response = request.send().await;
    let status = response.map_err(|error| DeliveryError::Retry(reason(error)))?.status();
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            Err(DeliveryError::Retry(format!("status {status}")))
        }
        status if status.is_server_error() => Err(DeliveryError::Retry(format!("status {status}"))),
        status => Err(DeliveryError::Refused(format!("status {status}"))),
    }
}

/// Reason of a failed request without its address.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Environment variable that a text names and that is not set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("${{{0}}} is not set; export {0}")]
pub(crate) struct UnsetVariable(String);

/// Text with the values of variables in place of `${NAME}`.
pub(crate) fn resolved(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, UnsetVariable> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once("${") {
        let Some((name, behind)) = behind.split_once('}') else { break };
        let value = value(name).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| UnsetVariable(name.to_owned()))?;
        out.push_str(before);
        out.push_str(&value);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_take_the_place_of_their_names() {
        let value = |name: &str| (name == "A").then(|| "secret".to_owned());
        assert_eq!(resolved("https://h/${A}/x?y=${A}", value).unwrap(), "https://h/secret/x?y=secret");
        assert_eq!(resolved("plain ${", value).unwrap(), "plain ${");
        assert_eq!(resolved("${B}", value).unwrap_err().to_string(), "${B} is not set; export B");
    }
}
