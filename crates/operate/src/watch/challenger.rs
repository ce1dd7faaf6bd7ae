//! Training of a challenger, once: a run with the same config that an earlier process began is resumed, one that it
//! finished is taken.

use std::time::Duration;

use cupola_nn::DeviceChoice;
use cupola_registry::{RunFolder, RunRecord, Status, sha256_hex};
use cupola_spec::Run;
use cupola_workflow::{
    ConfigSource, JobOutcome, PublishedRun, Session, StopSignal, TrainJob, TuneJob, TuneOutcome,
};

use super::error::WatchError;
use super::record::TrainedChallenger;

/// Pause between two looks at the signal of the user and the clock.
const PAUSE: Duration = Duration::from_millis(200);

/// Training of a challenger.
pub(super) struct ChallengerJob<'a> {
    pub session: &'a Session<'a>,
    /// Config with everything that the watch sets.
    pub config: ConfigSource,
    pub device: DeviceChoice,
    /// Name of the study of a search; `None` for one training.
    pub study: Option<String>,
    /// Seconds that the budget leaves.
    pub seconds: Option<f64>,
}

/// End of the training of a challenger.
pub(super) enum ChallengerEnd {
    Trained(TrainedChallenger),
    /// The user stopped it; it can go on.
    Stopped,
    /// The budget is used up.
    OutOfTime,
}

/// SHA-256 of the config that a run keeps.
pub(super) fn config_digest(run: &Run) -> Result<String, WatchError> {
    let text = toml::to_string(&run.sealed).map_err(cupola_workflow::Error::from)?;
    Ok(sha256_hex(text.as_bytes()))
}

impl ChallengerJob<'_> {
    /// Trains and publishes the challenger, or finds it.
    ///
    /// # Errors
    /// Errors of the training; a run of the same config that another process trains.
    pub fn run(&self, digest: &str, stop: &StopSignal) -> Result<ChallengerEnd, WatchError> {
        if let Some(study) = &self.study {
            return self.tune(study, stop);
        }
        let job = match self.earlier(digest)? {
            Some((_, record)) if record.status == Status::Finished => {
                return Ok(ChallengerEnd::Trained(taken(record)));
            }
            Some((_, record)) if record.status == Status::Running => {
                return Err(WatchError::request(
                    format!("run {} has the same config and is trained by another process", record.id),
                    "wait for its end",
                ));
            }
            Some((_, record)) => TrainJob::resume(record.id).expecting(Some(self.config.clone())),
            None => TrainJob::new(self.config.clone()),
        };
        let job = job.device(self.device);
        let ended = within(self.seconds, stop, |limited| job.run(self.session, limited));
        Ok(match ended? {
            JobOutcome::Published(run) => ChallengerEnd::Trained(trained(*run)),
            JobOutcome::Stopped { .. } | JobOutcome::Follower => stopped(stop),
        })
    }

    /// Newest run of this config whose result is there or can be reached.
    fn earlier(&self, digest: &str) -> Result<Option<(RunFolder, RunRecord)>, WatchError> {
        let home = self.session.home();
        let mut found: Vec<(RunFolder, RunRecord)> = RunFolder::all(home)?
            .into_iter()
            .filter(|(_, record)| record.config_sha256 == digest)
            .map(|(folder, mut record)| {
                record.status = folder.status(&record);
                (folder, record)
            })
            .collect();
        found.retain(|(_, record)| {
            let published = record.package.as_deref().is_some_and(|label| home.package(label).is_ok());
            record.status != Status::Finished || published
        });
        found.sort_by(|(_, a), (_, b)| (finished(a), &a.created).cmp(&(finished(b), &b.created)));
        Ok(found.pop())
    }

    fn tune(&self, study: &str, stop: &StopSignal) -> Result<ChallengerEnd, WatchError> {
        let job = TuneJob::new(self.config.clone()).study(Some(study.to_owned())).device(self.device);
        let ended = within(self.seconds, stop, |limited| job.run(self.session, limited))?;
        let TuneOutcome::Published { run, package, .. } = ended else { return Ok(stopped(stop)) };
        if let Some(run) = run {
            return Ok(ChallengerEnd::Trained(trained(*run)));
        }
        let manifest = self.session.home().package(&package)?.manifest;
        Ok(ChallengerEnd::Trained(TrainedChallenger {
            run: manifest.lineage.run,
            package,
            seconds: 0.0,
            reused: true,
            metrics: manifest.metrics,
        }))
    }
}

fn finished(record: &RunRecord) -> bool {
    record.status == Status::Finished
}

fn stopped(stop: &StopSignal) -> ChallengerEnd {
    if stop.is_requested() { ChallengerEnd::Stopped } else { ChallengerEnd::OutOfTime }
}

fn trained(run: PublishedRun) -> TrainedChallenger {
    TrainedChallenger {
        run: run.run,
        package: run.package,
        seconds: run.summary.seconds,
        reused: false,
        metrics: run.metrics,
    }
}

fn taken(record: RunRecord) -> TrainedChallenger {
    TrainedChallenger {
        run: record.id,
        package: record.package.unwrap_or_default(),
        seconds: 0.0,
        reused: true,
        metrics: record.metrics,
    }
}

/// Runs `job` with a signal that is set when `stop` is, or after some seconds.
fn within<T: Send>(seconds: Option<f64>, stop: &StopSignal, job: impl FnOnce(&StopSignal) -> T + Send) -> T {
    let (limited, done) = (StopSignal::new(), StopSignal::new());
    let started = std::time::Instant::now();
    std::thread::scope(|scope| {
        let (signal, ended) = (limited.clone(), done.clone());
        scope.spawn(move || {
            while !ended.is_requested() {
                let late = seconds.is_some_and(|seconds| started.elapsed().as_secs_f64() >= seconds);
                if stop.is_requested() || late {
                    return signal.request();
                }
                std::thread::sleep(PAUSE);
            }
        });
        // Set also when the job panics, so that the thread ends and the panic is seen.
        let _end = EndOnDrop(done);
        job(&limited)
    })
}

struct EndOnDrop(StopSignal);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.request();
    }
}
