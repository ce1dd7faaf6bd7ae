//! Losses and optimisers against `PyTorch`.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use cupola_nn::{
    Architecture, Array, Average, InputBatch, InputSource, Loss, LossTargets, Network, Objective, StateDict,
};
use cupola_spec::{Block, Design, OptimizerKind};
use serde::Deserialize;

use super::*;
use crate::optimizer;

#[derive(Deserialize)]
struct Golden {
    losses: Vec<Case>,
    optimisers: Optimisers,
}

#[derive(Deserialize)]
struct Case {
    objective: Stated,
    width: usize,
    logits: Vec<f32>,
    target: Vec<f32>,
    loss: f32,
    grad: Vec<f32>,
}

#[derive(Deserialize)]
struct Stated {
    loss: Loss,
    label_smoothing: f64,
    class_weights: Vec<f32>,
}

#[derive(Deserialize)]
struct Optimisers {
    x: Vec<f32>,
    y: Vec<f32>,
    start: BTreeMap<String, Vec<f32>>,
    after: BTreeMap<String, BTreeMap<String, Vec<f32>>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/training.json")).unwrap()
}

#[track_caller]
pub fn close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= 2e-5 * b.abs().max(1.0), "{what}: {found:?}, PyTorch {expected:?}");
    }
}

#[test]
fn losses_and_their_gradients_are_pytorchs() {
    let device = Device::flex().autodiff();
    for Case { objective, width, logits, target, loss, grad } in golden().losses {
        let rows = target.len();
        let what = format!("{:?}", objective.loss);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let classes: Vec<usize> = target.iter().map(|&y| y as usize).collect();
        let weights = &objective.class_weights;
        let total: f32 =
            if weights.is_empty() { rows as f32 } else { classes.iter().map(|&c| weights[c]).sum() };
        let targets = match objective.loss {
            Loss::CrossEntropy | Loss::Focal { .. } => {
                LossTargets::classes(classes.iter().map(|&c| i32::try_from(c).unwrap()).collect(), &device)
            }
            _ => LossTargets::numbers(target, &device),
        };
        let Stated { loss: kind, label_smoothing, class_weights } = objective;
        let objective = Objective { loss: kind, label_smoothing, class_weights };
        let x = Tensor::<2>::from_data(TensorData::new(logits, [rows, width]), &device).require_grad();
        let found = objective.sum(x.clone(), targets).div_scalar(total);
        let value = found.clone().try_into_scalar::<f32>().unwrap();
        close(&what, &[value], &[loss]);
        let grads = found.backward();
        close(&what, &x.grad(&grads).unwrap().try_into_vec_as::<f32>().unwrap(), &grad);
    }
}

#[test]
fn optimisers_take_pytorchs_steps() {
    let golden = golden().optimisers;
    let device = Device::flex().autodiff();
    let design = Design::of(vec![cupola_spec::Layer::Linear { out: 4, bias: true }], 1);
    let block = Block::Table { numbers: 3, encoded: 0, indices: Vec::new() };
    let architecture =
        Architecture::new("layers", &design, vec![InputSource::new(&design, block)], 1, Average::Output)
            .unwrap();
    let mut train = run("").train;
    train.optimizer.learning_rate = 0.05;
    train.optimizer.weight_decay = 0.1;
    train.optimizer.nesterov = true;
    for (name, after) in golden.after {
        train.optimizer.kind = match name.as_str() {
            "adamw" => OptimizerKind::Adamw,
            "sgd" => OptimizerKind::Sgd,
            "lion" => OptimizerKind::Lion,
            "adafactor" => OptimizerKind::Adafactor,
            _ => OptimizerKind::Muon,
        };
        let mut weights = StateDict::default();
        for (key, shape) in [
            ("trunk.0.weight", vec![4, 3]),
            ("trunk.0.bias", vec![4]),
            ("head.weight", vec![1, 4]),
            ("head.bias", vec![1]),
        ] {
            weights.insert(key.to_owned(), Array { shape, data: golden.start[key].clone() });
        }
        let mut network = Network::load(&architecture, &weights, &device).unwrap();
        let mut optimizer = optimizer(&train, &network, &Device::flex(), &crate::DecayShare::default());
        for _ in 0..5 {
            let input = InputBatch::new(8, golden.x.clone(), Vec::new(), &device);
            let targets = LossTargets::numbers(golden.y.clone(), &device);
            let loss = Loss::MeanSquared.mean(network.forward_members(&input), targets);
            let grads = GradientsParams::from_grads(loss.backward(), &network);
            network = optimizer.step(0.05, network, grads);
        }
        let found = network.valid().state_dict().unwrap();
        for (key, expected) in after {
            close(&format!("{name} {key}"), &found.get(&key).unwrap().data, &expected);
        }
    }
}
