//! Start of a run: from its newest checkpoint, or with new weights.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, FloatDType};
use cupola_nn::{InputBatch, Network, PretrainedWeights, RandomWeights};
use cupola_prep::{Augmenter, SplitPart};

use super::Trainer;
use crate::checkpoint::RunPosition;
use crate::checkpoint::{Checkpoint, Checkpointer, ResumeState};
use crate::error::Error;
use crate::evaluate::{EarlyStopping, Evaluator, Selection, Validation, limit_rows};
use crate::group::{DeviceGroup, GroupMember};
use crate::job::Job;
use crate::objective::objectives;
use crate::step::{Clock, LossScale, MovingAverage, RunRate, Stepper};
use crate::step::{DecayShare, check_batch_norm, configured_micro_batch, optimizer};

/// Largest number of rows that linear layers are started from.
const START_ROWS: usize = 2048;

/// Networks and optimiser that a run starts with.
struct Start {
    network: Network,
    average: Option<Network>,
    optimizer: ModuleOptimizer,
    decay: DecayShare,
    /// `None` for a run without a checkpoint.
    state: Option<ResumeState>,
}

impl Start {
    fn resumed(job: &Job<'_>, device: &Device, found: Checkpoint) -> Result<Self, Error> {
        let (train, dtype) = (&job.run.train, job.activation_dtype);
        let network = found.network(job.architecture, device)?.cast_activations(dtype);
        let average =
            found.ema_network(job.architecture, &job.device)?.map(|average| average.cast_activations(dtype));
        let decay = DecayShare::default();
        let fresh = optimizer(train, &network, &job.device, &decay);
        let average = average.or_else(|| (train.ema > 0.0).then(|| network.valid()));
        let optimizer = found.restore(fresh)?;
        Ok(Self { network, average, optimizer, decay, state: Some(found.progress) })
    }

    fn fresh(job: &Job<'_>, device: &Device) -> Result<Self, Error> {
        let train = &job.run.train;
        let mut random = RandomWeights { seed: job.run.seed };
        let network = match job.start {
            None => {
                let network = Network::build(job.architecture, &mut random, device)?;
                if job.run.design.data_start { started_from_rows(job, network, device)? } else { network }
            }
            Some(weights) => {
                let head = job.architecture.module_name("head");
                let mut weights = PretrainedWeights { weights, head, random };
                Network::build(job.architecture, &mut weights, device)?
            }
        };
        let network = network.cast_activations(job.activation_dtype);
        let decay = DecayShare::default();
        let optimizer = optimizer(train, &network, &job.device, &decay);
        let average = (train.ema > 0.0).then(|| network.valid());
        Ok(Self { network, average, optimizer, decay, state: None })
    }
}

/// The network with linear layers that fit rows spread over the training split.
fn started_from_rows(job: &Job<'_>, network: Network, device: &Device) -> Result<Network, Error> {
    let part = job.prepared.part(SplitPart::Train);
    let rows = limit_rows(part.len(), job.run.train.limit_train);
    let used = rows.min(START_ROWS);
    let batch: Vec<usize> = (0..used).map(|index| index * rows / used).collect();
    let examples = part.gather(&batch)?.examples;
    let input = InputBatch::new(examples.rows, examples.dense, examples.indices, device);
    Ok(network.start_from_rows(&input, job.run.seed)?)
}

impl<'a> Trainer<'a> {
    /// The trainer of a job as one rank of a group, which starts from the newest checkpoint if there is one.
    pub(crate) fn new(job: &'a Job<'a>, group: &'a dyn DeviceGroup) -> Result<Self, Error> {
        let (train, group) = (&job.run.train, GroupMember::new(group));
        let device = job.device.clone().autodiff();
        let device = if train.gradient_checkpointing { device.gradient_checkpointing() } else { device };
        let checkpointer = Checkpointer { folder: job.folder };
        let found = checkpointer.latest()?;
        if group.leads() {
            job.folder.rewind_events(found.as_ref().map_or(0, |found| found.progress.step))?;
        }
        let start = match found {
            Some(found) => Start::resumed(job, &device, found)?,
            None => Start::fresh(job, &device)?,
        };
        let rows = limit_rows(job.prepared.rows(SplitPart::Train), train.limit_train);
        let least = check_batch_norm(train, job.architecture, Some(rows))?;
        let batches = batches_of(rows, train.batch_size, least);
        let clock = Clock { steps_per_epoch: batches, total: batches * train.epochs as u64 };
        let validation = validation(job)?;
        let mut trainer = Self {
            job,
            group,
            rows,
            batches,
            position: RunPosition::start(),
            done: false,
            stepper: Stepper {
                job,
                group,
                device,
                objectives: validation.evaluator.objectives.clone(),
                augmenter: Augmenter::new(&job.run.inputs, &job.prepared.plan),
                micro_batch: configured_micro_batch(train),
                least,
                network: Some(start.network),
                optimizer: start.optimizer,
                decay: start.decay,
                scale: (job.activation_dtype == Some(FloatDType::F16)).then(LossScale::start),
            },
            average: MovingAverage::new(train.ema, start.average),
            rate: RunRate::new(train, clock),
            early_stopping: EarlyStopping::new(train, validation.selection.goal),
            validation,
            reported_undefined: false,
            checkpointer,
        };
        if let Some(state) = start.state {
            trainer.restore(state);
        }
        Ok(trainer)
    }
}

/// Number of batches of an epoch. A last batch of fewer than `least` examples joins the one before.
pub fn batches_of(rows: usize, batch_size: usize, least: usize) -> u64 {
    let batches = rows.div_ceil(batch_size);
    let last = rows - batches.saturating_sub(1) * batch_size;
    (if batches > 1 && last < least { batches - 1 } else { batches }) as u64
}

fn validation<'a>(job: &'a Job<'a>) -> Result<Validation<'a>, Error> {
    let plan = &job.prepared.plan;
    let part = job.prepared.part(SplitPart::Valid);
    Ok(Validation {
        evaluator: Evaluator { plan, objectives: objectives(job.run, job.prepared), device: &job.device },
        part,
        rows: limit_rows(part.len(), job.run.train.limit_valid),
        selection: Selection::of(job.run, job.prepared)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_batch_of_one_joins_the_one_before_if_two_are_needed() {
        assert_eq!([batches_of(33, 16, 1), batches_of(33, 16, 2), batches_of(34, 16, 2)], [3, 2, 3]);
        assert_eq!([batches_of(32, 16, 2), batches_of(1, 16, 2), batches_of(2, 16, 2)], [2, 1, 1]);
    }
}
