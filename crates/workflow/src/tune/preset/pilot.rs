//! Timing of a few rounds, trees or steps of a member, and its size in the time that is left.

use std::sync::Mutex;
use std::time::Instant;

use cupola_nn::DeviceChoice;
use cupola_registry::Home;
use cupola_spec::{Bagging, Boosting, Config, Family, Model, Train};
use cupola_train::Event;

use super::super::worker::observer::locked;
use super::budget::run_until;
use super::units::{MemberUnit, UnitTimes, count, cut, units};
use crate::config::ConfigSource;
use crate::data::loaded::LoadedData;
use crate::error::Error;
use crate::event::{Observer, WorkflowEvent};
use crate::session::Session;
use crate::train::{StopSignal, TrainJob, TrialEnd, TrialOutcome};

/// Rounds of the timed boosting.
const ROUNDS: usize = 8;
/// Fewest trees of the timed forest, which has one for each thread.
const TREES: usize = 4;
/// Steps of the timed network; the first ones also allocate buffers.
const STEPS: u64 = 10;
/// Steps at the beginning that do not count.
const FIRST_STEPS: usize = 3;
/// Share of an epoch's steps that its evaluation and its checkpoint take on top.
const EVALUATION: f64 = 0.2;
/// Examples of a batch that is sized later.
const AUTO_BATCH: usize = 64;

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
    /// It does not fit, for this reason; `None` for the times of a member whose first units took too long.
    TooLarge(String, Option<UnitTimes>),
}

impl Pilot<'_> {
    /// Times a member and makes it as small as the time asks for.
    ///
    /// # Errors
    /// The errors of a training.
    pub fn size(&self, config: &mut Config) -> Result<MemberSize, Error> {
        let started = Instant::now();
        let family = match &config.model {
            Model::Inline(family) => family.clone(),
            Model::File(_) | Model::Package(_) => return Ok(MemberSize::Whole),
        };
        let unit = MemberUnit::of(&family);
        let found = match family {
            Family::Gbdt(spec) => self.times_of_boosting(config, spec)?,
            Family::RandomForest(spec) => self.times_of_forest(config, spec)?,
            _ => self.times_of_network(config)?,
        };
        let Some((beginning, each)) = found else { return Ok(self.too_slow(unit)) };
        let times = UnitTimes { unit, beginning, each: each.max(1e-6), wanted: units(config) };
        let left = self.limit - started.elapsed().as_secs_f64();
        let fitting = times.fitting(left);
        if fitting < times.fewest() {
            return Ok(MemberSize::TooLarge(times.refusal(left), Some(times)));
        }
        // The estimate may be wrong; the limit holds.
        if unit == MemberUnit::Epoch && times.each * count(times.wanted.min(fitting)) > self.limit / 3.0 {
            limit_seconds(config, left);
        }
        Ok(cut(config, fitting).map_or(MemberSize::Whole, MemberSize::Smaller))
    }

    /// Seconds before the first round, and of a round.
    fn times_of_boosting(&self, config: &Config, spec: Boosting) -> Result<Option<(f64, f64)>, Error> {
        let times = RoundTimes::default();
        let short = Family::Gbdt(Boosting { rounds: Some(ROUNDS), patience: 0, ..spec });
        let seconds = self.timed(config, short, &times)?;
        Ok(seconds.map(|seconds| {
            let each = times.sum_of(median).unwrap_or(seconds / count(ROUNDS));
            ((seconds - each * count(ROUNDS)).max(0.0), each)
        }))
    }

    /// Seconds before the first tree, and of a tree.
    fn times_of_forest(&self, config: &Config, spec: Bagging) -> Result<Option<(f64, f64)>, Error> {
        let times = RoundTimes::default();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let trees = TREES.max(threads).min(spec.trees).max(1);
        let short = Family::RandomForest(Bagging { trees, ..spec });
        let seconds = self.timed(config, short, &times)?;
        Ok(seconds.map(|seconds| {
            let all = times.sum_of(|batches| Some(batches.iter().sum())).unwrap_or(seconds);
            ((seconds - all).max(0.0), all / count(trees))
        }))
    }

    /// Seconds before the first epoch, which are few, and of an epoch.
    fn times_of_network(&self, config: &Config) -> Result<Option<(f64, f64)>, Error> {
        let steps = StepTimes::default();
        let seconds = self.run(config, &steps, Some(STEPS))?;
        Ok(seconds.map(|seconds| {
            let each = steps.each().unwrap_or(seconds / count(usize::try_from(STEPS).unwrap_or(1)));
            let batches = steps_of_epoch(&config.train, self.data.train_rows());
            (0.0, each * count(batches) * (1.0 + EVALUATION))
        }))
    }

    fn too_slow(&self, unit: MemberUnit) -> MemberSize {
        let what = match unit {
            _ if self.stop.is_requested() => return MemberSize::TooLarge("stopped".to_owned(), None),
            MemberUnit::Round | MemberUnit::Tree => "its first trees",
            MemberUnit::Epoch => "its first steps",
        };
        let why = format!("{what} alone take longer than the {:.1} s that it has", self.limit);
        MemberSize::TooLarge(why, None)
    }

    /// Seconds of growing trees of a family; `None` if the time is over.
    fn timed(&self, config: &Config, family: Family, times: &RoundTimes) -> Result<Option<f64>, Error> {
        let config = Config { model: Model::Inline(family), ..config.clone() };
        self.run(&config, times, None)
    }

    /// Trains in a temporary home, without evaluation and package.
    fn run(
        &self,
        config: &Config,
        observer: &dyn Observer,
        steps: Option<u64>,
    ) -> Result<Option<f64>, Error> {
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
    let epochs = MemberUnit::Epoch.fewest().min(config.train.epochs);
    u64::try_from(steps_of_epoch(&config.train, rows) * epochs).unwrap_or(u64::MAX)
}

/// Batches of an epoch; one that is sized later counts as a usual one.
fn steps_of_epoch(train: &Train, rows: usize) -> usize {
    let batch = if train.batch_size == Train::AUTO { AUTO_BATCH } else { train.batch_size };
    rows.div_ceil(batch.max(1)).max(1)
}

/// Gives a network so many seconds, its evaluations included, unless it has fewer.
pub(super) fn limit_seconds(config: &mut Config, left: f64) {
    let budget = (left * (1.0 - EVALUATION)).floor().max(1.0);
    let own = config.train.time_budget;
    config.train.time_budget = if own > 0.0 { own.min(budget) } else { budget };
}

/// Observer that notes when the rounds of each output ended.
#[derive(Default)]
struct RoundTimes(Mutex<Vec<(usize, Instant)>>);

impl RoundTimes {
    /// Sum over the outputs of a statistic of the seconds between their rounds; `None` without two rounds.
    fn sum_of(&self, statistic: impl Fn(&[f64]) -> Option<f64>) -> Option<f64> {
        let moments = locked(&self.0);
        let outputs = moments.chunk_by(|(one, _), (other, _)| one == other).map(|own| {
            let between = own.windows(2).map(|pair| (pair[1].1 - pair[0].1).as_secs_f64());
            between.collect::<Vec<f64>>()
        });
        let found: Vec<f64> =
            outputs.filter(|own| !own.is_empty()).filter_map(|own| statistic(&own)).collect();
        (!found.is_empty()).then(|| found.iter().sum())
    }
}

impl Observer for RoundTimes {
    fn observe(&self, event: &WorkflowEvent<'_>) {
        if let WorkflowEvent::TreesRound { output } = event {
            locked(&self.0).push((*output, Instant::now()));
        }
    }
}

/// Middle value, the lower one of two: a pause of the machine does not count.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

/// Observer that notes the duration of each step.
#[derive(Default)]
struct StepTimes(Mutex<Vec<f64>>);

impl StepTimes {
    /// Median seconds of a step, without the first ones.
    fn each(&self) -> Option<f64> {
        let steps = locked(&self.0);
        let counted = steps.get(FIRST_STEPS..).filter(|steps| !steps.is_empty()).unwrap_or(&steps);
        median(counted)
    }
}

impl Observer for StepTimes {
    fn observe(&self, event: &WorkflowEvent<'_>) {
        if let WorkflowEvent::Training(Event::Step { seconds, .. }) = event {
            locked(&self.0).push(*seconds);
        }
    }
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

    #[test]
    fn a_pause_of_the_machine_does_not_count_as_a_round() {
        let begun = Instant::now();
        let at = |output: usize, milliseconds: u64| {
            (output, begun + std::time::Duration::from_millis(milliseconds))
        };
        let moments = [at(0, 9000), at(0, 9010), at(0, 12_000), at(0, 12_010), at(1, 13_000), at(1, 13_030)];
        let times = RoundTimes(Mutex::new(moments.to_vec()));
        assert!((times.sum_of(median).unwrap() - 0.040).abs() < 1e-9);
        assert!((times.sum_of(|all| Some(all.iter().sum())).unwrap() - 3.040).abs() < 1e-9);
        assert!(RoundTimes(Mutex::new(vec![at(0, 5)])).sum_of(median).is_none());
        let steps = StepTimes(Mutex::new(vec![9.0, 9.0, 9.0, 0.1, 0.2, 7.0]));
        assert_eq!(steps.each(), Some(0.2));
    }
}
