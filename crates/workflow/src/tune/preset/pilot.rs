//! Timing of a few rounds, trees or steps of a member, and its size in the time that is left.

use std::sync::Mutex;
use std::time::Instant;

use cupola_nn::DeviceChoice;
use cupola_registry::Home;
use cupola_spec::{Bagging, Boosting, Config, Family, Model, Train};
use cupola_train::Event;

use super::super::worker::observer::locked;
use super::budget::run_until;
use crate::config::ConfigSource;
use crate::data::loaded::LoadedData;
use crate::error::Error;
use crate::event::{Observer, WorkflowEvent};
use crate::session::Session;
use crate::train::{StopSignal, TrainJob, TrialEnd, TrialOutcome};

/// Rounds of the two timed boostings, whose difference leaves the preparation of the rows out.
const ROUNDS: [usize; 2] = [2, 8];
/// Trees of the timed forest.
const TREES: usize = 4;
/// Steps of the timed network; the first ones also allocate buffers.
const STEPS: u64 = 10;
/// Steps at the beginning that do not count.
const FIRST_STEPS: usize = 3;
/// Share of the time that the estimate may fill, since it is one.
const FILL: f64 = 0.8;
/// Share of an epoch's steps that its evaluation and its checkpoint take on top.
const EVALUATION: f64 = 0.2;
/// Fewest rounds, trees and epochs that are worth the time.
const FEWEST: [usize; 3] = [20, 20, 3];
/// Examples of a batch that is sized later.
const AUTO_BATCH: usize = 64;
/// Rounds of boosting without a number of their own.
const DEFAULT_ROUNDS: usize = 2000;

/// Member that is timed.
pub(super) struct Pilot<'a> {
    pub session: &'a Session<'a>,
    pub stop: &'a StopSignal,
    pub device: DeviceChoice,
    pub data: &'a LoadedData,
    /// Seconds that the member may take, the timing included.
    pub limit: f64,
    /// Moment at which they are over.
    pub deadline: Instant,
}

/// Size of a member.
pub(super) enum MemberSize {
    /// It fits as it is.
    Whole,
    /// It fits in this smaller size.
    Smaller(String),
    /// It does not fit.
    TooLarge(String),
}

impl Pilot<'_> {
    /// Times a member and makes it as small as the time asks for.
    ///
    /// # Errors
    /// The errors of a training.
    pub fn size(&self, config: &mut Config) -> Result<MemberSize, Error> {
        let started = Instant::now();
        let mut family = match &config.model {
            Model::Inline(family) => family.clone(),
            Model::File(_) | Model::Package(_) => return Ok(MemberSize::Whole),
        };
        let size = match &mut family {
            Family::Gbdt(spec) => self.size_boosting(config, spec, started)?,
            Family::RandomForest(spec) => self.size_forest(config, spec, started)?,
            _ => return self.size_network(config, started),
        };
        config.model = Model::Inline(family);
        Ok(size)
    }

    fn size_boosting(
        &self,
        config: &Config,
        spec: &mut Boosting,
        started: Instant,
    ) -> Result<MemberSize, Error> {
        let mut seconds = [0.0; 2];
        for (seconds, rounds) in seconds.iter_mut().zip(ROUNDS) {
            let short = Boosting { rounds: Some(rounds), patience: 0, ..spec.clone() };
            match self.timed(config, Family::Gbdt(short))? {
                Some(found) => *seconds = found,
                None => return Ok(self.too_slow("its first trees")),
            }
        }
        let each = ((seconds[1] - seconds[0]) / count(ROUNDS[1] - ROUNDS[0])).max(1e-6);
        let wanted = spec.rounds.unwrap_or(DEFAULT_ROUNDS);
        let fitting = self.fitting(started, seconds[0], each);
        if fitting >= wanted {
            return Ok(MemberSize::Whole);
        }
        if fitting < FEWEST[0] {
            return Ok(self.too_large("a round", each, fitting, FEWEST[0]));
        }
        spec.rounds = Some(fitting);
        // With few rounds, each has to take a larger step.
        let rate = spec.learning_rate.max((10.0 / count(fitting)).min(0.3));
        spec.learning_rate = (rate * 1000.0).round() / 1000.0;
        Ok(MemberSize::Smaller(format!("at most {fitting} of {wanted} rounds, in the time left")))
    }

    fn size_forest(
        &self,
        config: &Config,
        spec: &mut Bagging,
        started: Instant,
    ) -> Result<MemberSize, Error> {
        let short = Bagging { trees: TREES.min(spec.trees), ..*spec };
        let Some(seconds) = self.timed(config, Family::RandomForest(short))? else {
            return Ok(self.too_slow("its first trees"));
        };
        let each = (seconds / count(short.trees)).max(1e-6);
        let fitting = self.fitting(started, 0.0, each);
        if fitting >= spec.trees {
            return Ok(MemberSize::Whole);
        }
        if fitting < FEWEST[1] {
            return Ok(self.too_large("a tree", each, fitting, FEWEST[1]));
        }
        let note = format!("{fitting} of {} trees, in the time left", spec.trees);
        spec.trees = fitting;
        Ok(MemberSize::Smaller(note))
    }

    fn size_network(&self, config: &mut Config, started: Instant) -> Result<MemberSize, Error> {
        let steps = StepTimes::default();
        let Some(seconds) = self.run(config, &steps, Some(STEPS))? else {
            return Ok(self.too_slow("its first steps"));
        };
        let each = steps.each().unwrap_or(seconds / count(usize::try_from(STEPS).unwrap_or(1)));
        let batches = steps_of_epoch(&config.train, self.data.train_rows());
        let epoch = (each * count(batches) * (1.0 + EVALUATION)).max(1e-6);
        let (wanted, fitting) = (config.train.epochs, self.fitting(started, 0.0, epoch));
        let fewest = FEWEST[2].min(wanted);
        if fitting < fewest {
            return Ok(self.too_large("an epoch", epoch, fitting, fewest));
        }
        let needed = epoch * count(wanted.min(fitting));
        if needed > self.limit / 3.0 {
            // The estimate may be wrong; the limit holds.
            let left = self.limit - started.elapsed().as_secs_f64();
            let budget = (left * (1.0 - EVALUATION)).floor().max(1.0);
            let own = config.train.time_budget;
            config.train.time_budget = if own > 0.0 { own.min(budget) } else { budget };
        }
        if fitting >= wanted {
            return Ok(MemberSize::Whole);
        }
        config.train.epochs = fitting;
        Ok(MemberSize::Smaller(format!("{fitting} of {wanted} epochs, in the time left")))
    }

    /// Number of units of so many seconds each that fit into the rest of the time, after a beginning.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn fitting(&self, started: Instant, beginning: f64, each: f64) -> usize {
        let left = self.limit - started.elapsed().as_secs_f64() - beginning;
        (FILL * left.max(0.0) / each).min(1e12) as usize
    }

    fn too_slow(&self, what: &str) -> MemberSize {
        if self.stop.is_requested() {
            return MemberSize::TooLarge("stopped".to_owned());
        }
        MemberSize::TooLarge(format!("{what} alone take longer than the {:.1} s that it has", self.limit))
    }

    fn too_large(&self, unit: &str, each: f64, fitting: usize, fewest: usize) -> MemberSize {
        MemberSize::TooLarge(format!(
            "{unit} takes about {each:.2} s, so {fitting} fit into the {:.1} s that it has; fewer than {fewest} are not worth it",
            self.limit
        ))
    }

    /// Seconds of growing trees of a family; `None` if the time is over.
    fn timed(&self, config: &Config, family: Family) -> Result<Option<f64>, Error> {
        let config = Config { model: Model::Inline(family), ..config.clone() };
        self.run(&config, &StepTimes::default(), None)
    }

    /// Trains in a temporary home, without evaluation and package.
    fn run(&self, config: &Config, observer: &StepTimes, steps: Option<u64>) -> Result<Option<f64>, Error> {
        let temporary =
            tempfile::tempdir().map_err(|source| Error::Io { path: std::env::temp_dir(), source })?;
        let mut session = Session::new(self.session.home().clone(), observer);
        session.probe = self.session.probe.clone();
        let source = ConfigSource::text(format!("config of {}", config.name), toml::to_string(config)?);
        let job = TrainJob::new(source).device(self.device).max_steps(steps);
        let home = Home::new(temporary.path().to_owned());
        let end = TrialEnd { latency: false };
        let outcome = run_until(self.deadline, self.stop, |stop| {
            job.train_loaded(&home, &session, stop, self.data, end)
        })?;
        Ok(match outcome {
            TrialOutcome::Trained(run) => Some(run.seconds),
            TrialOutcome::Stopped => None,
        })
    }
}

/// Fewest steps after which a network is worth more than nothing.
pub(super) fn fewest_steps(config: &Config, rows: usize) -> u64 {
    let epochs = FEWEST[2].min(config.train.epochs);
    u64::try_from(steps_of_epoch(&config.train, rows) * epochs).unwrap_or(u64::MAX)
}

/// Batches of an epoch; one that is sized later counts as a usual one.
fn steps_of_epoch(train: &Train, rows: usize) -> usize {
    let batch = if train.batch_size == Train::AUTO { AUTO_BATCH } else { train.batch_size };
    rows.div_ceil(batch.max(1)).max(1)
}

/// Observer that notes the duration of each step.
#[derive(Default)]
struct StepTimes(Mutex<Vec<f64>>);

impl StepTimes {
    /// Mean seconds of a step, without the first ones.
    fn each(&self) -> Option<f64> {
        let steps = locked(&self.0);
        let counted = steps.get(FIRST_STEPS..).filter(|steps| !steps.is_empty()).unwrap_or(&steps);
        (!counted.is_empty()).then(|| counted.iter().sum::<f64>() / count(counted.len()))
    }
}

impl Observer for StepTimes {
    fn observe(&self, event: &WorkflowEvent<'_>) {
        if let WorkflowEvent::Training(Event::Step { seconds, .. }) = event {
            locked(&self.0).push(*seconds);
        }
    }
}

#[allow(clippy::cast_precision_loss)]
fn count(value: usize) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_of_use_after_three_epochs_or_all_it_was_to_have() {
        let steps = |training: &str| {
            let text = format!(
                "name = 'm'\n[data]\nsource = 'a.csv'\n[[targets]]\nname = 'y'\nkind = 'number'\n\
                 [model]\nfamily = 'mlp'\n[train]\n{training}\n"
            );
            let run = cupola_spec::parse("m", &text, &[], &|_| Err(String::new())).unwrap();
            fewest_steps(&run.sealed, 1000)
        };
        assert_eq!(steps("epochs = 20\nbatch_size = 64"), 3 * 16);
        assert_eq!(steps("epochs = 2\nbatch_size = 1000"), 2);
    }
}
