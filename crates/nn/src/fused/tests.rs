//! Fused operations in 32 bits against the composed ones in 64 bits.

use std::sync::{Mutex, PoisonError};

use burn::module::Param;
use burn::nn::{DropoutConfig, Linear};
use burn::tensor::module::conv2d as composed_conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Bool, Device, FloatDType, Int, Tensor, TensorData};
use cupola_kernels::ScoreRules;
use cupola_spec::{Activation, Cell};

use super::conv::{ConvOp, convolve};
use super::*;

const BOTH: [FloatDType; 2] = [FloatDType::F32, FloatDType::F64];

/// Reproducible values that require gradients.
fn tensor<const D: usize>(dims: [usize; D], phase: f32, dtype: FloatDType) -> Tensor<D> {
    let values = (0..dims.iter().product::<usize>()).map(|i| (i as f32 * 0.77 + phase).sin()).collect();
    let data = TensorData::new::<f32, _>(values, dims);
    Tensor::<D>::from_data(data, &Device::flex().autodiff()).cast(dtype).require_grad()
}

fn list<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

fn assert_near(name: &str, [fused, composed]: [Vec<f64>; 2]) {
    assert_eq!(fused.len(), composed.len(), "{name}");
    for (index, (a, b)) in fused.iter().zip(&composed).enumerate() {
        assert!((a - b).abs() < 1e-4 * b.abs().max(1.0), "{name} at {index}: {a}, composed {b}");
    }
}

#[test]
fn norms() {
    let run = |dtype| {
        let (x, weight) = (tensor([3, 5, 33], 0.0, dtype), tensor([33], 1.0, dtype));
        let bias = tensor([33], 2.0, dtype);
        let y = layer_norm(x.clone(), weight.clone(), Some(bias.clone()), 1e-5);
        let y =
            y + rms_norm(x.clone(), weight.clone(), 1e-5) + layer_norm(x.clone(), weight.clone(), None, 1e-3);
        let gradients = y.clone().powi_scalar(3).sum().backward();
        [
            list(y),
            list(x.grad(&gradients).unwrap()),
            list(weight.grad(&gradients).unwrap()),
            list(bias.grad(&gradients).unwrap()),
        ]
        .concat()
    };
    assert_near("norms", BOTH.map(run));
}

#[test]
fn batch_norms() {
    let run = |dtype| {
        let (x, weight) = (tensor([6, 3, 5, 4], 0.0, dtype), tensor([3], 1.0, dtype));
        let bias = tensor([3], 2.0, dtype);
        let found = batch_norm(x.clone(), weight.clone(), bias.clone(), 1e-5);
        let gradients = found.output.clone().powi_scalar(3).sum().backward();
        let inputs = [
            list(x.grad(&gradients).unwrap()),
            list(weight.grad(&gradients).unwrap()),
            list(bias.grad(&gradients).unwrap()),
        ];
        [inputs.concat(), list(found.output), list(found.mean), list(found.variance)].concat()
    };
    assert_near("batch norm", BOTH.map(run));
}

#[test]
fn convolutions() {
    let run = |dtype| {
        let (x, weight) = (tensor([3, 2, 9, 8], 0.0, dtype), tensor([4, 2, 3, 3], 1.0, dtype));
        let bias = tensor([4], 2.0, dtype);
        let op = ConvOp { stride: [2, 1], padding: [1, 1], dilation: [1, 2], groups: 1 };
        let y = convolve(op, x.clone(), weight.clone(), Some(bias.clone())).unwrap_or_else(|x| {
            composed_conv2d(
                x,
                weight.clone(),
                Some(bias.clone()),
                ConvOptions::new([2, 1], [1, 1], [1, 2], 1),
            )
        });
        let gradients = y.clone().square().sum().backward();
        let inputs = [
            list(x.grad(&gradients).unwrap()),
            list(weight.grad(&gradients).unwrap()),
            list(bias.grad(&gradients).unwrap()),
        ];
        [inputs.concat(), list(y)].concat()
    };
    assert_near("conv2d", BOTH.map(run));
    let run = |dtype| {
        let (x, weight) = (tensor([3, 2, 12], 0.0, dtype), tensor([4, 2, 3], 1.0, dtype));
        let bias = tensor([4], 2.0, dtype);
        let y = conv1d(x.clone(), weight.clone(), bias, 2, 2);
        let gradients = y.clone().square().sum().backward();
        [list(x.grad(&gradients).unwrap()), list(weight.grad(&gradients).unwrap()), list(y)].concat()
    };
    assert_near("conv1d", BOTH.map(run));
}

#[test]
fn linear_layers() {
    let run = |dtype| {
        let (x, weight) = (tensor([20, 10, 7], 0.0, dtype), tensor([7, 19], 1.0, dtype));
        let bias = tensor([19], 2.0, dtype);
        let layer = Linear { weight: Param::from_tensor(weight), bias: Some(Param::from_tensor(bias)) };
        // A transposed view has to be read by its strides.
        let y = linear(&layer, x.clone().swap_dims(0, 1));
        let gradients = y.clone().square().sum().backward();
        let bias = layer.bias.as_ref().map(|bias| list(bias.val().grad(&gradients).unwrap()));
        let inputs = [list(x.grad(&gradients).unwrap()), list(layer.weight.val().grad(&gradients).unwrap())];
        [inputs.concat(), bias.unwrap(), list(y)].concat()
    };
    assert_near("linear", BOTH.map(run));
}

#[test]
fn recurrent_layers() {
    for (cell, reversed) in [(Cell::Lstm, false), (Cell::Lstm, true), (Cell::Gru, false), (Cell::Gru, true)] {
        let (input, width) = (4, 19);
        let gates = cell.gates() * width;
        let run = |dtype| {
            let (x, bias_ih) = (tensor([6, 3, input], 0.0, dtype), tensor([gates], 1.0, dtype));
            let (ih, hh) = (tensor([gates, input], 2.0, dtype), tensor([gates, width], 3.0, dtype));
            let bias_hh = tensor([gates], 4.0, dtype);
            let weights = DirectionWeights {
                ih: ih.clone(),
                hh: hh.clone(),
                bias_ih: bias_ih.clone(),
                bias_hh: bias_hh.clone(),
            };
            // A transposed view has to be read by its strides.
            let y = recurrent(cell, x.clone().swap_dims(0, 1), weights, reversed);
            let gradients = y.clone().powi_scalar(3).sum().backward();
            let inputs = [
                list(x.grad(&gradients).unwrap()),
                list(ih.grad(&gradients).unwrap()),
                list(hh.grad(&gradients).unwrap()),
                list(bias_ih.grad(&gradients).unwrap()),
                list(bias_hh.grad(&gradients).unwrap()),
            ];
            [inputs.concat(), list(y)].concat()
        };
        assert_near(&format!("{cell:?}, reversed: {reversed}"), BOTH.map(run));
    }
}

#[test]
fn recurrent_layers_without_autodiff_have_the_same_states() {
    let run = |device: &Device| {
        let of = |count: usize| (0..count).map(|i| (i as f32 * 0.77).sin()).collect::<Vec<_>>();
        let tensor = |dims: [usize; 2]| {
            Tensor::<2>::from_data(TensorData::new::<f32, _>(of(dims[0] * dims[1]), dims), device)
        };
        let weights = DirectionWeights {
            ih: tensor([12, 2]),
            hh: tensor([12, 3]),
            bias_ih: tensor([1, 12]).reshape([12]),
            bias_hh: tensor([1, 12]).reshape([12]),
        };
        list(recurrent(Cell::Lstm, tensor([5, 8]).reshape([5, 4, 2]), weights, false))
    };
    assert_eq!(run(&Device::flex()), run(&Device::flex().autodiff()));
}

#[test]
fn linear_layers_with_an_activation() {
    for function in [Activation::Relu, Activation::Gelu, Activation::GeluTanh, Activation::Silu] {
        let run = |dtype| {
            let (x, weight) = (tensor([20, 10, 7], 0.0, dtype), tensor([7, 19], 1.0, dtype));
            let layer = Linear {
                weight: Param::from_tensor(weight),
                bias: Some(Param::from_tensor(tensor([19], 2.0, dtype))),
            };
            let y = activated_linear(&layer, x.clone().swap_dims(0, 1), function);
            let gradients = y.clone().square().sum().backward();
            let bias = layer.bias.as_ref().map(|bias| list(bias.val().grad(&gradients).unwrap()));
            let inputs =
                [list(x.grad(&gradients).unwrap()), list(layer.weight.val().grad(&gradients).unwrap())];
            [inputs.concat(), bias.unwrap(), list(y)].concat()
        };
        assert_near(&format!("linear layer with {function:?}"), BOTH.map(run));
    }
}

#[test]
fn frozen_weights_get_no_gradients() {
    let x = tensor([200, 7], 0.0, FloatDType::F32);
    let frozen = tensor([7, 19], 1.0, FloatDType::F32).detach();
    let layer = Linear { weight: Param::from_tensor(frozen), bias: None };
    let weight = layer.weight.val().set_require_grad(false);
    let layer = Linear { weight: Param::initialized(layer.weight.id, weight), bias: None };
    let gradients = linear(&layer, x.clone()).square().sum().backward();
    assert!(layer.weight.val().grad(&gradients).is_none());
    assert!(x.grad(&gradients).is_some());
}

#[test]
fn self_attention_takes_heads_side_by_side_and_grouped() {
    let device = Device::flex().autodiff();
    let padding: Tensor<2, Bool> =
        Tensor::<2, Int>::from_ints([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]], &device).equal_elem(1);
    let none = DropoutConfig::new(0.0).init();
    let run = |dtype| {
        let heads = |heads: usize, phase: f32| tensor([2, 5, heads, 3], phase, dtype);
        let (q, k, v) = (heads(4, 0.0), heads(2, 1.0), heads(2, 2.0));
        let turned = [&q, &k, &v].map(|x| x.clone().swap_dims(1, 2));
        let rules = ScoreRules { causal: true, ..ScoreRules::default() };
        let y = attention(turned.each_ref(), rules, Some(&padding), &none).unwrap_or_else(|| {
            let [q, k, v] = turned;
            let repeat = |x: Tensor<4>| -> Tensor<4> {
                let x: Tensor<5> = x.unsqueeze_dim(2);
                x.repeat_dim(2, 2).reshape([2, 4, 5, 3])
            };
            let scores = q.matmul(repeat(k).swap_dims(2, 3)).div_scalar(3.0_f64.sqrt());
            let future =
                Tensor::<2, Bool>::tril_mask([5, 5], 0, &device).reshape([1, 1, 5, 5]).expand([2, 4, 5, 5]);
            let padding = padding.clone().reshape([2, 1, 1, 5]).expand([2, 4, 5, 5]);
            let scores = scores.mask_fill(future, -1e30).mask_fill(padding, -1e30);
            let weights = burn::tensor::activation::softmax(scores, 3);
            weights.matmul(repeat(v)).swap_dims(1, 2).reshape([2, 5, 12])
        });
        let gradients = y.clone().square().sum().backward();
        let inputs = [&q, &k, &v].map(|x| list(x.grad(&gradients).unwrap()));
        [inputs.concat(), list(y)].concat()
    };
    assert_near("attention", BOTH.map(run));
}

#[test]
fn cross_entropy_has_a_kernel_for_single_precision_only() {
    let class = Tensor::<1, Int>::from_ints([2, 0, 6], &Device::flex().autodiff());
    let logits = tensor([3, 7], 0.0, FloatDType::F32);
    let found = target_log_probabilities(&logits, &class).unwrap();
    let gradients = found.clone().square().sum().backward();
    let found = [list(found), list(logits.grad(&gradients).unwrap())].concat();
    let logits = tensor([3, 7], 0.0, FloatDType::F64);
    assert!(target_log_probabilities(&logits, &class).is_none());
    let index: Tensor<2, Int> = class.unsqueeze_dim(1);
    let each = burn::tensor::activation::log_softmax(logits.clone(), 1).gather(1, index);
    let gradients = each.clone().square().sum().backward();
    assert_near("cross-entropy", [found, [list(each), list(logits.grad(&gradients).unwrap())].concat()]);
}

#[test]
fn gradient_checkpointing_takes_the_composed_operations() {
    let device = Device::flex().autodiff().gradient_checkpointing();
    let x = Tensor::<2>::ones([4, 3], &device).require_grad();
    assert!(!is_supported(&x.clone().into_dispatch()));
    let gradients = activate(Activation::Silu, x.clone()).sum().backward();
    assert!(x.grad(&gradients).is_some());
}

/// Runs tests that seed the generator of the device one after another.
static SEEDED: Mutex<()> = Mutex::new(());

#[test]
fn dropout_follows_the_seed_of_the_device_and_drops_the_gradient_with_the_value() {
    let _lock = SEEDED.lock().unwrap_or_else(PoisonError::into_inner);
    let layer = DropoutConfig::new(0.25).init();
    let device = Device::flex().autodiff();
    let run = |seed: u64| {
        device.seed(seed);
        let x = Tensor::<2>::full([40, 50], 2.0, &device).require_grad();
        // A transposed view, and two draws from one seed.
        let (first, second) = (dropout(&layer, x.clone().transpose()), dropout(&layer, x.clone()));
        let gradients = (first.clone() * 3.0).sum().backward();
        let slopes = x.grad(&gradients).unwrap().transpose();
        [list(first), list(second), list(slopes)]
    };
    let [first, second, slopes] = run(7);
    let kept = first.iter().filter(|y| **y > 0.0).count();
    assert!((1_400..1_600).contains(&kept), "{kept} of 2000");
    assert!(first.iter().all(|y| *y == 0.0 || (y - 2.0 / 0.75).abs() < 1e-6));
    assert!(first.iter().zip(&slopes).all(|(y, slope)| (slope - y * 1.5).abs() < 1e-5));
    assert_ne!(first, second);
    assert_eq!(run(7), [first, second, slopes]);
    assert_ne!(run(7)[0], run(8)[0]);
    // In inference, all values stay.
    let x = Tensor::<2>::full([4, 5], 2.0, &Device::flex());
    assert_eq!(list(dropout(&layer, x)), vec![2.0; 20]);
}

#[test]
fn dropped_attention_weights_follow_the_seed_of_the_device() {
    let _lock = SEEDED.lock().unwrap_or_else(PoisonError::into_inner);
    let layer = DropoutConfig::new(0.5).init();
    let device = Device::flex().autodiff();
    let [q, k] = [0.0, 1.0].map(|phase| tensor([8, 2, 16, 4], phase, FloatDType::F32));
    let v = Tensor::<4>::ones([8, 2, 16, 4], &device).require_grad();
    let run = |seed: u64| {
        device.seed(seed);
        let y = attention([&q, &k, &v], ScoreRules::default(), None, &layer).unwrap();
        let gradients = y.clone().sum().backward();
        [list(y), list(v.grad(&gradients).unwrap())]
    };
    let [y, slopes] = run(3);
    // All values are 1, so an output is the sum of its weights, which is 1 on average.
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    assert!((mean - 1.0).abs() < 0.1 && y.iter().any(|y| (y - 1.0).abs() > 0.1), "{mean}");
    // The sum of the output is linear in the values.
    let (sum, along) = (y.iter().sum::<f64>(), slopes.iter().sum::<f64>());
    assert!((sum - along).abs() < 1e-3 * sum, "{sum}, {along}");
    assert_eq!(run(3), [y, slopes]);
    assert_ne!(run(3)[0], run(4)[0]);
}
