//! Half precision against 32 bits, and the dynamic loss scale.

use burn::tensor::FloatDType;
use cupola_nn::activation_dtype;
use cupola_spec::Precision;

use super::*;
use crate::LossScale;

fn trained_in(run: &Run, run_dir: &RunDir, kind: Option<FloatDType>, stop_at: Option<u64>) -> TrainOutcome {
    let prepared = data(run);
    let architecture = crate::architecture(run, &prepared.plan).unwrap();
    let job = Job { activation_dtype: kind, ..job(run, &prepared, &architecture, run_dir) };
    let _turn = turn();
    fit(&job, &mut |event| match event {
        Event::Step { step, .. } if Some(*step) == stop_at => Stop::Yes,
        _ => Stop::No,
    })
    .unwrap()
}

#[test]
fn what_is_learned_in_half_precision_is_near_what_is_learned_in_full() {
    let run = run("");
    let full = trained_in(&run, &run_dir(), None, None).weights;
    for (kind, allowed) in [(FloatDType::F16, 2e-3), (FloatDType::BF16, 2e-2)] {
        let found = trained_in(&run, &run_dir(), Some(kind), None);
        assert_eq!(found.progress.scale.is_some(), kind == FloatDType::F16);
        for name in full.names() {
            let (a, b) = (&found.weights.get(name).unwrap().data, &full.get(name).unwrap().data);
            assert_ne!(a, b, "{kind:?} {name} is computed in half precision");
            for (a, b) in a.iter().zip(b) {
                assert!((a - b).abs() < allowed, "{kind:?} {name}: {a}, in full {b}");
            }
        }
    }
}

#[test]
fn a_run_in_half_precision_resumes_bit_for_bit() {
    let run = run("checkpoint_every = 2\nema = 0.9");
    let whole = trained_in(&run, &run_dir(), Some(FloatDType::F16), None);
    let run_dir = run_dir();
    trained_in(&run, &run_dir, Some(FloatDType::F16), Some(7));
    let resumed = trained_in(&run, &run_dir, Some(FloatDType::F16), None);
    assert_eq!(resumed.weights, whole.weights);
    assert_eq!(resumed.progress.scale, whole.progress.scale);
}

#[test]
fn the_scale_falls_when_gradients_overflow_and_rises_again() {
    let mut scale = LossScale::start();
    assert!(scale.after(true));
    assert_eq!(scale, LossScale { factor: 32_768.0, good: 0 });
    (0..2000).for_each(|_| assert!(scale.after(false)));
    assert_eq!(scale, LossScale { factor: 65_536.0, good: 0 });
    let times = (0..100).take_while(|_| scale.after(true)).count();
    assert_eq!(times, 16, "below a factor of 1 it is the numbers that are wrong");
}

#[test]
fn a_device_computes_in_what_it_can() {
    let cpu = Device::flex();
    assert_eq!(activation_dtype(Precision::Fp32, &cpu, "flex").unwrap(), None);
    assert_eq!(activation_dtype(Precision::Mixed, &cpu, "flex").unwrap(), Some(FloatDType::BF16));
    assert_eq!(activation_dtype(Precision::Fp16, &cpu, "flex").unwrap(), Some(FloatDType::F16));
}
