//! Trains the members of a preset and publishes their ensemble.

mod fallback;

use std::path::{Path, PathBuf};

use cupola_nn::DeviceChoice;
use cupola_spec::{Config, Model, NAME_RULE, is_name, train_for};
use cupola_store::{Lock, create_folder};

use super::super::ensemble::{EnsembleJob, EnsembleMethod, EnsembleOutcome, PublishedEnsemble};
use super::bags;
use super::budget::TimeBudget;
use super::files::{relocate, write_record};
use super::member::{MemberJob, MemberMetric, MemberSizing, UnfitMember};
use super::portfolio::{DataSize, PortfolioMember, Preset, check, members};
use super::report::{PresetMember, PresetMemberState, PresetProgress, PresetReport, sort};
use crate::config::ConfigSource;
use crate::data::kept::KeptData;
use crate::error::Error;
use crate::event::WorkflowEvent;
use crate::session::Session;
use crate::train::{PublishedRun, StopSignal, decisions};

/// Share of the time that is kept for one member while none is trained.
const FALLBACK: f64 = 0.3;
/// Encodings that are kept, since trees and networks take turns.
const ENCODINGS: usize = 2;

/// Training of several families within a time budget, and of their ensemble.
#[derive(Debug, Clone)]
pub struct PresetJob {
    config: ConfigSource,
    preset: Preset,
    time: Option<f64>,
    device: DeviceChoice,
}

/// End of a [`PresetJob`] that did not fail.
#[derive(Debug)]
pub enum PresetOutcome {
    /// The ensemble is published.
    Published {
        /// Members and their scores.
        report: Box<PresetReport>,
        /// Run and package of the ensemble.
        run: Box<PublishedRun>,
        /// File with the record.
        record: PathBuf,
    },
    /// The job was stopped before a member was trained.
    Stopped,
}

impl PresetJob {
    /// Preset on the data, the split and the targets of a config.
    pub fn new(config: ConfigSource, preset: Preset) -> Self {
        Self { config, preset, time: None, device: DeviceChoice::Auto }
    }

    /// Seconds of the whole job in place of those of the preset.
    #[must_use]
    pub fn time(self, time: Option<f64>) -> Self {
        Self { time, ..self }
    }

    /// Device to train on.
    #[must_use]
    pub fn device(self, device: DeviceChoice) -> Self {
        Self { device, ..self }
    }

    /// Trains members until the time is over, then publishes their ensemble. A `stop` that is set ends the member that
    /// trains; those before it become the ensemble.
    ///
    /// # Errors
    /// Mistakes in config and data, data without a portfolio, a time in which no member was trained.
    pub fn run(&self, session: &Session<'_>, stop: &StopSignal) -> Result<PresetOutcome, Error> {
        let budget = TimeBudget::new(self.time.unwrap_or_else(|| self.preset.seconds()));
        let run = session.run_config(&self.config)?;
        check(&run)?;
        decisions::check_single(&run)?;
        let folder = session.home().root().join("presets").join(&run.name);
        create_folder(&folder)?;
        let _lock = Lock::try_folder(&folder)?;
        let mut base = run.sealed;
        relocate(&mut base, &self.config.roots());
        let source = ConfigSource::text(self.config.origin(), toml::to_string(&base)?);
        let run = session.run_config(&source)?;
        let mut rows = KeptData::of_runs(ENCODINGS);
        let data = rows.load(session, &run, &[PathBuf::from(".")])?;
        let size = DataSize { rows: data.train_rows(), columns: data.prepared.plan.inputs.len() };
        let portfolio = members(self.preset, &run, size);
        let mut work = PresetWork {
            job: self,
            session,
            stop,
            folder: &folder,
            rows,
            budget,
            metric: None,
            members: Vec::new(),
            configs: Vec::new(),
            unfit: Vec::new(),
        };
        work.train(&base, portfolio)?;
        if self.preset == Preset::Best {
            work.bag()?;
        }
        work.finish(&base)
    }
}

/// Members so far.
struct PresetWork<'a> {
    job: &'a PresetJob,
    session: &'a Session<'a>,
    stop: &'a StopSignal,
    folder: &'a Path,
    rows: KeptData,
    budget: TimeBudget,
    metric: Option<MemberMetric>,
    members: Vec<PresetMember>,
    /// Configs of the members as they were trained.
    configs: Vec<Option<Config>>,
    /// Members that did not fit into their time, with their places among the members.
    unfit: Vec<(usize, UnfitMember)>,
}

impl PresetWork<'_> {
    /// Trains the members of a portfolio.
    fn train(&mut self, base: &Config, portfolio: Vec<PortfolioMember>) -> Result<(), Error> {
        let count = portfolio.len();
        for (index, member) in portfolio.into_iter().enumerate() {
            if self.budget.left() < FALLBACK * self.budget.seconds {
                self.fall_back(count)?;
            }
            let mut config = config_of(base, &member)?;
            if self.configs.iter().any(Option::is_some) {
                evaluate_briefly(&mut config);
            }
            let row = row(&member.label, member.family.name(), member.reason);
            self.member(config, row, (index + 1, count), MemberSizing::Timed)?;
        }
        self.fall_back(count)
    }

    /// Trains further copies of the best members, all of one round before the next.
    fn bag(&mut self) -> Result<(), Error> {
        let larger = self.metric.as_ref().is_some_and(|(_, larger)| *larger);
        let mut best: Vec<(PresetMember, Config)> = self
            .members
            .iter()
            .zip(&self.configs)
            .filter_map(|(member, config)| Some((member.clone(), config.clone()?)))
            .collect();
        let key = |member: &PresetMember| {
            let value = member.valid.unwrap_or(f64::NAN);
            if larger { -value } else { value }
        };
        best.sort_by(|(a, _), (b, _)| key(a).total_cmp(&key(b)));
        best.truncate(bags::MEMBERS);
        let first = self.members.len();
        let count = first + best.len() * usize::try_from(bags::BAGS).unwrap_or(0);
        for bag in 1..=bags::BAGS {
            for (member, config) in &best {
                let reason = "a copy with other draws, whose average with the others varies less";
                let row = row(&bags::name(&member.member, bag), &member.family, reason);
                let number = self.members.len() + 1;
                let sizing = member
                    .fit_seconds
                    .map_or(MemberSizing::Timed, |seconds| MemberSizing::Known(1.2 * seconds));
                let mut config = bags::config(config, bag);
                evaluate_briefly(&mut config);
                self.member(config, row, (number, count), sizing)?;
            }
        }
        Ok(())
    }

    /// Trains one member.
    fn member(
        &mut self,
        config: Config,
        mut row: PresetMember,
        (number, count): (usize, usize),
        sizing: MemberSizing,
    ) -> Result<(), Error> {
        self.emit(&row, (number, count));
        let waiting = if sizing == MemberSizing::Timed { count + 1 - number } else { 1 };
        let limit = self.budget.limit(waiting);
        let mut trained = None;
        if self.stop.is_requested() || limit <= 0.0 {
            row.state = PresetMemberState::Skipped;
            let why = if self.stop.is_requested() { "stopped" } else { "the time is over" };
            row.note = Some(why.to_owned());
            self.unfit.push((self.members.len(), UnfitMember { config, times: None }));
        } else {
            trained = self.run_member(config, &mut row, (self.members.len(), limit), sizing)?;
        }
        self.emit(&row, (number, count));
        self.members.push(row);
        self.configs.push(trained);
        Ok(())
    }

    /// Trains the member at a place in so many seconds. Returns its config as it was trained; `None` if it was not.
    fn run_member(
        &mut self,
        config: Config,
        row: &mut PresetMember,
        (place, limit): (usize, f64),
        sizing: MemberSizing,
    ) -> Result<Option<Config>, Error> {
        let job = MemberJob {
            session: self.session,
            stop: self.stop,
            device: self.job.device,
            folder: self.folder,
            limit,
            sizing,
        };
        let ended = job.run(&mut self.rows, config, row)?;
        self.budget.note_publishing(ended.publishing);
        self.metric = self.metric.take().or(ended.metric);
        self.unfit.extend(ended.unfit.map(|unfit| (place, unfit)));
        Ok(ended.config)
    }

    fn emit(&self, member: &PresetMember, (number, members): (usize, usize)) {
        let metric = self.metric.as_ref().map(|(name, _)| name.as_str());
        let left = self.budget.left();
        let progress = PresetProgress { member, number, members, metric, left };
        self.session.emit(&WorkflowEvent::PresetMember(&progress));
    }

    /// Weighs the trained members and publishes their average.
    fn finish(mut self, base: &Config) -> Result<PresetOutcome, Error> {
        let packages: Vec<String> = self.members.iter().filter_map(|member| member.package.clone()).collect();
        if packages.is_empty() {
            if self.stop.is_requested() {
                return Ok(PresetOutcome::Stopped);
            }
            return Err(self.nothing_trained());
        }
        let job = EnsembleJob::new(&base.name, packages, EnsembleMethod::Greedy).of_any_size();
        // A stop ends the members; the ensemble is what they leave.
        let outcome = job.device(self.job.device).run(self.session, &StopSignal::new())?;
        let EnsembleOutcome::Published(ensemble) = outcome else { return Ok(PresetOutcome::Stopped) };
        self.weigh(&ensemble);
        let run = ensemble.run;
        // In the order of their training, so that the same members have the same weights.
        let command = self.command(&base.name);
        sort(&mut self.members, run.summary.larger_is_better);
        let report = PresetReport {
            name: base.name.clone(),
            preset: self.job.preset,
            budget: self.budget.seconds,
            seconds: self.budget.elapsed(),
            metric: ensemble.metric,
            command,
            members: self.members,
        };
        let record = write_record(self.folder, &report)?;
        Ok(PresetOutcome::Published { report: Box::new(report), run, record })
    }

    /// Notes scores on the common valid rows, weights and times of the ensemble's leaderboard.
    fn weigh(&mut self, ensemble: &PublishedEnsemble) {
        for member in &mut self.members {
            let of_member =
                |package: &String| ensemble.leaderboard.iter().find(|row| row.package == *package);
            let Some(row) = member.package.as_ref().and_then(of_member) else { continue };
            (member.valid, member.test) = (row.valid, row.test);
            (member.weight, member.predict_us) = (Some(row.weight), row.predict_us);
        }
    }

    /// Command of the same ensemble. A single member is an ensemble only of a preset, so its config is trained.
    fn command(&self, name: &str) -> Vec<String> {
        let trained = self.members.iter().filter(|member| member.state == PresetMemberState::Trained);
        let paths = trained.filter_map(|member| member.config.as_ref());
        let paths: Vec<String> = paths.map(|path| path.to_string_lossy().into_owned()).collect();
        if let [one] = paths.as_slice() {
            let words = ["train", "--config", one, "--set", &format!("name={name}")];
            return words.map(str::to_owned).to_vec();
        }
        let mut words = vec!["ensemble".to_owned()];
        words.extend(paths);
        words.extend(["--name".to_owned(), name.to_owned()]);
        words
    }

    fn nothing_trained(&self) -> Error {
        let reasons = self
            .members
            .iter()
            .filter_map(|member| Some(format!("{}: {}", member.member, member.note.as_deref()?)));
        let mut reasons: Vec<String> = reasons.collect();
        reasons.truncate(3);
        let failed = self.members.iter().any(|member| member.state == PresetMemberState::Failed);
        let remedy = if failed {
            "correct the config until `cupola train` works with it without --preset"
        } else {
            "raise --time"
        };
        Error::Preset {
            why: format!("no member was trained ({})", reasons.join("; ")),
            remedy: remedy.to_owned(),
        }
    }
}

/// Config of a member: the model and the training change, and nothing that decides on the rows.
fn config_of(base: &Config, member: &PortfolioMember) -> Result<Config, Error> {
    let mut config = base.clone();
    // A config of its own may be called NAME_MEMBER.
    config.name = format!("{}_preset_{}", base.name, member.label);
    if !is_name(&config.name) {
        return Err(Error::Preset {
            why: format!("`{}` is too long a name for a member", config.name),
            remedy: format!("shorten `name`; a name has {NAME_RULE}"),
        });
    }
    if let Model::Inline(own) = &base.model
        && member.family.trees().is_none()
    {
        config.train = train_for(base, own, &member.family);
    }
    config.model = Model::Inline(member.family.clone());
    if let Some(training) = member.training {
        training.apply(&mut config.train);
    }
    Ok(config)
}

/// Leaves out what a member does not need beside the scores: the report, and the intervals unless a gate judges them. The
/// ensemble takes `[evaluate]` of the first trained member, which keeps it.
fn evaluate_briefly(config: &mut Config) {
    config.evaluate.report = false;
    if config.gate.is_empty() {
        config.evaluate.resamples = 0;
    }
}

fn row(member: &str, family: &str, reason: &str) -> PresetMember {
    PresetMember {
        member: member.to_owned(),
        family: family.to_owned(),
        reason: reason.to_owned(),
        state: PresetMemberState::Running,
        note: None,
        config: None,
        run: None,
        package: None,
        valid: None,
        test: None,
        fit_seconds: None,
        predict_us: None,
        weight: None,
    }
}
