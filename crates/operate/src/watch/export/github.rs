//! Workflow of GitHub Actions.

use serde_json::{Value, json};

use super::{Exported, STEPS};
use crate::watch::error::WatchError;

/// YAML of a workflow with a step for each step of a retraining. Its runner has to keep the home folder, as a runner of
/// one's own does. The checkout does not remove files that git does not know, which a home folder in it consists of.
pub(super) fn workflow(exported: &Exported<'_>) -> Result<String, WatchError> {
    let steps: Vec<Value> = STEPS
        .iter()
        .map(|(step, until)| json!({ "name": step, "run": exported.command(Some(until)) }))
        .collect();
    let checkout =
        json!({ "uses": "actions/checkout@v4", "with": { "clean": false, "persist-credentials": false } });
    let steps: Vec<Value> = std::iter::once(checkout).chain(steps).collect();
    let name = exported.name;
    let workflow = json!({
        "name": format!("watch {name}"),
        "on": { "schedule": [{ "cron": exported.schedule }], "workflow_dispatch": {} },
        "permissions": { "contents": "read" },
        "concurrency": { "group": format!("watch-{name}"), "cancel-in-progress": false },
        "jobs": {
            "watch": { "runs-on": ["self-hosted", "cupola"], "timeout-minutes": 360, "steps": steps },
        },
    });
    let text = cupola_workflow::to_yaml(&workflow)?;
    Ok(format!("# Watch of {name}. The runner has `cupola` and keeps {}.\n{text}", exported.request.home))
}
