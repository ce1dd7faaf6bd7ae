//! Workflow of GitHub Actions.

use std::collections::BTreeMap;

use cupola_deploy::{
    CHECKOUT, GithubAccess, GithubConcurrency, GithubEvents, GithubInput, GithubJob, GithubPermissions,
    GithubRunner, GithubSchedule, GithubStep, GithubTrigger, GithubWorkflow,
};
use serde_saphyr::FlowSeq;

use super::{Exported, STEPS};
use crate::watch::error::WatchError;

/// YAML of a workflow with a step for each step of a retraining. Its runner has to keep the home folder, as a runner of
/// one's own does. The checkout does not remove files that git does not know, which a home folder in it consists of.
pub(super) fn workflow(exported: &Exported<'_>) -> Result<String, WatchError> {
    let options = ["clean", "persist-credentials"].map(|option| (option, GithubInput::Flag(false)));
    let mut steps = vec![GithubStep::action(CHECKOUT, options)];
    steps.extend(STEPS.map(|(step, until)| GithubStep::script(step, exported.command(Some(until)))));
    let job = GithubJob {
        name: None,
        needs: None,
        condition: None,
        runs_on: GithubRunner::Labels(FlowSeq(vec!["self-hosted".to_owned(), "cupola".to_owned()])),
        timeout_minutes: 360,
        environment: None,
        permissions: None,
        outputs: BTreeMap::new(),
        env: BTreeMap::new(),
        steps,
    };
    let name = exported.name;
    let workflow = GithubWorkflow {
        name: format!("watch {name}"),
        events: GithubEvents {
            schedule: vec![GithubSchedule { cron: exported.schedule.clone() }],
            workflow_dispatch: Some(GithubTrigger::default()),
            ..GithubEvents::default()
        },
        permissions: GithubPermissions { contents: Some(GithubAccess::Read), ..GithubPermissions::default() },
        concurrency: GithubConcurrency {
            group: format!("watch-{name}"),
            cancel_in_progress: GithubInput::Flag(false),
        },
        env: BTreeMap::new(),
        jobs: vec![("watch".to_owned(), job)],
    };
    let about = format!("Watch of {name}. The runner has `cupola` and keeps {}.", exported.request.home);
    Ok(workflow.to_yaml(&about)?)
}
