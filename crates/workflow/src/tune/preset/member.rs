//! Training of one member: sized to the time, written as a config, trained and published as a run of its own.

use std::path::{Path, PathBuf};
use std::time::Instant;

use cupola_nn::DeviceChoice;
use cupola_spec::Config;

use super::super::worker::is_of_machine;
use super::budget::{after, run_until};
use super::files::write_config;
use super::pilot::{MemberSize, Pilot, fewest_steps};
use super::report::{PresetMember, PresetMemberState};
use super::units::UnitTimes;
use crate::config::ConfigSource;
use crate::data::kept::KeptData;
use crate::error::{Error, message_and_hint};
use crate::event::Silent;
use crate::session::Session;
use crate::train::{JobOutcome, PublishedRun, StopSignal, TrainJob};

/// Metric of the members, and `true` if a larger value is better.
pub(super) type MemberMetric = (String, bool);

/// Surroundings of a member.
pub(super) struct MemberJob<'a> {
    pub session: &'a Session<'a>,
    pub stop: &'a StopSignal,
    pub device: DeviceChoice,
    /// Folder of the preset.
    pub folder: &'a Path,
    /// Seconds that the member may take.
    pub limit: f64,
    pub sizing: MemberSizing,
}

/// Source of the size of a member.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum MemberSizing {
    /// A few of its rounds, trees or steps are timed.
    Timed,
    /// It takes so many seconds, as a member like it did.
    Known(f64),
    /// It is trained as it is, even if it takes longer than the time left.
    Forced,
}

/// Member that did not fit into its time, with what is known of its duration.
pub(super) struct UnfitMember {
    pub config: Config,
    pub times: Option<UnitTimes>,
}

/// End of a member.
pub(super) struct EndedMember {
    pub metric: Option<MemberMetric>,
    /// Config as it was trained.
    pub config: Option<Config>,
    /// A member that was skipped.
    pub unfit: Option<UnfitMember>,
    /// Seconds of evaluation and publication.
    pub publishing: f64,
}

impl MemberJob<'_> {
    /// Trains a member and notes its end in `row`. A member that fails is noted as well.
    ///
    /// # Errors
    /// A failure of the disk or of a lock, which would meet every member.
    pub fn run(
        &self,
        rows: &mut KeptData,
        mut config: Config,
        row: &mut PresetMember,
    ) -> Result<EndedMember, Error> {
        let mut ended = EndedMember { metric: None, config: None, unfit: None, publishing: 0.0 };
        let mut times = None;
        match self.train(rows, &mut config, row, (&mut ended, &mut times)) {
            Ok(Some((run, seconds))) => {
                row.state = PresetMemberState::Trained;
                let summary = run.summary;
                (row.run, row.package) = (Some(run.run), Some(run.package));
                (row.valid, row.test, row.fit_seconds) = (summary.valid, summary.test, Some(summary.seconds));
                ended.metric = Some((summary.metric, summary.larger_is_better));
                ended.publishing = (seconds - summary.seconds).max(0.0);
                ended.config = Some(config);
            }
            Ok(None) => {
                // A member that an earlier job has trained has its package already.
                if row.package.is_some() {
                    row.state = PresetMemberState::Trained;
                    ended.config = Some(config);
                } else {
                    row.state = PresetMemberState::Skipped;
                    ended.unfit = Some(UnfitMember { config, times });
                }
            }
            Err(error) if is_of_machine(&error) => return Err(error),
            Err(error) => {
                row.state = PresetMemberState::Failed;
                row.note = Some(message_and_hint(&error).0);
            }
        }
        Ok(ended)
    }

    /// The published run and the seconds from its first tree or step; `None` for a member that is skipped or was trained
    /// before.
    fn train(
        &self,
        rows: &mut KeptData,
        config: &mut Config,
        row: &mut PresetMember,
        (ended, times): (&mut EndedMember, &mut Option<UnitTimes>),
    ) -> Result<Option<(PublishedRun, f64)>, Error> {
        let began = Instant::now();
        let path = self.folder.join(format!("{}.toml", row.member));
        row.config = Some(path.clone());
        let text = write_config(&path, config, &row.reason)?;
        let source = |text: &str| ConfigSource::text(path.display().to_string(), text);
        let quiet = Session { observer: &Silent, ..self.session.clone() };
        if Self::reuse(&source(&text), &quiet, row, ended)? {
            return Ok(None);
        }
        if let MemberSizing::Known(seconds) = self.sizing
            && seconds > self.limit
        {
            row.note = Some(format!("it takes about {seconds:.1} s, and {:.1} s are left", self.limit));
            return Ok(None);
        }
        let run = quiet.run_config(&source(&text))?;
        let data = rows.load(&quiet, &run, &[PathBuf::from(".")])?;
        let left = self.limit - began.elapsed().as_secs_f64();
        if self.sizing == MemberSizing::Timed {
            let pilot = Pilot {
                session: &quiet,
                stop: self.stop,
                device: self.device,
                data,
                limit: left.max(0.0),
                deadline: after(left),
            };
            match pilot.size(config)? {
                MemberSize::Whole => {}
                MemberSize::Smaller(note) => row.note = Some(note),
                MemberSize::TooLarge(note, found) => {
                    (row.note, *times) = (Some(note), found);
                    return Ok(None);
                }
            }
        }
        let text = write_config(&path, config, &row.reason)?;
        let job = TrainJob::new(source(&text)).device(self.device);
        let left = match self.sizing {
            MemberSizing::Forced => f64::INFINITY,
            _ => self.limit - began.elapsed().as_secs_f64(),
        };
        let started = Instant::now();
        let outcome =
            run_until(after(left), self.stop, |stop| job.run_loaded(quiet.home(), &quiet, stop, data))?;
        let outcome = match outcome {
            // A network whose time is over is published as it is, unless it has seen the rows too seldom to be of use.
            JobOutcome::Stopped { run, step: Some(step) }
                if step >= fewest_steps(config, data.train_rows()) && !self.stop.is_requested() =>
            {
                row.note = Some(format!("ended after {step} steps, as its time is over"));
                let rest = TrainJob::resume(run).device(self.device).max_steps(Some(step));
                rest.run_loaded(quiet.home(), &quiet, &StopSignal::new(), data)?
            }
            outcome => outcome,
        };
        match outcome {
            JobOutcome::Published(run) => Ok(Some((*run, started.elapsed().as_secs_f64()))),
            JobOutcome::Stopped { run, step } => {
                row.note = Some(self.stopped(&run, step));
                Ok(None)
            }
            JobOutcome::Follower => Ok(None),
        }
    }

    /// Reason of a member that was stopped.
    fn stopped(&self, run: &str, step: Option<u64>) -> String {
        let why = if self.stop.is_requested() {
            "stopped".to_owned()
        } else {
            format!("not finished within the {:.1} s that it had", self.limit)
        };
        let resumable = step.map(|step| format!("; run {run} has a checkpoint at step {step}"));
        why + &resumable.unwrap_or_default()
    }

    /// `true` if a finished run has the same config and data, whose result `row` then has.
    fn reuse(
        config: &ConfigSource,
        session: &Session<'_>,
        row: &mut PresetMember,
        ended: &mut EndedMember,
    ) -> Result<bool, Error> {
        let Some(record) = session.finished_run(config)? else { return Ok(false) };
        let package = record.package.filter(|package| session.home().package(package).is_ok());
        let Some(package) = package else { return Ok(false) };
        if let Some(valid) = record.valid {
            row.valid = Some(valid.value);
            row.test = record.metrics.get(&valid.metric).and_then(serde_json::Value::as_f64);
            ended.metric = Some((valid.metric, valid.larger_is_better));
        }
        row.fit_seconds = record.seconds;
        row.note = Some("trained before".to_owned());
        row.run = Some(record.id);
        row.package = Some(package);
        Ok(true)
    }
}
