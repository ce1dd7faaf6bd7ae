//! Bodies of notifications in the form of each receiver.

use std::fmt::Write as _;

use cupola_monitor::alert::{ActiveAlert, AlertNotification, AlertState};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Time after which an Alertmanager resolves an alert by itself that is not sent again.
const ALERTMANAGER_END: SignedDuration = SignedDuration::from_mins(4);
/// Most alerts that a text lists.
const MOST_LISTED: usize = 20;
/// Longest sentence of an alert in a text, in characters.
const MOST_CHARACTERS: usize = 500;

/// Name of a state in messages.
pub(super) fn state_name(state: AlertState) -> &'static str {
    match state {
        AlertState::Pending => "pending",
        AlertState::Firing => "firing",
        AlertState::Resolved => "resolved",
    }
}

/// An alert as JSON.
pub(super) fn alert_json(alert: &ActiveAlert) -> Value {
    json!({
        "fingerprint": alert.fingerprint,
        "status": state_name(alert.state),
        "labels": alert.labels,
        "summary": alert.summary,
        "value": alert.value,
        "started": alert.started.to_string(),
        "ended": alert.ended.map(|ended| ended.to_string()),
    })
}

/// Body of a generic webhook.
pub(super) fn webhook(notification: &AlertNotification) -> Value {
    json!({
        "version": 1,
        "id": notification.id,
        "status": state_name(notification.state()),
        "repeated": notification.repeated,
        "at": notification.at.to_string(),
        "group": notification.group,
        "alerts": notification.alerts.iter().map(alert_json).collect::<Vec<_>>(),
    })
}

/// Title in one line.
pub(super) fn title(notification: &AlertNotification) -> String {
    let firing = notification.alerts.iter().filter(|alert| alert.state == AlertState::Firing).count();
    let state = match notification.state() {
        AlertState::Firing => format!("FIRING:{firing}"),
        _ => "RESOLVED".to_owned(),
    };
    let group: Vec<&str> = notification.group.values().map(String::as_str).collect();
    let title = format!("[{state}] {}", group.join(" "));
    title.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Text of several lines.
pub(super) fn text(notification: &AlertNotification) -> String {
    let mut text = String::new();
    for alert in notification.alerts.iter().take(MOST_LISTED) {
        let severity = alert.labels.get("severity").map_or("", String::as_str);
        let summary: String = alert.summary.chars().take(MOST_CHARACTERS).collect();
        // Writing to a String does not fail.
        let _ = writeln!(text, "{} ({severity}): {summary}", state_name(alert.state));
    }
    let more = notification.alerts.len().saturating_sub(MOST_LISTED);
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
    text
}

/// Body of an incoming webhook of Slack.
pub(super) fn slack(notification: &AlertNotification) -> Value {
    // Slack's markup has three special characters; links and mentions begin with `<`.
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let title = escaped(&title(notification));
    let body = escaped(&text(notification));
    let section = |text: String| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } });
    // A section has at most 3,000 characters.
    let shown: String = body.chars().take(2_900).collect();
    json!({ "text": title, "blocks": [section(format!("*{title}*")), section(shown)] })
}

/// Body of `POST /api/v2/alerts`: all alerts that are not pending.
pub(super) fn alertmanager(alerts: &[ActiveAlert], now: Timestamp) -> Value {
    let each = alerts.iter().filter(|alert| alert.state != AlertState::Pending).map(|alert| {
        let later = || now.checked_add(ALERTMANAGER_END).unwrap_or(now);
        json!({
            "labels": alert.labels,
            "annotations": { "summary": alert.summary },
            "startsAt": alert.started.to_string(),
            "endsAt": alert.ended.unwrap_or_else(later).to_string(),
        })
    });
    Value::Array(each.collect())
}
