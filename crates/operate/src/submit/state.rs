//! States of jobs as the cluster knows them, and their end.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ClusterEngine;
use super::command::run;
use super::error::SubmitError;
use super::record::ClusterJob;

/// State of one process of a job in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterState {
    /// Process: a number of Slurm such as `12` or `12_0`, or a pod.
    pub process: String,
    /// State in the cluster's own word in lower case, such as `running` or `pending`.
    pub state: String,
    /// Reason that the cluster gives for it, or the node.
    pub place: String,
    /// Time that the process has run, as the cluster writes it.
    pub time: String,
}

impl ClusterState {
    /// `true` if the process waits, runs or ends at this moment.
    pub fn is_alive(&self) -> bool {
        let dead = [
            "completed",
            "failed",
            "cancelled",
            "timeout",
            "node_fail",
            "out_of_memory",
            "boot_fail",
            "deadline",
            "preempted",
            "succeeded",
            "revoked",
        ];
        !dead.contains(&self.state.as_str())
    }
}

/// States of the processes of jobs, by the ids of the jobs. A job that the cluster has forgotten has none: Slurm keeps
/// an ended job for some minutes, and longer only in its accounting, which is asked too where there is one.
///
/// # Errors
/// [`SubmitError::NoProgram`], [`SubmitError::Refused`].
pub fn job_states(jobs: &[&ClusterJob]) -> Result<BTreeMap<String, Vec<ClusterState>>, SubmitError> {
    let mut found = BTreeMap::new();
    let slurm: Vec<&&ClusterJob> = jobs.iter().filter(|job| job.engine == ClusterEngine::Slurm).collect();
    let numbers: Vec<&str> = slurm.iter().filter_map(|job| job.cluster_id()).collect();
    if !numbers.is_empty() {
        let states = slurm_states(&numbers.join(","))?;
        for job in slurm {
            let number = job.cluster_id().unwrap_or_default();
            let own = |state: &&ClusterState| state.process.split('_').next() == Some(number);
            found.insert(job.id.clone(), states.iter().filter(own).cloned().collect());
        }
    }
    for job in jobs.iter().filter(|job| job.engine == ClusterEngine::Kubernetes) {
        found.insert(job.id.clone(), pod_states(job)?);
    }
    Ok(found)
}

fn slurm_states(numbers: &str) -> Result<Vec<ClusterState>, SubmitError> {
    let jobs = format!("--jobs={numbers}");
    match run("squeue", &["--noheader", "--states=all", "--array", &jobs, "--format=%i|%T|%R|%M"], "") {
        Ok(text) => Ok(text.lines().filter_map(line).collect()),
        // All of them have left the queue.
        Err(SubmitError::Refused { why, .. }) if why.contains("Invalid job id") => Ok(accounted(&jobs)),
        Err(error) => Err(error),
    }
}

/// States from the accounting; none where the cluster has no accounting.
fn accounted(jobs: &str) -> Vec<ClusterState> {
    let arguments =
        ["--noheader", "--allocations", "--parsable2", jobs, "--format=JobID,State,NodeList,Elapsed"];
    run("sacct", &arguments, "").map(|text| text.lines().filter_map(line).collect()).unwrap_or_default()
}

/// `12_0|RUNNING|n1|1:02`
fn line(text: &str) -> Option<ClusterState> {
    let mut fields = text.split('|').map(str::trim);
    let (process, state) = (fields.next()?.to_owned(), fields.next()?);
    // "CANCELLED by 1000"
    let state = state.split(' ').next().unwrap_or_default().to_lowercase();
    let place = fields.next()?.trim_matches(['(', ')']).to_owned();
    let time = fields.next()?.to_owned();
    (!process.is_empty()).then_some(ClusterState { process, state, place, time })
}

fn pod_states(job: &ClusterJob) -> Result<Vec<ClusterState>, SubmitError> {
    let selector = format!("--selector=job-name={}", job.cluster_id().unwrap_or_default());
    let columns =
        "--output=custom-columns=P:.metadata.name,S:.status.phase,N:.spec.nodeName,T:.status.startTime";
    let arguments = ["get", "pods", &selector, "--no-headers", columns];
    let text = run("kubectl", &with_namespace(job, &arguments), "")?;
    let pod = |text: &str| {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [process, state, place, time] = fields.as_slice() else { return None };
        line(&[*process, *state, *place, *time].join("|"))
    };
    Ok(text.lines().filter_map(pod).collect())
}

/// Cancels a job.
///
/// # Errors
/// [`SubmitError::NoProgram`], [`SubmitError::Refused`].
pub fn cancel_job(job: &ClusterJob) -> Result<(), SubmitError> {
    let id = job.cluster_id().unwrap_or_default();
    match job.engine {
        ClusterEngine::Slurm => run("scancel", &[id], "").map(drop),
        ClusterEngine::Kubernetes => {
            run("kubectl", &with_namespace(job, &["delete", "job", id, "--wait=false"]), "").map(drop)
        }
    }
}

/// Output of the pods of a Kubernetes job.
///
/// # Errors
/// [`SubmitError::NoProgram`], [`SubmitError::Refused`].
pub fn pod_logs(job: &ClusterJob) -> Result<String, SubmitError> {
    let selector = format!("--selector=job-name={}", job.cluster_id().unwrap_or_default());
    run("kubectl", &with_namespace(job, &["logs", &selector, "--tail=-1", "--prefix"]), "")
}

fn with_namespace<'a>(job: &'a ClusterJob, arguments: &[&'a str]) -> Vec<&'a str> {
    let namespace = job.namespace.iter().flat_map(|namespace| ["--namespace", namespace.as_str()]);
    namespace.chain(arguments.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn lines_of_squeue_and_sacct_are_read() {
        let state = line("12_0|RUNNING|n1|1:02").unwrap();
        assert_eq!(
            (state.process.as_str(), state.state.as_str(), state.place.as_str()),
            ("12_0", "running", "n1")
        );
        assert!(state.is_alive());
        let state = line("12|PENDING|(Resources)|0:00").unwrap();
        assert_eq!(state.place, "Resources");
        let state = line("13|CANCELLED by 1000|n2|00:00:04").unwrap();
        assert_eq!(state.state, "cancelled");
        assert!(!state.is_alive());
        assert!(line("").is_none() && line("slurm_load_jobs error").is_none());
    }
}
