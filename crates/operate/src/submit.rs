//! Jobs on a cluster: a training or the workers of a study, under Slurm or Kubernetes.
//!
//! A job runs `cupola train --run ID` or `cupola tune --study NAME` on a home folder that all nodes share. Both
//! commands continue what an earlier start of the job has left, so that a job may be preempted, requeued or killed at
//! any moment. What was submitted is recorded in `jobs/ID/` of the home folder.

mod command;
mod error;
mod kubernetes;
mod logs;
mod record;
mod remedy;
mod resources;
mod slurm;
mod state;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::error::SubmitError;
pub use self::kubernetes::{PodOptions, PodStore, apply_manifest, manifest};
pub use self::logs::FollowedFile;
pub use self::record::{ClusterJob, JobFolder, new_job_id};
pub use self::resources::{JobResources, parse_memory};
pub use self::slurm::{SlurmOptions, sbatch_script, submit_script};
pub use self::state::{ClusterState, cancel_job, job_states, pod_logs};

/// Scheduler of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterEngine {
    /// Slurm, through `sbatch`, `squeue` and `scancel`.
    Slurm,
    /// Kubernetes, through manifests and `kubectl`.
    Kubernetes,
}

impl ClusterEngine {
    /// Name on the command line and in `job.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slurm => "slurm",
            Self::Kubernetes => "kubernetes",
        }
    }
}

/// Work of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobWork {
    /// Training of one run, whose id is that of the job.
    Train,
    /// Trials of a study in several processes.
    Tune {
        /// Name of the study.
        study: String,
        /// Number of trials in all; `None` for that of the config.
        trials: Option<u32>,
        /// Processes.
        workers: u32,
    },
}

impl JobWork {
    /// Number of processes.
    pub fn workers(&self) -> u32 {
        match self {
            Self::Train => 1,
            Self::Tune { workers, .. } => *workers,
        }
    }
}

/// Command that a job runs, apart from the places of its files.
#[derive(Debug, Clone)]
pub struct JobCommand {
    /// Id of the job, and of the run that it trains.
    pub id: String,
    /// Work.
    pub work: JobWork,
    /// Overrides of the config, each as `train.epochs=5`.
    pub set: Vec<String>,
    /// Value of `--device`.
    pub device: String,
    /// Devices that train together; 1 for a study.
    pub devices: u32,
}

impl JobCommand {
    /// Arguments of `cupola` with `home` and `config` as the job sees them.
    pub fn arguments(&self, home: &str, config: &str) -> Vec<String> {
        let mut words = vec!["--home".to_owned(), home.to_owned()];
        let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        match &self.work {
            JobWork::Train => add(&["train", "--config", config, "--run", &self.id]),
            JobWork::Tune { study, .. } => add(&["tune", "--config", config, "--study", study]),
        }
        add(&["--device", &self.device]);
        match &self.work {
            JobWork::Train if self.devices > 1 => add(&["--devices", &self.devices.to_string()]),
            JobWork::Tune { trials: Some(trials), .. } => add(&["--trials", &trials.to_string()]),
            JobWork::Train | JobWork::Tune { .. } => {}
        }
        self.set.iter().for_each(|set| add(&["--set", set]));
        words
    }
}

/// Places of the files of a Slurm job, which every node must see.
#[derive(Debug, Clone)]
pub struct SharedPaths {
    /// The program `cupola`.
    pub program: PathBuf,
    /// Working directory.
    pub folder: PathBuf,
    /// Home folder, or the cache of a home in an object store.
    pub home: PathBuf,
    /// Address of the object store that the home is in; `None` for a folder.
    pub store: Option<String>,
    /// Config.
    pub config: PathBuf,
}
