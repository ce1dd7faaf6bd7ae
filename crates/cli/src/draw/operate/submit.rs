//! Drawing of jobs on a cluster.

use std::collections::BTreeMap;
use std::path::Path;

use cupola_operate::{ClusterJob, ClusterState, JobWork};

use crate::draw::Ui;

/// Row of a job: id, engine, number, work, time, state.
pub fn job_row(job: &ClusterJob, states: &[ClusterState], run: Option<&str>) -> Vec<String> {
    let number = job.cluster_id().unwrap_or("-").to_owned();
    vec![
        job.id.clone(),
        job.engine.name().to_owned(),
        number,
        work(job),
        job.created.clone(),
        state(states, run),
    ]
}

/// Shows a job with its processes.
pub fn show_job(ui: Ui, job: &ClusterJob, folder: &Path, states: &[ClusterState], run: Option<&str>) {
    ui.line(format!("job       {}", job.id));
    ui.line(format!("engine    {} {}", job.engine.name(), job.cluster_ids.join(", ")));
    ui.line(format!("work      {}", work(job)));
    ui.line(format!("config    {}", job.config.display()));
    ui.line(format!("created   {}", job.created));
    ui.line(format!("files     {}", folder.display()));
    if let Some(run) = run {
        ui.line(format!("run       {} ({run})", job.id));
    }
    if states.is_empty() {
        ui.line("processes none; the cluster has forgotten the job");
        return;
    }
    let row = |state: &ClusterState| {
        vec![state.process.clone(), state.state.clone(), state.place.clone(), state.time.clone()]
    };
    ui.table(&["process", "state", "node or reason", "time"], &[3], states.iter().map(row).collect());
}

fn work(job: &ClusterJob) -> String {
    match &job.work {
        JobWork::Train => "train".to_owned(),
        JobWork::Tune { study, workers, .. } => format!("tune {study} x {workers}"),
    }
}

/// `running`, or `3 running, 1 pending`; the status of the run once the cluster has forgotten the job.
fn state(states: &[ClusterState], run: Option<&str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for state in states {
        *counts.entry(&state.state).or_default() += 1;
    }
    match (states.len(), run) {
        (0, None) => "gone".to_owned(),
        (0, Some(run)) => format!("run {run}"),
        (1, _) => states[0].state.clone(),
        _ => counts.iter().map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>().join(", "),
    }
}
