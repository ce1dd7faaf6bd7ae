//! Submitted jobs: listed, shown, cancelled, resumed, followed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use cupola_operate::{
    ClusterEngine, ClusterJob, ClusterState, FollowedFile, JobFolder, JobWork, SubmitError, cancel_job,
    job_states, pod_logs, submit_script,
};
use cupola_registry::{Home, RunFolder};
use serde_json::{Value, json};

use crate::draw::{Ui, job_row, show_job};
use crate::failure::UserError;
use crate::next_step::next_command;

/// Interval at which the logs of a job are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Looks between two questions to the cluster.
const LOOKS: u32 = 10;

pub fn list(home: &Home, ui: Ui) -> Result<()> {
    let jobs: Vec<ClusterJob> = JobFolder::all(home)?.into_iter().map(|(_, job)| job).collect();
    let states = states(&jobs.iter().collect::<Vec<_>>());
    if jobs.is_empty() {
        let next = next_command(home, ["submit", "--engine", "slurm", "--config", "configs/digits.toml"]);
        ui.line(format!("no jobs yet; submit one with: {next}"));
    } else {
        let of = |job: &ClusterJob| states.get(&job.id).map(Vec::as_slice).unwrap_or_default();
        let rows = jobs.iter().map(|job| job_row(job, of(job), run_status(home, job).as_deref())).collect();
        ui.table(&["job", "engine", "number", "work", "submitted", "state"], &[], rows);
    }
    let json: Vec<Value> = jobs.iter().map(|job| as_json(home, job, &states)).collect();
    ui.result(&json)
}

pub fn status(home: &Home, ui: Ui, id: &str) -> Result<()> {
    let (folder, job) = JobFolder::open(home, id)?;
    let states = states(&[&job]);
    let own = states.get(&job.id).map(Vec::as_slice).unwrap_or_default();
    show_job(ui, &job, folder.path(), own, run_status(home, &job).as_deref());
    ui.result(&as_json(home, &job, &states))
}

pub fn cancel(home: &Home, ui: Ui, id: &str) -> Result<()> {
    let (_, job) = JobFolder::open(home, id)?;
    cancel_job(&job)?;
    ui.line(format!(
        "cancelled {}; resume it with: {}",
        job.id,
        next_command(home, ["submit", "resume", &job.id])
    ));
    ui.result(&json!({ "job": job }))
}

pub fn resume(home: &Home, ui: Ui, id: &str) -> Result<()> {
    let (folder, mut job) = JobFolder::open(home, id)?;
    if job.engine == ClusterEngine::Kubernetes {
        let manifest = folder.manifest();
        let remedy = format!("delete the job and run `kubectl apply -f {}`", manifest.display());
        return Err(UserError::new("a job of Kubernetes is not resumed from here", remedy).into());
    }
    if job_states(&[&job])?.values().flatten().any(ClusterState::is_alive) {
        let why = format!("job {} has not ended", job.id);
        return Err(UserError::new(why, "cancel it first, or wait").into());
    }
    job.cluster_ids.push(submit_script(&folder)?);
    folder.save(&job)?;
    ui.line(format!("job      {} (slurm {})", job.id, job.cluster_id().unwrap_or_default()));
    ui.result(&json!({ "job": job }))
}

pub fn logs(home: &Home, ui: Ui, id: &str, follow: bool) -> Result<()> {
    let (folder, job) = JobFolder::open(home, id)?;
    if job.engine == ClusterEngine::Kubernetes {
        if follow {
            let remedy = format!("use `kubectl logs -f job/{}`", job.cluster_id().unwrap_or_default());
            return Err(UserError::new("pods are not followed from here", remedy).into());
        }
        pod_logs(&job)?.lines().for_each(|line| ui.line(line));
        return Ok(());
    }
    let mut log = JobLog::new(&folder, &job);
    log.print(ui)?;
    let mut looks = 0;
    while follow && (looks % LOOKS != 0 || is_alive(&job)?) {
        std::thread::sleep(LOOK);
        log.print(ui)?;
        looks += 1;
    }
    log.print(ui)?;
    Ok(())
}

/// `true` while the cluster runs or will run a process of the job.
pub fn is_alive(job: &ClusterJob) -> Result<bool, SubmitError> {
    Ok(job_states(&[job])?.values().flatten().any(ClusterState::is_alive))
}

/// Logs of the processes of a job.
pub struct JobLog {
    /// Each with a prefix where there are several.
    files: Vec<(String, FollowedFile)>,
}

impl JobLog {
    pub fn new(folder: &JobFolder, job: &ClusterJob) -> Self {
        let workers = job.work.workers();
        let prefix = |worker| if workers > 1 { format!("[{worker}] ") } else { String::new() };
        let file = |worker: u32| FollowedFile::new(folder.log(&worker.to_string()));
        Self { files: (0..workers).map(|worker| (prefix(worker), file(worker))).collect() }
    }

    /// Prints the lines since the last call.
    pub fn print(&mut self, ui: Ui) -> Result<(), SubmitError> {
        for (prefix, file) in &mut self.files {
            let new = file.new_lines()?;
            new.lines.iter().for_each(|line| ui.line(format!("{prefix}{line}")));
        }
        Ok(())
    }
}

/// States of jobs; none, with a warning, where the cluster cannot be asked.
fn states(jobs: &[&ClusterJob]) -> BTreeMap<String, Vec<ClusterState>> {
    job_states(jobs).unwrap_or_else(|error| {
        Ui::warning(&error.to_string());
        BTreeMap::new()
    })
}

/// Status of the run that a job trains; `None` before its first start, and for a study.
fn run_status(home: &Home, job: &ClusterJob) -> Option<String> {
    if job.work != JobWork::Train {
        return None;
    }
    let folder = RunFolder::open(home, &job.id).ok()?;
    let record = folder.record().ok()?;
    Some(folder.status(&record).name().to_owned())
}

fn as_json(home: &Home, job: &ClusterJob, states: &BTreeMap<String, Vec<ClusterState>>) -> Value {
    let own = states.get(&job.id).cloned().unwrap_or_default();
    json!({ "job": job, "processes": own, "run": run_status(home, job) })
}
