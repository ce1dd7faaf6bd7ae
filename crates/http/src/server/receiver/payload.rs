//! Alerts in the bodies of several senders.

use serde_json::Value;

/// Most alerts of one message.
const MOST_ALERTS: usize = 1_000;
/// Longest name that is kept, in characters.
const MOST_CHARACTERS: usize = 200;

/// Alert that a webhook brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedAlert {
    /// Name.
    pub name: String,
    /// Model that it is about; `None` if it names none.
    pub model: Option<String>,
    /// `true` if it fires.
    pub firing: bool,
    /// Sentence for people; empty without one.
    pub summary: String,
}

/// Alerts of a body: the list `alerts` of Alertmanager and of Cupola, or one object with a name. `None` for anything else.
pub(super) fn received(payload: &Value) -> Option<Vec<ReceivedAlert>> {
    let common = &payload["commonLabels"]["model"];
    let status = payload["status"].as_str();
    match payload.get("alerts") {
        Some(alerts) => {
            let alerts = alerts.as_array()?.iter().take(MOST_ALERTS);
            alerts.map(|alert| alert_of(alert, common.as_str(), status)).collect()
        }
        None => Some(vec![alert_of(payload, None, None)?]),
    }
}

fn alert_of(alert: &Value, model: Option<&str>, status: Option<&str>) -> Option<ReceivedAlert> {
    let labels = &alert["labels"];
    let name = labels["alertname"].as_str().or(alert["name"].as_str())?;
    let model = labels["model"].as_str().or(alert["model"].as_str()).or(model);
    let summary = alert["annotations"]["summary"].as_str().or(alert["summary"].as_str());
    let status = alert["status"].as_str().or(status);
    Some(ReceivedAlert {
        name: plain(name),
        model: model.map(plain),
        firing: status.is_none_or(|status| status == "firing"),
        summary: plain(summary.unwrap_or_default()),
    })
}

/// Text without control characters, of limited length.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MOST_CHARACTERS).collect()
}

/// Firing alerts of a model, those without a model included, and the names of other models.
pub(super) fn wanted(alerts: Vec<ReceivedAlert>, model: &str) -> (Vec<ReceivedAlert>, Vec<String>) {
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for alert in alerts {
        match &alert.model {
            Some(name) if name != model => other.push(name.clone()),
            _ if alert.firing => own.push(alert),
            _ => {}
        }
    }
    other.sort();
    other.dedup();
    (own, other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bodies_of_all_senders_are_read() {
        let names = |payload: Value| {
            let (own, other) = wanted(received(&payload).unwrap(), "shop");
            (own.into_iter().map(|alert| alert.name).collect::<Vec<_>>(), other)
        };
        // Alertmanager, version 4.
        let alertmanager = json!({ "version": "4", "status": "firing", "commonLabels": { "model": "shop" }, "alerts": [
            { "status": "firing", "labels": { "alertname": "Drift" }, "annotations": { "summary": "x" } },
            { "status": "resolved", "labels": { "alertname": "Errors" } },
            { "status": "firing", "labels": { "alertname": "Slow", "model": "other" } },
        ] });
        assert_eq!(names(alertmanager), (vec!["Drift".to_owned()], vec!["other".to_owned()]));
        // A server of Cupola.
        let own = json!({ "version": 1, "status": "firing", "group": {}, "alerts": [
            { "status": "firing", "labels": { "alertname": "Stale", "model": "shop" }, "summary": "old" },
        ] });
        assert_eq!(names(own).0, ["Stale"]);
        assert_eq!(names(json!({ "name": "Hand\nmade" })).0, ["Handmade"]);
        for wrong in [json!([]), json!(3), json!({}), json!({ "alerts": 3 }), json!({ "alerts": [{}] })] {
            assert_eq!(received(&wrong), None, "{wrong}");
        }
    }
}
