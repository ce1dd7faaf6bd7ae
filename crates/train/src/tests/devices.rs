//! Training on several devices against training on one.

use cupola_spec::Run;

use super::*;
use crate::fit_on_devices;

fn on(
    run: &Run,
    run_dir: &RunDir,
    devices: usize,
    fault: Fault<'_>,
) -> Result<(TrainOutcome, Vec<f64>), Error> {
    let prepared = data(run);
    let architecture = crate::architecture(run, &prepared.plan).unwrap();
    let job = Job { fault, ..job(run, &prepared, &architecture, run_dir) };
    let _turn = turn();
    let mut losses = Vec::new();
    let outcome = fit_on_devices(&job, &vec![Device::flex(); devices], &mut |event| {
        if let Event::Step { loss, .. } = event {
            losses.push(*loss);
        }
        Stop::No
    })?;
    Ok((outcome, losses))
}

type Fault<'a> = Option<&'a (dyn Fn(usize) + Sync)>;

#[test]
fn their_losses_and_weights_are_those_of_one_device() {
    // 80 rows in batches of 27: the last one has 26, which three devices do not share evenly; parts of 4.
    let mut run = run("micro_batch = 4\nema = 0.5\nmixup = 0.3");
    run.train.batch_size = 27;
    let (alone, expected) = on(&run, &run_dir(), 1, None).unwrap();
    for devices in [2, 3] {
        let (found, losses) = on(&run, &run_dir(), devices, None).unwrap();
        assert_eq!(found.progress.step, alone.progress.step);
        for (a, b) in losses.iter().zip(&expected) {
            assert!(
                (a - b).abs() < 1e-5 * b.abs().max(1.0),
                "{devices} devices: {losses:?}, one: {expected:?}"
            );
        }
        for name in alone.weights.names() {
            close(name, &found.weights.get(name).unwrap().data, &alone.weights.get(name).unwrap().data);
        }
        let best = |outcome: &TrainOutcome| outcome.progress.best.as_ref().map(|best| best.step);
        assert_eq!(best(&found), best(&alone));
    }
}

#[test]
fn more_devices_than_examples_in_a_batch_still_agree() {
    // The last batch of each epoch has 80 - 5 * 16 = 0 rows left over; with 79 it has a single one.
    let run = run("limit_train = 0.0125");
    let (alone, expected) = on(&run, &run_dir(), 1, None).unwrap();
    let (found, losses) = on(&run, &run_dir(), 3, None).unwrap();
    assert_eq!((alone.progress.step, losses.len()), (3, 3), "one row, one batch an epoch");
    for (a, b) in losses.iter().zip(&expected) {
        assert!((a - b).abs() < 1e-6, "{losses:?} {expected:?}");
    }
    assert!(found.weights.is_finite());
}

#[test]
fn one_that_fails_ends_the_run_for_all_and_the_run_resumes() {
    let (run, run_dir) = (run("checkpoint_every = 2"), run_dir());
    let passes = AtomicUsize::new(0);
    let fault = |_: usize| assert!(passes.fetch_add(1, Ordering::Relaxed) != 13, "device lost");
    let error = on(&run, &run_dir, 2, Some(&fault)).err().unwrap().to_string();
    assert!(error.contains("device lost"), "{error}");
    let resumed = on(&run, &run_dir, 2, None).unwrap().0.weights;
    let whole = weights(&run);
    for name in whole.names() {
        close(name, &resumed.get(name).unwrap().data, &whole.get(name).unwrap().data);
    }
}
