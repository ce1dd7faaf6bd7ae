//! Pipeline of Kubeflow, in the intermediate representation that its compiler writes (IR YAML, schema 2.1.0).

use serde_json::{Map, Value, json};

use super::{Exported, STEPS};
use crate::watch::error::WatchError;

/// Volume claim with the home folder, which the pods of all steps mount.
const HOME_CLAIM: &str = "cupola-home";
/// Volume claim with the folder of the config.
const CONFIG_CLAIM: &str = "cupola-config";
/// Version of the package that the schema is of.
const SDK: &str = "kfp-2.14.3";

/// YAML of two documents: the pipeline, and the volumes that its tasks mount.
pub(super) fn pipeline(exported: &Exported<'_>) -> Result<String, WatchError> {
    let (mut components, mut executors, mut tasks, mut mounts) =
        (Map::new(), Map::new(), Map::new(), Map::new());
    let mut before: Option<&str> = None;
    for (step, until) in STEPS {
        let executor = format!("exec-{step}");
        components.insert(format!("comp-{step}"), json!({ "executorLabel": executor }));
        let words = exported.words(Some(until));
        let (command, args) = (&words[..1], &words[1..]);
        let container = json!({ "image": exported.request.image, "command": command, "args": args });
        executors.insert(executor.clone(), json!({ "container": container }));
        let mut task = json!({
            "cachingOptions": {},
            "componentRef": { "name": format!("comp-{step}") },
            "taskInfo": { "name": step },
        });
        if let Some(before) = before {
            task["dependentTasks"] = json!([before]);
        }
        tasks.insert(step.to_owned(), task);
        let mount = |claim: &str, path: &str| {
            json!({
                "constant": claim,
                "mountPath": path,
                "pvcNameParameter": { "runtimeValue": { "constant": claim } },
            })
        };
        let (home, config) =
            (mount(HOME_CLAIM, &exported.request.home), mount(CONFIG_CLAIM, exported.folder()));
        // A home folder in the folder of the config is mounted over it.
        mounts.insert(executor, json!({ "pvcMount": [config, home] }));
        before = Some(step);
    }
    let name = format!("watch-{}", exported.name.to_lowercase().replace('_', "-"));
    let pipeline = json!({
        "components": components,
        "deploymentSpec": { "executors": executors },
        "pipelineInfo": {
            "name": name,
            "description": format!("Watch of {}; schedule it as a recurring run: {}", exported.name, exported.schedule),
        },
        "root": { "dag": { "tasks": tasks } },
        "schemaVersion": "2.1.0",
        "sdkVersion": SDK,
    });
    let platform = json!({ "platforms": { "kubernetes": { "deploymentSpec": { "executors": mounts } } } });
    let header = format!(
        "# Watch of {}. The image {} has `cupola`. The volume claim `{HOME_CLAIM}` holds the home folder {}, and\n\
         # `{CONFIG_CLAIM}` the config and its sources, the folder {}.\n",
        exported.name,
        exported.request.image,
        exported.request.home,
        exported.folder()
    );
    Ok(format!("{header}{}---\n{}", yaml(&pipeline)?, yaml(&platform)?))
}

fn yaml(value: &Value) -> Result<String, WatchError> {
    let mut text = cupola_workflow::to_yaml(value)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
