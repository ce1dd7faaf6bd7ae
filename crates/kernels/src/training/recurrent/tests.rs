//! Recurrent layers against plain loops in 64 bits.

use super::*;

fn values(count: usize, phase: f32) -> Vec<f32> {
    (0..count).map(|i| (i as f32 * 0.77 + phase).sin()).collect()
}

/// Input, weights of input and state, and their biases.
struct Inputs([Vec<f32>; 5]);

impl Inputs {
    fn new(shape: &RecurrentShape) -> Self {
        let gates = shape.cell.gates() * shape.width;
        let counts = [shape.rows() * shape.input, gates * shape.input, gates * shape.width, gates, gates];
        let mut phase = 0.0;
        Self(counts.map(|count| {
            phase += 1.0;
            values(count, phase)
        }))
    }

    fn weights(&self) -> RecurrentWeights<'_> {
        let [_, ih, hh, bias_ih, bias_hh] = &self.0;
        RecurrentWeights { ih, hh, bias_ih, bias_hh }
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Output `[batch, time, width]` in 64 bits.
fn exact(shape: &RecurrentShape, [x, ih, hh, bias_ih, bias_hh]: [&[f64]; 5]) -> Vec<f64> {
    let RecurrentShape { time, input, width, .. } = *shape;
    let mut y = vec![0.0; shape.rows() * width];
    let affine = |weight: &[f64], row: usize, x: &[f64], bias: &[f64]| {
        let row = &weight[row * x.len()..][..x.len()];
        row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + bias.first().unwrap()
    };
    for sequence in 0..shape.batch {
        let (mut h, mut c) = (vec![0.0; width], vec![0.0; width]);
        for step in 0..time {
            let row = sequence * time + if shape.reversed { time - 1 - step } else { step };
            let x = &x[row * input..][..input];
            let before = h.clone();
            for unit in 0..width {
                let parts = |gate: usize| {
                    let at = gate * width + unit;
                    [affine(ih, at, x, &bias_ih[at..]), affine(hh, at, &before, &bias_hh[at..])]
                };
                let sum = |gate: usize| parts(gate).iter().sum::<f64>();
                h[unit] = match shape.cell {
                    RecurrentCell::Lstm => {
                        c[unit] = sigmoid(sum(1)) * c[unit] + sigmoid(sum(0)) * sum(2).tanh();
                        sigmoid(sum(3)) * c[unit].tanh()
                    }
                    RecurrentCell::Gru => {
                        let (r, z, [from_x, from_h]) = (sigmoid(sum(0)), sigmoid(sum(1)), parts(2));
                        (1.0 - z) * (from_x + r * from_h).tanh() + z * before[unit]
                    }
                };
            }
            y[row * width..][..width].copy_from_slice(&h);
        }
    }
    y
}

fn run(shape: &RecurrentShape, inputs: &Inputs, gradient: &[f32], needed: NeededGradients) -> [Vec<f32>; 6] {
    let (x, weights) = (&inputs.0[0], inputs.weights());
    let found = forward(x, &weights, shape);
    let values = RecurrentValues { y: &found.y, gates: &found.gates, cells: &found.cells };
    let gradients = backward(x, &weights, values, gradient, shape, needed);
    [found.y, gradients.x, gradients.ih, gradients.hh, gradients.bias_ih, gradients.bias_hh]
}

const ALL: NeededGradients = NeededGradients { x: true, weights: true };

/// Compares the output, and each `stride`-th gradient with a finite difference.
fn check(shape: &RecurrentShape, stride: usize) {
    let inputs = Inputs::new(shape);
    let gradient = values(shape.rows() * shape.width, 6.0);
    let [y, gradients @ ..] = run(shape, &inputs, &gradient, ALL);
    let wide = inputs.0.each_ref().map(|x| x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
    let near = |a: f32, b: f64| (f64::from(a) - b).abs() < 2e-4 * b.abs().max(1.0);
    let expected = exact(shape, wide.each_ref().map(Vec::as_slice));
    for (at, (y, expected)) in y.iter().zip(&expected).enumerate() {
        assert!(near(*y, *expected), "{shape:?}, output at {at}: {y}, exactly {expected}");
    }
    assert_eq!(y.len(), expected.len());
    for (which, found) in gradients.iter().enumerate() {
        assert_eq!(found.len(), wide[which].len(), "{shape:?}, input {which}");
        for index in (0..found.len()).step_by(stride) {
            let at = |h: f64| {
                let mut moved = wide.clone();
                moved[which][index] += h;
                let y = exact(shape, moved.each_ref().map(Vec::as_slice));
                y.iter().zip(&gradient).map(|(y, g)| y * f64::from(*g)).sum::<f64>()
            };
            let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
            let found = found[index];
            assert!(near(found, slope), "{shape:?}, input {which} at {index}: {found}, exactly {slope}");
        }
    }
}

/// Both cells in both directions.
fn layers([batch, time, input, width]: [usize; 4]) -> [RecurrentShape; 4] {
    let of = |cell, reversed| RecurrentShape { cell, batch, time, input, width, reversed };
    let [lstm, gru] = [RecurrentCell::Lstm, RecurrentCell::Gru];
    [of(lstm, false), of(lstm, true), of(gru, false), of(gru, true)]
}

#[test]
fn gradients_are_those_of_finite_differences_in_64_bits() {
    for (sizes, stride) in [
        ([1, 1, 1, 1], 1),
        ([1, 4, 3, 5], 1),
        ([3, 1, 2, 16], 3),
        ([2, 5, 17, 20], 31),
        ([9, 3, 4, 33], 97),
        ([40, 2, 1, 16], 11),
        ([1, 1, 2, 33], 7),
        ([2, 3, 1, 70], 997),
    ] {
        for shape in layers(sizes) {
            check(&shape, stride);
        }
    }
}

#[test]
fn sums_over_several_parts() {
    for shape in layers([35, 60, 2, 3]) {
        check(&shape, 37);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for shape in layers([70, 17, 5, 19]) {
        let inputs = Inputs::new(&shape);
        let gradient = values(shape.rows() * shape.width, 6.0);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&shape, &inputs, &gradient, ALL))
        };
        let one = with(1);
        assert!([2, 3, 8].into_iter().all(|threads| with(threads) == one), "{shape:?}");
    }
}

#[test]
fn gradients_that_are_not_needed_are_empty() {
    for shape in layers([3, 2, 4, 5]) {
        let inputs = Inputs::new(&shape);
        let gradient = values(shape.rows() * shape.width, 6.0);
        let [_, all_x, all @ ..] = run(&shape, &inputs, &gradient, ALL);
        let only = |x, weights| run(&shape, &inputs, &gradient, NeededGradients { x, weights });
        let [_, x, weights @ ..] = only(true, false);
        assert!(x == all_x && weights.iter().all(Vec::is_empty));
        let [_, x, weights @ ..] = only(false, true);
        assert!(x.is_empty() && weights == all);
    }
}

#[test]
fn empty_inputs_have_empty_outputs_and_no_gradient() {
    for sizes in [[0, 3, 2, 4], [2, 0, 2, 4], [2, 3, 2, 0]] {
        for shape in layers(sizes) {
            let [y, x, rest @ ..] = run(&shape, &Inputs::new(&shape), &[], ALL);
            assert!(y.is_empty() && x.len() == shape.rows() * shape.input);
            assert!(rest.concat().iter().all(|gradient| *gradient == 0.0));
        }
    }
}
