//! Steps of a retraining up to the comparison with the champion.

use cupola_datasets::Datasets;
use cupola_registry::{Aliases, Manifest, Package};
use cupola_spec::WatchClaim;
use cupola_workflow::{ConfigSource, JudgedCondition, Prepare, PrepareOutcome, StopSignal};
use jiff::Timestamp;

use crate::watch::challenger::{ChallengerEnd, ChallengerJob, config_digest};
use crate::watch::contest::{Contest, champion_of, holdout};
use crate::watch::cycle::WatchCycle;
use crate::watch::error::WatchError;
use crate::watch::look::guard::seconds_left;
use crate::watch::record::{ChallengerConfig, GateEvidence, TrainedChallenger, WatchState, WatchedData};
use crate::watch::watcher::Watcher;

/// Record of a step; `None` where a step has to be repeated.
type Step = Result<Option<WatchState>, WatchError>;

impl Watcher<'_> {
    /// Pins the newest version of the dataset.
    pub(in crate::watch) fn collect(&self) -> Step {
        Ok(Some(WatchState::Collected(WatchedData::of(&self.surroundings().newest()?))))
    }

    /// Looks at the expectations, which were checked when the version was made.
    pub(in crate::watch) fn validate(&self, cycle: &WatchCycle) -> Step {
        let data = needed(cycle.collected(), "collected")?;
        let manifest = Datasets::new(self.session.home().root()).named(&data.dataset)?;
        let report = &manifest.report;
        Ok(Some(WatchState::Validated {
            expectations: report.outcomes.len(),
            quarantined: report.quarantined,
        }))
    }

    /// Fixes the config of the challenger and makes its examples.
    pub(in crate::watch) fn prepare(&self, cycle: &WatchCycle) -> Step {
        let data = needed(cycle.collected(), "collected")?;
        let overrides = self.overrides(cycle, data)?;
        let config = self.job.config().clone().with_more_overrides(overrides.clone());
        let run = self.session.run_config(&config)?;
        // Rows that are encrypted at rest are not kept in another form; the training makes the examples then.
        let encrypts = Datasets::new(self.session.home().root()).encrypts();
        let when = if encrypts { Prepare::DryRun } else { Prepare::IfChanged };
        let stage = match self.session.prepare(&config, when)? {
            PrepareOutcome::Made { stage, .. } => stage,
            PrepareOutcome::Unchanged(stage) | PrepareOutcome::Due(stage) => stage.short().to_owned(),
        };
        let (config_sha256, seed) = (config_digest(&run)?, run.seed);
        Ok(Some(WatchState::Prepared(Box::new(ChallengerConfig { config_sha256, seed, overrides, stage }))))
    }

    /// Keys that the challenger's config has beside those of the file.
    fn overrides(&self, cycle: &WatchCycle, data: &WatchedData) -> Result<Vec<String>, WatchError> {
        let mut overrides = vec![format!("data.source={}", quoted(&format!("dataset:{}", data.dataset)))];
        if let Some((key, required)) = self.watch.claim(&self.watch.alias) {
            overrides.push(format!("gate.{key}={}", quoted(required)));
        }
        let champion = cycle.triggered().and_then(|triggered| triggered.champion.as_ref());
        if let Some(champion) = champion.filter(|_| self.watch.warm_start) {
            let package = self.session.home().package(champion)?;
            if !starts(&package) {
                return Err(WatchError::request(
                    format!("{champion} has no weights to start from"),
                    "remove `watch.warm_start`",
                ));
            }
            // A config with the package in it needs no warm start, and may not ask for one.
            overrides.push(format!("model={{ package = {} }}", quoted(champion)));
            overrides.push("watch.warm_start=false".to_owned());
        }
        Ok(overrides)
    }

    /// Trains the challenger; `None` if the user stopped it.
    pub(in crate::watch) fn train(&self, cycle: &WatchCycle, stop: &StopSignal) -> Step {
        let prepared = needed(cycle.prepared(), "prepared")?;
        let config: ConfigSource = self.job.config().clone().with_more_overrides(prepared.overrides.clone());
        let digest = config_digest(&self.session.run_config(&config)?)?;
        if digest != prepared.config_sha256 {
            let why = "the config was changed after the examples were prepared".to_owned();
            return Ok(Some(WatchState::Failed { why, seconds: 0.0 }));
        }
        let left = seconds_left(&self.watch, self.journal.records(), Timestamp::now());
        let study = self.watch.tune.then(|| format!("{}-watch-{}", self.run.name, cycle.number));
        let job =
            ChallengerJob { session: self.session, config, device: self.device(), study, seconds: left };
        Ok(match job.run(&digest, stop)? {
            ChallengerEnd::Trained(trained) => Some(WatchState::Trained(Box::new(trained))),
            ChallengerEnd::Stopped => None,
            ChallengerEnd::OutOfTime => {
                let budget = self.watch.budget.time.as_deref().unwrap_or_default();
                let why = format!("the training was stopped: {budget} within 24 hours are used");
                Some(WatchState::Failed { why, seconds: left.unwrap_or(0.0) })
            }
        })
    }

    /// Compares the challenger with the champion.
    pub(in crate::watch) fn gate(&self, cycle: &WatchCycle) -> Step {
        let trained = needed(cycle.trained(), "trained")?;
        let challenger = self.session.home().package(&trained.package)?;
        let champion = champion_of(self.session.home(), &self.run.name, &self.watch.alias)?;
        let evidence = self.judged(trained, &challenger, champion.as_ref())?;
        Ok(Some(WatchState::Gated(Box::new(evidence))))
    }

    fn judged(
        &self,
        trained: &TrainedChallenger,
        challenger: &Package,
        champion: Option<&Package>,
    ) -> Result<GateEvidence, WatchError> {
        let version = champion.map(|champion| champion.manifest.version);
        let Manifest { name, version: own, .. } = &challenger.manifest;
        let moves = Aliases::moves_to(self.session.home(), name, &self.watch.alias, *own)?;
        let holdout = holdout(challenger)?;
        let verdict =
            |passed, why| GateEvidence { passed, why, champion: version, moves, holdout: None, recent: None };
        let itself = champion.is_some_and(|champion| champion.path == challenger.path);
        if itself {
            return Ok(verdict(false, format!("{} is the champion itself", trained.package)));
        }
        if !challenger.passed_gate()? {
            let broken = holdout.as_ref().map(broken).unwrap_or_default();
            return Ok(GateEvidence {
                holdout,
                ..verdict(false, format!("broken on the test rows: {broken}"))
            });
        }
        let mut notes = Vec::new();
        let recent = match champion {
            Some(champion) => match self.surroundings().recent(&mut notes) {
                Some(rows) => {
                    let contest = Contest { champion, challenger, device: self.device() };
                    let required = self.watch.challenger.requirement();
                    Some(contest.on(self.session, &rows, &self.watch, required, &self.run.sealed.targets)?)
                }
                None => None,
            },
            None => None,
        };
        let passed = recent.as_ref().is_none_or(|contest| contest.gate.passed);
        let why = match (&recent, champion) {
            (Some(contest), _) if !passed => format!("broken on recent rows: {}", broken(&contest.gate)),
            (_, Some(_)) if self.watch.challenger == WatchClaim::None => {
                let compares = |condition: &JudgedCondition| condition.key.starts_with("versus ");
                let compared = holdout.iter().flat_map(|gate| &gate.conditions).any(compares);
                let not = if compared { "" } else { "; not compared, as `watch.challenger` is `none`" };
                format!("passed on the test rows{not}")
            }
            (Some(contest), _) => format!("passed on the test rows and on {} recent ones", contest.rows),
            (None, None) => "passed on the test rows; there is no champion".to_owned(),
            (None, Some(_)) => {
                let notes = notes.iter().fold(String::new(), |text, note| text + "; " + note);
                format!("passed on the test rows{notes}")
            }
        };
        Ok(GateEvidence { holdout, recent, ..verdict(passed, why) })
    }
}

/// Broken conditions with what was found.
fn broken(gate: &cupola_workflow::GateReport) -> String {
    let each = gate.broken().map(|condition| {
        let remark = condition.remark();
        let found = condition.found.map(|found| format!("{found:.4}")).unwrap_or_default();
        let what = if remark.is_empty() { found } else { remark };
        format!("`{}` {what}", condition.key)
    });
    each.collect::<Vec<_>>().join("; ")
}

/// `true` for a package with weights of a network.
fn starts(package: &Package) -> bool {
    package.manifest.files.contains_key("model.safetensors")
}

pub(in crate::watch) fn needed<'a, T>(found: Option<&'a T>, state: &str) -> Result<&'a T, WatchError> {
    found.ok_or_else(|| {
        WatchError::request(format!("the journal has no record `{state}`"), "restore it from a copy")
    })
}

/// Text of TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
