//! `cupola keys`: create, list, rotate and revoke keys of the server.

use std::time::Duration;

use anyhow::Result;
use cupola_registry::Home;
use cupola_serving::access::{ApiKey, KeyFile, NewKey};
use serde_json::json;

use crate::args::{KeysArgs, KeysCommand};
use crate::draw::Ui;

pub fn run(home: &Home, ui: Ui, args: &KeysArgs) -> Result<()> {
    let file = KeyFile::new(home.root());
    match &args.command {
        KeysCommand::Add { name, scopes, rate, quota, days } => {
            let (key, secret) = file.add(&NewKey {
                name: name.clone(),
                scopes: scopes.clone(),
                rate: *rate,
                quota: *quota,
                lifetime: days.map(|days| Duration::from_hours(24 * u64::from(days))),
            })?;
            shown(ui, &key, &secret)
        }
        KeysCommand::Rotate { id, grace } => {
            let (key, secret) = file.rotate(id, Duration::from_mins(u64::from(*grace)))?;
            shown(ui, &key, &secret)
        }
        KeysCommand::Revoke { id } => {
            let key = file.revoke(id)?;
            ui.line(format!("revoked {} of {}", key.id, key.name));
            ui.result(&json!({ "revoked": key.id }))
        }
        KeysCommand::List => {
            let keys = file.read()?;
            let rows = keys.iter().map(|key| {
                let limit = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
                vec![
                    key.id.clone(),
                    key.name.clone(),
                    key.scopes.join(" "),
                    limit(key.rate.map(|rate| rate.to_string())),
                    limit(key.quota.map(|quota| quota.to_string())),
                    limit(key.expires.map(date)),
                ]
            });
            let known = keys.iter().map(described).collect::<Vec<_>>();
            ui.table(&["id", "name", "scopes", "rate", "quota", "expires"], &[3, 4], rows.collect());
            ui.result(&known)
        }
    }
}

fn shown(ui: Ui, key: &ApiKey, secret: &str) -> Result<()> {
    ui.line(format!("key     {secret}"));
    ui.line("note    it is not shown again; send it as `Authorization: Bearer KEY`");
    let mut value = described(key);
    value["key"] = secret.into();
    ui.result(&value)
}

fn described(key: &ApiKey) -> serde_json::Value {
    json!({
        "id": key.id,
        "name": key.name,
        "scopes": key.scopes,
        "rate": key.rate,
        "quota": key.quota,
        "expires": key.expires.map(date),
    })
}

fn date(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(String::new, |time| time.to_string())
}
