//! Times of the kernels beside plain loops, as JSON lines.
//!
//! `cargo bench -p cupola-kernels -- --test` runs everything once, to see that it works.

#![allow(clippy::print_stdout, reason = "a bench prints its measurements")]

use std::hint::black_box;
use std::time::Instant;

use cupola_kernels::training::attention::{AttentionInputs, AttentionShape, ForwardValues, Heads};
use cupola_kernels::training::conv::ConvShape;
use cupola_kernels::training::dropout::DropoutMask;
use cupola_kernels::training::norm::RowNorm;
use cupola_kernels::training::recurrent::{
    NeededGradients, RecurrentCell, RecurrentShape, RecurrentValues, RecurrentWeights,
};
use cupola_kernels::{AttentionKernel, Conv2dKernel, LinearKernel, Pointwise, ScoreRules, WeightFormat};
use cupola_kernels::{pointwise, reference, rows, training};

fn main() {
    let quick = std::env::args().any(|arg| arg == "--test");
    linear(quick);
    row_functions(quick);
    conv(quick);
    attention(quick);
    conv_training(quick);
    attention_training(quick);
    recurrent_training(quick);
    short_attention_training(quick);
    row_training(quick);
    dropout(quick);
}

fn linear(quick: bool) {
    for (name, rows, input, output) in
        [("one row", 1, 576, 1_536), ("16 rows", 16, 576, 576), ("256 rows", 256, 128, 128)]
    {
        let (x, weight) = (values(rows * input), values(output * input));
        for (by, format) in [("f32", WeightFormat::F32), ("int8", WeightFormat::Int8)] {
            let layer = LinearKernel::new(&weight, None, input, format);
            measure(quick, "linear", name, by, || layer.forward(&x));
        }
        measure(quick, "linear", name, "plain loops", || reference::matmul(&x, &weight, input));
    }
}

fn row_functions(quick: bool) {
    let (width, mut x) = (576, values(64 * 576));
    let (weight, bias) = (values(width), values(width));
    measure(quick, "softmax", "64 x 576", "f32", || rows::softmax(&mut x, width));
    measure(quick, "softmax", "64 x 576", "plain loops", || reference::softmax(&mut x, width));
    let mut x = values(64 * width);
    measure(quick, "layer_norm", "64 x 576", "f32", || rows::layer_norm(&mut x, &weight, &bias, 1e-5));
    let plain = || reference::layer_norm(&mut x, &weight, &bias, 1e-5);
    measure(quick, "layer_norm", "64 x 576", "plain loops", plain);
    let mut x = values(64 * width);
    measure(quick, "gelu", "64 x 576", "f32", || pointwise::activate(Pointwise::Gelu, &mut x));
    measure(quick, "gelu", "64 x 576", "plain loops", || reference::activate(Pointwise::Gelu, &mut x));
}

fn conv(quick: bool) {
    let (shape, output, kernel) = ([16, 28, 28], 32, 3);
    let (x, weight) = (values(8 * 16 * 28 * 28), values(output * 16 * kernel * kernel));
    let layer = Conv2dKernel::new(weight.clone(), output, None, kernel, [1, 1]);
    measure(quick, "conv2d", "8 x 16 x 28 x 28", "f32", || layer.forward(&x, shape));
    let plain = || reference::conv2d(&x, shape, &weight, kernel, [1, 1]);
    measure(quick, "conv2d", "8 x 16 x 28 x 28", "plain loops", plain);
}

fn attention(quick: bool) {
    let (time, head_width) = (128, 64);
    let kernel = AttentionKernel {
        query_heads: 1,
        kv_heads: 1,
        head_width,
        rules: ScoreRules { causal: true, ..ScoreRules::default() },
        norms: None,
        rope: None,
        rope_amplitude: 1.0,
    };
    let qkv = values(time * 3 * head_width);
    measure(quick, "attention", "128 tokens", "f32", || kernel.forward(qkv.clone(), time, None));
    let [q, k, v] = [0, 1, 2].map(|part| -> Vec<f32> {
        let tokens = qkv.chunks_exact(3 * head_width);
        tokens.flat_map(|token| &token[part * head_width..][..head_width]).copied().collect()
    });
    let plain = || reference::attention(&q, &k, &v, head_width, true);
    measure(quick, "attention", "128 tokens", "plain loops", plain);
}

fn values(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i as f32 + 1.0) * 12.9898).sin()).collect()
}

/// Runs a kernel for about a fifth of a second and prints median and 90th percentile in microseconds.
fn measure<T>(quick: bool, kernel: &str, size: &str, by: &str, mut run: impl FnMut() -> T) {
    let (started, mut seconds) = (Instant::now(), Vec::new());
    while seconds.is_empty() || !quick && (seconds.len() < 10 || started.elapsed().as_millis() < 200) {
        let one = Instant::now();
        black_box(run());
        seconds.push(one.elapsed().as_secs_f64());
    }
    seconds.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| seconds[(seconds.len() - 1) * percent / 100] * 1e6;
    let line = serde_json::json!({ "kernel": kernel, "size": size, "by": by, "min_us": at(0), "median_us": at(50),
        "p90_us": at(90), "n": seconds.len() });
    println!("{line}");
}

/// Forward and backward passes of convolutions.
fn conv_training(quick: bool) {
    for (name, images, channels, output, side, stride) in [
        ("64 x 1 x 28 to 16", 64, 1, 16, 28, 1),
        ("64 x 16 x 28 to 16", 64, 16, 16, 28, 1),
        ("64 x 16 x 28 to 32, stride 2", 64, 16, 32, 28, 2),
        ("64 x 64 x 7 to 64", 64, 64, 64, 7, 1),
        ("64 x 128 x 4 to 128", 64, 128, 128, 4, 1),
    ] {
        let shape = ConvShape {
            images,
            channels,
            output,
            size: [side; 2],
            kernel: [3; 2],
            stride: [stride; 2],
            padding: [1; 2],
            dilation: [1; 2],
            groups: 1,
        };
        let [high, wide] = shape.output_size();
        let (x, weight) = (values(images * channels * side * side), values(output * channels * 9));
        let gradient = values(images * output * high * wide);
        measure(quick, "conv2d forward", name, "f32", || training::conv::forward(&x, &weight, None, &shape));
        measure(quick, "conv2d backward", name, "f32", || {
            training::conv::backward(&x, &weight, &gradient, &shape, true)
        });
    }
}

fn attention_training(quick: bool) {
    let shape = AttentionShape { batch: 12, time: 64, heads: 4, kv_heads: 4, head_width: 32 };
    let (qkv, gradient) = (values(3 * 12 * 64 * 128), values(12 * 64 * 128));
    let rules = ScoreRules { causal: true, ..ScoreRules::default() };
    let heads = |part: usize| Heads { values: &qkv[part * 12 * 64 * 128..], strides: [64 * 128, 32, 128] };
    let inputs = AttentionInputs {
        q: heads(0),
        k: heads(1),
        v: heads(2),
        rules: &rules,
        padding: None,
        dropout: None,
        shape,
    };
    let name = "12 texts of 64 tokens, 4 heads of 32";
    measure(quick, "attention forward", name, "f32", || training::attention::forward(&inputs));
    let kept = training::attention::forward(&inputs);
    let of_forward = ForwardValues { y: &kept.y, log_sums: &kept.log_sums };
    measure(quick, "attention backward", name, "f32", || {
        training::attention::backward(&inputs, of_forward, &gradient)
    });
}

/// Forward and backward passes of recurrent layers.
fn recurrent_training(quick: bool) {
    for (name, cell, [batch, time, input, width]) in [
        ("lstm, 64 x 8 x 8 to 64", RecurrentCell::Lstm, [64, 8, 8, 64]),
        ("gru, 64 x 8 x 8 to 64", RecurrentCell::Gru, [64, 8, 8, 64]),
        ("lstm, 32 x 64 x 64 to 256", RecurrentCell::Lstm, [32, 64, 64, 256]),
    ] {
        let shape = RecurrentShape { cell, batch, time, input, width, reversed: false };
        let gates = cell.gates() * width;
        let (x, ih, hh) = (values(batch * time * input), values(gates * input), values(gates * width));
        let (bias, gradient) = (values(gates), values(batch * time * width));
        let weights = RecurrentWeights { ih: &ih, hh: &hh, bias_ih: &bias, bias_hh: &bias };
        measure(quick, "recurrent forward", name, "f32", || {
            training::recurrent::forward(&x, &weights, &shape)
        });
        let kept = training::recurrent::forward(&x, &weights, &shape);
        let kept = RecurrentValues { y: &kept.y, gates: &kept.gates, cells: &kept.cells };
        let needed = NeededGradients { x: false, weights: true };
        measure(quick, "recurrent backward", name, "f32", || {
            training::recurrent::backward(&x, &weights, kept, &gradient, &shape, needed)
        });
    }
}

/// Attention of many short texts, with dropout: the sizes of small transformers for images, tables and series.
fn short_attention_training(quick: bool) {
    for (name, batch, time, head_width, probability) in [
        ("64 texts of 17 tokens, 4 heads of 12", 64, 17, 12, 0.0),
        ("64 texts of 17 tokens, 4 heads of 12, dropout", 64, 17, 12, 0.1),
        ("128 texts of 14 tokens, 4 heads of 8, dropout", 128, 14, 8, 0.2),
        ("128 texts of 21 tokens, 4 heads of 16, dropout", 128, 21, 16, 0.2),
    ] {
        let (heads, width) = (4, 4 * head_width);
        let shape = AttentionShape { batch, time, heads, kv_heads: heads, head_width };
        let count = batch * time * width;
        let (qkv, gradient) = (values(3 * count), values(count));
        let rules = ScoreRules::default();
        let part =
            |part: usize| Heads { values: &qkv[part * count..], strides: [time * width, head_width, width] };
        let [q, k, v] = [part(0), part(1), part(2)];
        let dropout = (probability > 0.0).then(|| DropoutMask::new(probability, 1));
        let inputs = AttentionInputs { q, k, v, rules: &rules, padding: None, dropout, shape };
        measure(quick, "attention forward", name, "f32", || training::attention::forward(&inputs));
        let kept = training::attention::forward(&inputs);
        let of_forward = ForwardValues { y: &kept.y, log_sums: &kept.log_sums };
        measure(quick, "attention backward", name, "f32", || {
            training::attention::backward(&inputs, of_forward, &gradient)
        });
    }
}

fn dropout(quick: bool) {
    let mask = DropoutMask::new(0.1, 1);
    for (name, count) in [("1088 x 48", 1_088 * 48), ("2688 x 256", 2_688 * 256)] {
        let x = values(count);
        measure(quick, "dropout", name, "f32", || mask.apply(&x));
    }
}

/// Forward and backward passes of linear layers, norms and activations.
fn row_training(quick: bool) {
    let (x, gradient, weight) = (values(768 * 128), values(768 * 128), values(128));
    let kept = training::norm::forward(RowNorm::Layer, &x, &weight, None, 1e-5);
    measure(quick, "layer_norm forward", "768 x 128", "f32", || {
        training::norm::forward(RowNorm::Layer, &x, &weight, None, 1e-5)
    });
    measure(quick, "layer_norm backward", "768 x 128", "f32", || {
        training::norm::backward(RowNorm::Layer, &x, &weight, &kept.statistics, &gradient)
    });
    let (x, weight, gradient) = (values(768 * 128), values(128 * 512), values(768 * 512));
    measure(quick, "linear forward", "768 x 128 to 512", "f32", || {
        training::linear::forward(&x, &weight, None, [128, 512])
    });
    measure(quick, "linear backward", "768 x 128 to 512", "f32", || {
        training::linear::backward(&x, &weight, &gradient, [128, 512], [true; 3])
    });
    let x = values(768 * 512);
    measure(quick, "gelu forward", "768 x 512", "f32", || training::activation::forward(Pointwise::Gelu, &x));
    measure(quick, "gelu backward", "768 x 512", "f32", || {
        training::activation::backward(Pointwise::Gelu, &x, &x)
    });
    let (images, channels, inner) = (64, 16, 784);
    let (x, weight) = (values(images * channels * inner), values(channels));
    let by = training::batch_norm::statistics(&x, channels, inner);
    measure(quick, "batch_norm forward", "64 x 16 x 784", "f32", || {
        let by = training::batch_norm::statistics(&x, channels, inner);
        training::batch_norm::forward(&x, &by, &weight, &weight, inner, 1e-5)
    });
    measure(quick, "batch_norm backward", "64 x 16 x 784", "f32", || {
        training::batch_norm::backward(&x, &by, &weight, &x, inner, 1e-5)
    });
}
