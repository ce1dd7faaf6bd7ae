//! The state machine of retraining: each step writes its record before the next one begins, so that a process that is
//! killed anywhere is continued by the next one.

mod live;
mod lock;
mod promote;
mod steps;

use std::path::PathBuf;

use cupola_nn::DeviceChoice;
use cupola_sources::fill_secrets;
use cupola_spec::{Run, Watch, WatchWebhook};
use cupola_workflow::{ConfigSource, Session, StopSignal};
use jiff::Timestamp;
use serde::Serialize;

use self::lock::WatchLock;
use super::challenger::config_digest;
use super::cycle::{WatchCycle, WatchStep};
use super::drift::{BestStability, DriftMeasure};
use super::error::WatchError;
use super::journal::WatchJournal;
use super::live::LiveServer;
use super::look::guard::{WatchHold, hold};
use super::look::observe::{Surroundings, WatchLook, one_line};
use super::look::scratch::{ScratchHome, fill_cache};
use super::record::{WatchRecord, WatchState};

/// Watch of one config.
pub struct WatchJob {
    config: ConfigSource,
    device: DeviceChoice,
    approval: bool,
    until: Option<String>,
    drift: Box<dyn DriftMeasure>,
}

/// State of a watch after a pass.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchPass {
    /// Nothing is under way. The look has the reasons to train, if there were any, and the rule that held them.
    Idle(Box<WatchLook>),
    /// A person has to release the challenger of this retraining.
    Waiting(u64),
    /// The canary of this retraining is under way.
    Trying(u64),
    /// A promoted version is followed. Nothing else is trained until its end.
    Following(Box<WatchFollowing>),
    /// The state that the job ends at was reached.
    Reached(u64),
    /// Nothing is under way, and the pass is one that begins no retraining.
    Nothing,
    /// This retraining has ended.
    Ended(u64),
    /// The user stopped it.
    Stopped,
}

/// Promoted version that is followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WatchFollowing {
    /// Number of the retraining.
    pub cycle: u64,
    /// Version.
    pub version: u64,
    /// Time until which it is followed, RFC 3339; `None` in journals of earlier versions.
    pub until: Option<String>,
    /// Sentences on rows and metrics that could not be compared.
    pub notes: Vec<String>,
}

impl WatchJob {
    /// Watch of a config with a table `[watch]`.
    pub fn new(config: ConfigSource) -> Self {
        let drift = Box::new(BestStability);
        Self { config, device: DeviceChoice::Auto, approval: false, until: None, drift }
    }

    /// Device to train and compare on.
    #[must_use]
    pub fn device(self, device: DeviceChoice) -> Self {
        Self { device, ..self }
    }

    /// Asks a person before each promotion, whatever the config says.
    #[must_use]
    pub fn approval(self, approval: bool) -> Self {
        Self { approval, ..self }
    }

    /// Ends a pass when a retraining has reached this state, such as `trained`. One that is promoted is followed all the
    /// same. Only a pass to `triggered`, or one without an end, begins a retraining.
    #[must_use]
    pub fn until(self, until: Option<String>) -> Self {
        Self { until, ..self }
    }

    /// Measure of drift in place of [`BestStability`].
    #[must_use]
    pub fn drift(self, drift: Box<dyn DriftMeasure>) -> Self {
        Self { drift, ..self }
    }

    /// Takes the lock of the model, so that at most one process watches it.
    ///
    /// # Errors
    /// A config without `[watch]`; [`WatchError::Busy`]; a journal or a lease that is damaged.
    pub fn begin<'a>(
        &'a self,
        session: &'a Session<'a>,
        written: &'a dyn Fn(&WatchRecord),
    ) -> Result<Watcher<'a>, WatchError> {
        let (run, watch) = self.declared(session)?;
        let roots = self.config.roots();
        if let Some(live) = &watch.live {
            // A key that is not set is told now, and not after a training.
            LiveServer::open(live, &roots, session.home().root())?;
        }
        session.home().check_writable()?;
        let mut journal = WatchJournal::open(session.home(), &run.name)?;
        journal.reload()?;
        let lock = WatchLock::take(session.home(), &run.name, journal.fence())?;
        journal.hold(lock.lease())?;
        Ok(Watcher { job: self, session, run, watch, roots, journal, written, _lock: lock })
    }

    /// Looks at the data and says what a pass would do. Everything that it writes, such as versions of datasets, is removed
    /// again.
    ///
    /// # Errors
    /// As [`Self::begin`], and sources that cannot be read.
    pub fn dry_run(&self, session: &Session<'_>) -> Result<(WatchLook, Option<WatchCycle>), WatchError> {
        let (run, watch) = self.declared(session)?;
        let journal = WatchJournal::open(session.home(), &run.name)?;
        let roots = self.config.roots();
        fill_cache(session.home(), &run, &watch)?;
        let scratch = ScratchHome::of(session.home())?;
        let surroundings = Surroundings {
            session: &session.clone().with_home(scratch.home()),
            run: &run,
            watch: &watch,
            roots: &roots,
            device: self.device,
            drift: &*self.drift,
        };
        let now = Timestamp::now();
        let seen = surroundings.observe(&journal, self.named(&run)?, self.asks(&watch), now)?;
        let held = hold(&watch, journal.records(), &seen.evidence, now);
        let held = held.map(|WatchHold { rule, why }| (rule.to_owned(), why));
        let look = WatchLook { held, notes: seen.notes, evidence: seen.evidence };
        Ok((look, journal.open_cycle()))
    }

    /// Name of the model, and where the watch takes alerts by webhook; `None` if nowhere. Secrets are filled in.
    ///
    /// # Errors
    /// A config without `[watch]`; a secret that is not set.
    pub fn webhook(&self, session: &Session<'_>) -> Result<Option<(String, WatchWebhook)>, WatchError> {
        let (run, watch) = self.declared(session)?;
        let Some(webhook) = watch.on.webhook else { return Ok(None) };
        let (roots, home) = (self.config.roots(), session.home().root());
        let fill = |secret: Option<String>| {
            let filled = secret.map(|text| fill_secrets(&text, &roots, home)).transpose();
            filled.map_err(|error| WatchError::request(one_line(&error), "check `[watch.on.webhook]`"))
        };
        let WatchWebhook { listen, token, secret } = webhook;
        Ok(Some((run.name, WatchWebhook { listen, token: fill(token)?, secret: fill(secret)? })))
    }

    /// Seconds between two passes.
    ///
    /// # Errors
    /// A config without `[watch]`.
    pub fn every_seconds(&self, session: &Session<'_>) -> Result<f64, WatchError> {
        Ok(self.declared(session)?.1.every_seconds())
    }

    /// Name and digest of the config.
    fn named(&self, run: &Run) -> Result<(String, String), WatchError> {
        Ok((self.config.origin(), config_digest(run)?))
    }

    fn asks(&self, watch: &Watch) -> bool {
        self.approval || watch.approval
    }

    fn declared(&self, session: &Session<'_>) -> Result<(Run, Watch), WatchError> {
        let run = session.run_config(&self.config)?;
        let watch = run.watch.clone().ok_or_else(|| {
            WatchError::request(
                format!("{} has no table `[watch]`", self.config.origin()),
                "add one, such as `[watch]` with `on.new_data = true`",
            )
        })?;
        Ok((run, watch))
    }

    pub(super) fn config(&self) -> &ConfigSource {
        &self.config
    }
}

/// Watch that holds the lock of its model.
pub struct Watcher<'a> {
    pub(super) job: &'a WatchJob,
    pub(super) session: &'a Session<'a>,
    pub(super) run: Run,
    pub(super) watch: Watch,
    pub(super) roots: Vec<PathBuf>,
    pub(super) journal: WatchJournal,
    written: &'a dyn Fn(&WatchRecord),
    _lock: WatchLock,
}

impl Watcher<'_> {
    /// The journal, as of the last pass.
    pub fn journal(&self) -> &WatchJournal {
        &self.journal
    }

    /// Continues the open retraining, or looks for a reason to begin one, and goes as far as possible.
    ///
    /// # Errors
    /// Sources that cannot be read; a stage that failed, which ends the retraining; a disk that fails.
    pub fn pass(&mut self, stop: &StopSignal) -> Result<WatchPass, WatchError> {
        self.journal.reload()?;
        if self.journal.records().is_empty() {
            self.write(None, WatchState::Opened)?;
        }
        let cycle = match self.journal.open_cycle() {
            Some(cycle) => cycle.number,
            None if self.job.until.as_deref().is_some_and(|until| until != "triggered") => {
                return Ok(WatchPass::Nothing);
            }
            None => match self.look()? {
                Ok(cycle) => cycle,
                Err(look) => return Ok(WatchPass::Idle(look)),
            },
        };
        loop {
            if stop.is_requested() {
                return Ok(WatchPass::Stopped);
            }
            self.journal.reload()?;
            let state = self.cycle(cycle)?;
            if self.job.until.as_deref().is_some_and(|until| reached(&state, until)) {
                return Ok(WatchPass::Reached(cycle));
            }
            if let Some(end) = self.step(&state, stop)? {
                return Ok(end);
            }
        }
    }

    /// Begins a retraining if there is a reason and no rule against it; returns its number, or the look.
    fn look(&mut self) -> Result<Result<u64, Box<WatchLook>>, WatchError> {
        let now = Timestamp::now();
        let (config, asks) = (self.job.named(&self.run)?, self.job.asks(&self.watch));
        let seen = self.surroundings().observe(&self.journal, config, asks, now)?;
        let look =
            |held| Box::new(WatchLook { held, notes: seen.notes.clone(), evidence: seen.evidence.clone() });
        if seen.evidence.triggers.is_empty() {
            return Ok(Err(look(None)));
        }
        if let Some(WatchHold { rule, why }) = hold(&self.watch, self.journal.records(), &seen.evidence, now)
        {
            let triggers = seen.evidence.triggers.clone();
            let same = |record: &WatchRecord| {
                matches!(&record.state, WatchState::Held { rule: before, triggers: known, .. }
                    if before == rule && names(known).eq(names(&triggers)))
            };
            // A rule that holds the same reasons again is not written again.
            if !self.journal.records().last().is_some_and(same) {
                let state =
                    WatchState::Held { rule: rule.to_owned(), triggers: triggers.clone(), why: why.clone() };
                self.write(None, state)?;
            }
            return Ok(Err(look(Some((rule.to_owned(), why)))));
        }
        let number = self.journal.cycles().iter().map(|cycle| cycle.number).max().unwrap_or(0) + 1;
        self.write(Some(number), WatchState::Triggered(Box::new(seen.evidence)))?;
        Ok(Ok(number))
    }

    /// One step of a retraining; the end of the pass if it goes no further now.
    fn step(&mut self, cycle: &WatchCycle, stop: &StopSignal) -> Result<Option<WatchPass>, WatchError> {
        let number = cycle.number;
        let done = match cycle.next() {
            WatchStep::Done => return Ok(Some(WatchPass::Ended(number))),
            WatchStep::Wait => return Ok(Some(WatchPass::Waiting(number))),
            WatchStep::Ask => Ok(Some(WatchState::Pending)),
            WatchStep::Collect => self.collect(),
            WatchStep::Validate => self.validate(cycle),
            WatchStep::Prepare => self.prepare(cycle),
            WatchStep::Train => match self.train(cycle, stop) {
                Ok(None) => return Ok(Some(WatchPass::Stopped)),
                other => other,
            },
            WatchStep::Gate => self.gate(cycle),
            WatchStep::Reject => Ok(Some(reject(cycle))),
            WatchStep::Try => match self.try_canary(cycle) {
                Ok(None) => return Ok(Some(WatchPass::Trying(number))),
                other => other,
            },
            WatchStep::Promote => self.promote(cycle),
            WatchStep::RollBack => self.roll_back(cycle),
            WatchStep::Follow => {
                let mut notes = Vec::new();
                match self.follow(cycle, &mut notes) {
                    Ok(None) => return Ok(Some(WatchPass::Following(Box::new(following(cycle, notes))))),
                    other => other,
                }
            }
        };
        self.written_step(cycle, done)
    }

    /// Writes the record of a step. A failure ends the retraining and is handed on.
    fn written_step(
        &mut self,
        cycle: &WatchCycle,
        done: Result<Option<WatchState>, WatchError>,
    ) -> Result<Option<WatchPass>, WatchError> {
        let number = Some(cycle.number);
        let is_promoted = cycle.promoted().is_some();
        match done {
            Ok(Some(state)) => {
                if state.is_end() && !is_promoted {
                    self.withdraw_canary(cycle)?;
                }
                self.write(number, state)?;
                Ok(None)
            }
            Ok(None) => Ok(None),
            // Rows that could not be read do not undo a promotion; the next look tries again.
            Err(error) if is_promoted => Err(error),
            Err(error) => {
                self.withdraw_canary(cycle)?;
                let why = one_line(&error);
                self.write(number, WatchState::Failed { why, seconds: 0.0 })?;
                Err(error)
            }
        }
    }

    pub(super) fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            session: self.session,
            run: &self.run,
            watch: &self.watch,
            roots: &self.roots,
            device: self.job.device,
            drift: &*self.job.drift,
        }
    }

    pub(super) fn device(&self) -> DeviceChoice {
        self.job.device
    }

    fn cycle(&self, number: u64) -> Result<WatchCycle, WatchError> {
        let found = self.journal.cycles().into_iter().find(|cycle| cycle.number == number);
        found.ok_or_else(|| {
            WatchError::request(
                format!("retraining {number} is gone from the journal"),
                "restore the journal",
            )
        })
    }

    fn write(&mut self, cycle: Option<u64>, state: WatchState) -> Result<(), WatchError> {
        let record = self.journal.append(cycle, state)?;
        (self.written)(record);
        Ok(())
    }
}

fn names(triggers: &[super::record::WatchTrigger]) -> impl Iterator<Item = &str> {
    triggers.iter().map(|trigger| trigger.name.as_str())
}

/// `true` if a retraining has reached a state and is not to be followed.
fn reached(cycle: &WatchCycle, until: &str) -> bool {
    let goes_on = matches!(cycle.next(), WatchStep::Follow | WatchStep::RollBack | WatchStep::Done);
    !goes_on && cycle.records.iter().any(|record| record.state.name() == until)
}

fn following(cycle: &WatchCycle, notes: Vec<String>) -> WatchFollowing {
    let version = cycle.promoted().map_or(0, |(_, to)| to);
    let until = cycle.followed_until().map(|(_, until)| until.to_owned());
    WatchFollowing { cycle: cycle.number, version, until, notes }
}

fn reject(cycle: &WatchCycle) -> WatchState {
    if let Some(tried) = cycle.tried().filter(|tried| tried.worse) {
        return WatchState::Rejected { why: format!("the canary: {}", tried.why) };
    }
    let why = match (cycle.decision(), cycle.gated()) {
        (Some(Err(why)), _) => format!("refused by a person: {why}"),
        (_, Some(gated)) => gated.why.clone(),
        _ => "it was not compared".to_owned(),
    };
    WatchState::Rejected { why }
}
