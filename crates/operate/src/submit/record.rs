//! Records of submitted jobs, `jobs/ID/` of the home folder.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use cupola_registry::{Home, now};
use cupola_spec::did_you_mean;
use cupola_store::{create_folder, folders, is_plain_file_name, read_json, write_json};
use serde::{Deserialize, Serialize};

use super::error::SubmitError;
use super::{ClusterEngine, JobResources, JobWork};

const RECORD: &str = "job.json";

/// Submitted job, `job.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterJob {
    /// Name of the job's folder, and id of the run that it trains.
    pub id: String,
    /// Scheduler.
    pub engine: ClusterEngine,
    /// Work.
    pub work: JobWork,
    /// Config, as a path of the host that submitted the job.
    pub config: PathBuf,
    /// Resources of each process.
    pub resources: JobResources,
    /// Time of the first submission, RFC 3339 in UTC.
    pub created: String,
    /// Ids in the cluster, the newest last: numbers of Slurm, or the name of a Kubernetes job.
    pub cluster_ids: Vec<String>,
    /// Namespace of a Kubernetes job; `None` for the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl ClusterJob {
    /// Id of the newest submission.
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_ids.last().map(String::as_str)
    }
}

/// New id of a job: the name, the time and four hexadecimal digits, as that of a run.
pub fn new_job_id(name: &str) -> String {
    let time: String = now().chars().filter(char::is_ascii_digit).take(14).collect();
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    let noise = (std::process::id() ^ nanoseconds) & 0xffff;
    // An id is a name of at most 64 letters.
    let name: String = name.chars().take(44).collect();
    format!("{name}-{time}-{noise:04x}")
}

/// Folder of a job.
#[derive(Debug, Clone)]
pub struct JobFolder {
    path: PathBuf,
}

impl JobFolder {
    /// Folder of a job, which need not exist.
    pub fn at(home: &Home, id: &str) -> Self {
        Self { path: home.root().join("jobs").join(id) }
    }

    /// Creates the folder.
    ///
    /// # Errors
    /// [`SubmitError::Store`].
    pub fn create(&self) -> Result<(), SubmitError> {
        Ok(create_folder(&self.path)?)
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Script of a Slurm job.
    pub fn script(&self) -> PathBuf {
        self.path.join("job.sh")
    }

    /// Manifest of a Kubernetes job.
    pub fn manifest(&self) -> PathBuf {
        self.path.join("job.yaml")
    }

    /// Log of a process of a Slurm job. With `%a` for the number it is a pattern of Slurm.
    pub fn log(&self, worker: &str) -> PathBuf {
        self.path.join(format!("log-{worker}.txt"))
    }

    /// Reads `job.json`.
    ///
    /// # Errors
    /// [`SubmitError::Store`].
    pub fn record(&self) -> Result<ClusterJob, SubmitError> {
        Ok(read_json(&self.path.join(RECORD))?)
    }

    /// Replaces `job.json`.
    ///
    /// # Errors
    /// [`SubmitError::Store`].
    pub fn save(&self, job: &ClusterJob) -> Result<(), SubmitError> {
        Ok(write_json(&self.path.join(RECORD), job)?)
    }

    /// All jobs with a readable record, newest first.
    ///
    /// # Errors
    /// [`SubmitError::Store`] if the folder of jobs cannot be listed.
    pub fn all(home: &Home) -> Result<Vec<(Self, ClusterJob)>, SubmitError> {
        let found = folders(&home.root().join("jobs"))?.into_iter();
        let plain = found.filter(|(name, _)| is_plain_file_name(name)).map(|(_, path)| Self { path });
        let mut jobs: Vec<_> =
            plain.filter_map(|folder| Some((folder.clone(), folder.record().ok()?))).collect();
        jobs.sort_by(|(_, a), (_, b)| b.created.cmp(&a.created).then_with(|| b.id.cmp(&a.id)));
        Ok(jobs)
    }

    /// Job by its id, the beginning of one, its number in Slurm, or `latest`.
    ///
    /// # Errors
    /// [`SubmitError::Unknown`] with the most similar id, [`SubmitError::Ambiguous`].
    pub fn open(home: &Home, id: &str) -> Result<(Self, ClusterJob), SubmitError> {
        let mut jobs = Self::all(home)?;
        let exact =
            |(_, job): &(Self, ClusterJob)| job.id == id || job.cluster_ids.iter().any(|own| own == id);
        let begins = |(_, job): &(Self, ClusterJob)| !id.is_empty() && job.id.starts_with(id);
        if id == "latest" && !jobs.is_empty() {
            return Ok(jobs.swap_remove(0));
        }
        if let Some(at) = jobs.iter().position(exact) {
            return Ok(jobs.swap_remove(at));
        }
        let found: Vec<usize> = (0..jobs.len()).filter(|at| begins(&jobs[*at])).collect();
        match found.as_slice() {
            [at] => Ok(jobs.swap_remove(*at)),
            [] => Err(SubmitError::Unknown {
                id: id.to_owned(),
                home: home.root().to_owned(),
                hint: did_you_mean(id, jobs.iter().map(|(_, job)| job.id.as_str())),
            }),
            several => Err(SubmitError::Ambiguous {
                begin: id.to_owned(),
                found: several.iter().map(|at| jobs[*at].1.id.clone()).collect(),
            }),
        }
    }
}
