//! Behaviour of the training loop when the device or the disk fails, or numbers overflow.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use burn::tensor::Device;
use cupola_nn::{Architecture, Network, StateDict};
use cupola_prep::{Column, Frame, Prepared, prepare};
use cupola_registry::{Home, RunDataset, RunFolder, RunRecord, Status, now};
use cupola_spec::Run;

use self::golden::close;
use crate::event::{Event, Stop};
use crate::{Error, Job, TrainOutcome, fit};

mod devices;
mod golden;
mod precision;
mod resume;

const CONFIG: &str = r#"
name = "faults"
seed = 4
[data]
source = "none"
[split]
valid = 0.2
test = 0.0
[[targets]]
name = "y"
kind = "number"
[model]
family = "mlp"
hidden = [6]
dropout = 0.0
"#;

pub(crate) fn run(train: &str) -> Run {
    let text = format!("{CONFIG}\n[train]\nepochs = 3\nbatch_size = 16\n{train}");
    cupola_spec::parse("faults", &text, &[], &|_| Err(String::new())).unwrap()
}

pub(crate) fn data(run: &Run) -> Prepared {
    let column = |step: f64| {
        let values = (0..100).map(|row| (f64::from(row) * step).sin()).collect();
        Column::numbers(values)
    };
    let columns = [("a", column(0.7)), ("b", column(1.3)), ("y", column(2.1))];
    let frame = Frame::new(columns.into_iter().map(|(name, c)| (name.to_owned(), c)).collect());
    prepare(run, &frame, None, None).unwrap()
}

/// Dropout draws from one generator per process, so runs of several tests must not overlap.
static TURN: Mutex<()> = Mutex::new(());

pub(crate) fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(crate) struct RunDir {
    _folder: tempfile::TempDir,
    pub(crate) folder: RunFolder,
}

pub(crate) fn run_dir() -> RunDir {
    let dir = tempfile::tempdir().unwrap();
    let record = RunRecord {
        id: String::new(),
        name: "faults".into(),
        status: Status::Running,
        created: now(),
        updated: now(),
        config_sha256: String::new(),
        dataset: RunDataset::default(),
        device: "flex".into(),
        code_version: String::new(),
        package: None,
        seconds: None,
        valid: None,
        metrics: serde_json::Map::new(),
    };
    let (folder, _) = RunFolder::create(&Home::new(dir.path().to_path_buf()), record, "").unwrap();
    RunDir { _folder: dir, folder }
}

/// A job on the CPU with new weights, in 32 bits, without a limit.
pub(crate) fn job<'a>(
    run: &'a Run,
    prepared: &'a Prepared,
    architecture: &'a Architecture,
    run_dir: &'a RunDir,
) -> Job<'a> {
    Job {
        run,
        prepared,
        architecture,
        start: None,
        device: Device::flex(),
        activation_dtype: None,
        folder: &run_dir.folder,
        max_steps: None,
        fault: None,
    }
}

fn trained(
    run: &Run,
    run_dir: &RunDir,
    fault: Option<&(dyn Fn(usize) + Sync)>,
    observer: &mut dyn FnMut(&Event) -> Stop,
) -> Result<TrainOutcome, Error> {
    let prepared = data(run);
    let architecture = crate::architecture(run, &prepared.plan).unwrap();
    let job = Job { fault, ..job(run, &prepared, &architecture, run_dir) };
    let _turn = turn();
    fit(&job, observer)
}

fn weights(run: &Run) -> StateDict {
    trained(run, &run_dir(), None, &mut |_| Stop::No).unwrap().weights
}

#[test]
fn micro_batches_train_like_the_whole_batch() {
    let whole = weights(&run(""));
    // 80 rows in batches of 16 and parts of 5: the last part of each batch is a single example.
    let parts = weights(&run("micro_batch = 5"));
    for name in whole.names() {
        close(name, &parts.get(name).unwrap().data, &whole.get(name).unwrap().data);
    }
}

#[test]
fn out_of_memory_continues_with_smaller_micro_batches_of_the_same_batch() {
    let (run, run_dir) = (run(""), run_dir());
    let reported = Cell::new(0);
    let fault = |examples: usize| {
        // A device that holds four examples.
        assert!(examples <= 4, "CUDA error: out of memory ({examples} examples)");
    };
    let outcome = trained(&run, &run_dir, Some(&fault), &mut |event| {
        if let Event::SmallerParts { micro_batch, .. } = event {
            reported.set(*micro_batch);
        }
        Stop::No
    });
    let found = outcome.unwrap();
    assert_eq!((reported.get(), found.progress.step), (4, 15));
    let whole = weights(&run);
    for name in whole.names() {
        close(name, &found.weights.get(name).unwrap().data, &whole.get(name).unwrap().data);
    }
}

#[test]
fn a_device_that_fails_otherwise_ends_the_run_with_its_last_checkpoint_and_resumes() {
    let (run, run_dir) = (run("checkpoint_every = 2"), run_dir());
    let passes = AtomicUsize::new(0);
    let fault = |_: usize| assert!(passes.fetch_add(1, Ordering::Relaxed) != 7, "device lost");
    let error = trained(&run, &run_dir, Some(&fault), &mut |_| Stop::No).err().unwrap().to_string();
    assert!(error.starts_with("the device failed at step 8: device lost"), "{error}");
    assert_eq!(run_dir.folder.checkpoint_steps().unwrap().last(), Some(&6));
    let resumed = trained(&run, &run_dir, None, &mut |_| Stop::No).unwrap().weights;
    assert_eq!(resumed, weights(&run), "bit for bit what it would have been");
}

#[test]
fn a_disk_that_takes_no_more_keeps_the_last_good_checkpoint() {
    let (run, run_dir) = (run("checkpoint_every = 2"), run_dir());
    let checkpoints = run_dir.folder.path().join("checkpoints");
    let mut blocked = false;
    let error = trained(&run, &run_dir, None, &mut |event| {
        // A file in place of the folder fails writes as a full disk does, for any user.
        if let Event::Step { step: 4, .. } = event
            && !blocked
        {
            std::fs::rename(&checkpoints, checkpoints.with_extension("kept")).unwrap();
            std::fs::write(&checkpoints, "").unwrap();
            blocked = true;
        }
        Stop::No
    });
    assert!(matches!(error.err(), Some(Error::Record(_))));
    std::fs::remove_file(&checkpoints).unwrap();
    std::fs::rename(checkpoints.with_extension("kept"), &checkpoints).unwrap();
    assert_eq!(run_dir.folder.checkpoint_steps().unwrap(), [2]);
    let resumed = trained(&run, &run_dir, None, &mut |_| Stop::No).unwrap().weights;
    assert_eq!(resumed, weights(&run));
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_and_says_what_is_kept() {
    let (run, run_dir) = (
        run("clip_norm = 0.0\ncheckpoint_every = 1\n[train.optimizer]\nkind = \"sgd\"\nlearning_rate = 1e9"),
        run_dir(),
    );
    let error = trained(&run, &run_dir, None, &mut |_| Stop::No).err().unwrap().to_string();
    assert!(error.contains("lower train.optimizer.learning_rate"), "{error}");
}

#[test]
fn the_moving_average_is_published_and_survives_a_resume() {
    let averaged = run("ema = 0.9");
    let plain = weights(&run(""));
    let run_dir = run_dir();
    let mut steps = 0;
    let stopped = trained(&averaged, &run_dir, None, &mut |event| {
        steps += u64::from(matches!(event, Event::Step { .. }));
        if steps == 7 { Stop::Yes } else { Stop::No }
    });
    assert_eq!(stopped.unwrap().progress.step, 7);
    let resumed = trained(&averaged, &run_dir, None, &mut |_| Stop::No).unwrap().weights;
    assert_eq!(resumed, weights(&averaged));
    assert_ne!(resumed, plain);
}

#[test]
fn groups_freeze_what_they_name_and_limits_use_fewer_rows() {
    let (run, run_dir) = (
        run("limit_train = 0.5\neval_every = 2\n[[train.groups]]\nweights = \"trunk.*\"\nrate = 0.0"),
        run_dir(),
    );
    let mut evaluations = Vec::new();
    let mut first = None;
    let outcome = trained(&run, &run_dir, None, &mut |event| {
        if let Event::Evaluation { step, .. } = event {
            evaluations.push(*step);
        }
        if let Event::Checkpoint { step } = event
            && first.is_none()
        {
            first = Some(*step);
        }
        Stop::No
    })
    .unwrap();
    // 40 of 80 rows are three batches; step 6 is the end of an epoch.
    assert_eq!((outcome.progress.step, evaluations), (9, vec![2, 4, 8]));
    let prepared = data(&run);
    let architecture = crate::architecture(&run, &prepared.plan).unwrap();
    let start = Network::build(&architecture, &mut cupola_nn::RandomWeights { seed: 4 }, &Device::flex())
        .unwrap()
        .state_dict()
        .unwrap();
    assert_eq!(outcome.weights.get("trunk.0.weight"), start.get("trunk.0.weight"));
    assert_ne!(outcome.weights.get("head.weight"), start.get("head.weight"));
}

#[test]
fn a_time_budget_ends_the_run_after_a_step() {
    let (run, run_dir) = (run("time_budget = 1e-9"), run_dir());
    let outcome = trained(&run, &run_dir, None, &mut |_| Stop::No).unwrap();
    assert_eq!((outcome.ended, outcome.progress.step), (crate::EndReason::TimeBudget, 1));
    assert_eq!(run_dir.folder.checkpoint_steps().unwrap(), [1]);
}
