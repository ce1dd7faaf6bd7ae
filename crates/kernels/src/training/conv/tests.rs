//! Convolutions against plain loops in 64 bits.

use super::*;

/// Reproducible values in `-1..1`.
fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Calls `f` for each product of a convolution with the indices of output, input and weight.
fn for_each_product(shape: &ConvShape, mut f: impl FnMut(usize, usize, usize)) {
    let [high, wide] = shape.output_size();
    let [channels, output] = shape.group_channels();
    let [height, width] = shape.size;
    for n in 0..shape.images {
        for o in 0..shape.output {
            for at in 0..high * wide {
                let (y, x) = (at / wide, at % wide);
                for c in 0..channels {
                    for tap in 0..shape.taps() {
                        let (ky, kx) = (tap / shape.kernel[1], tap % shape.kernel[1]);
                        let row =
                            (y * shape.stride[0] + ky * shape.dilation[0]).wrapping_sub(shape.padding[0]);
                        let column =
                            (x * shape.stride[1] + kx * shape.dilation[1]).wrapping_sub(shape.padding[1]);
                        if row < height && column < width {
                            let channel = n * shape.channels + o / output * channels + c;
                            f(
                                (n * shape.output + o) * high * wide + at,
                                (channel * height + row) * width + column,
                                (o * channels + c) * shape.taps() + tap,
                            );
                        }
                    }
                }
            }
        }
    }
}

fn assert_near(name: &str, shape: &ConvShape, found: &[f32], exact: &[f64]) {
    assert_eq!(found.len(), exact.len(), "{name} of {shape:?}");
    for (index, (a, b)) in found.iter().zip(exact).enumerate() {
        assert!(
            (f64::from(*a) - b).abs() < 2e-4 * b.abs().max(1.0),
            "{name} of {shape:?} at {index}: {a}, {b}"
        );
    }
}

fn check(shape: &ConvShape) {
    let [channels, _] = shape.group_channels();
    let x = values(shape.images * shape.channels * shape.pixels(), 1);
    let weight = values(shape.output * channels * shape.taps(), 2);
    let bias = values(shape.output, 3);
    let gradient = values(shape.images * shape.output * shape.output_pixels(), 4);
    let y = forward(&x, &weight, Some(&bias), shape);
    let found = backward(&x, &weight, &gradient, shape, true);
    let pixels = shape.output_pixels().max(1);
    let wide = |x: f32| f64::from(x);
    let mut exact: Vec<f64> = (0..y.len()).map(|i| wide(bias[i / pixels % shape.output])).collect();
    let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; weight.len()]);
    for_each_product(shape, |out, input, tap| {
        exact[out] += wide(x[input]) * wide(weight[tap]);
        dx[input] += wide(gradient[out]) * wide(weight[tap]);
        dw[tap] += wide(gradient[out]) * wide(x[input]);
    });
    let mut db = vec![0.0; shape.output];
    gradient.iter().enumerate().for_each(|(i, g)| db[i / pixels % shape.output] += wide(*g));
    assert_near("output", shape, &y, &exact);
    assert_near("gradient of the images", shape, &found.x, &dx);
    assert_near("gradient of the weights", shape, &found.weight, &dw);
    assert_near("gradient of the bias", shape, &found.bias, &db);
    let without = backward(&x, &weight, &gradient, shape, false);
    assert!(without.x.is_empty() && without.weight == found.weight && without.bias == found.bias);
}

fn square(images: usize, [channels, output]: [usize; 2], size: usize, kernel: usize) -> ConvShape {
    ConvShape {
        images,
        channels,
        output,
        size: [size, size],
        kernel: [kernel, kernel],
        stride: [1, 1],
        padding: [kernel / 2, kernel / 2],
        dilation: [1, 1],
        groups: 1,
    }
}

#[test]
fn layers_of_residual_networks() {
    for shape in [
        square(5, [1, 16], 28, 3),
        square(3, [16, 32], 28, 3),
        square(9, [32, 16], 14, 3),
        square(21, [24, 17], 7, 3),
        square(70, [8, 9], 4, 3),
        square(4, [16, 32], 14, 1),
        square(2, [3, 5], 32, 7),
        // Several chunks for each thread, the last one smaller: buffers are used again.
        square(21, [2, 3], 28, 3),
        ConvShape { stride: [2, 2], groups: 2, ..square(39, [4, 6], 28, 3) },
        ConvShape { stride: [2, 2], ..square(9, [16, 32], 28, 3) },
        ConvShape { stride: [2, 2], ..square(9, [16, 32], 14, 1) },
        ConvShape { stride: [2, 2], padding: [3, 3], ..square(2, [3, 8], 31, 7) },
        ConvShape { stride: [4, 4], padding: [0, 0], ..square(2, [3, 8], 32, 4) },
    ] {
        check(&shape);
    }
}

#[test]
fn any_size_stride_padding_dilation_and_group() {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "draws from 0 to 8,000")]
    let mut draws = values(100_000, 7).into_iter().map(|x| ((x + 1.0) * 4_000.0) as usize);
    let mut below = move |from: usize, to: usize| from + draws.next().unwrap_or(0) % (to - from);
    for _ in 0..400 {
        let groups = below(1, 4);
        let mut pair = |from, to| [below(from, to), below(from, to)];
        let (size, kernel, stride) = (pair(1, 12), pair(1, 5), pair(1, 4));
        let (padding, dilation) = (pair(0, 4), pair(1, 4));
        let shape = ConvShape {
            images: below(1, 8),
            channels: groups * below(1, 6),
            output: groups * below(1, 12),
            size,
            kernel,
            stride,
            padding,
            dilation,
            groups,
        };
        check(&shape);
    }
}

#[test]
fn gradients_do_not_depend_on_the_number_of_threads() {
    let shape = square(19, [16, 24], 14, 3);
    let (x, weight) = (values(19 * 16 * 196, 1), values(24 * 16 * 9, 2));
    let gradient = values(19 * 24 * 196, 3);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| backward(&x, &weight, &gradient, &shape, true))
    };
    let (one, three) = (run(1), run(3));
    assert!(one.weight == three.weight && one.bias == three.bias && one.x == three.x);
}
