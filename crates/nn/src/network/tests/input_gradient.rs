//! Gradients with respect to the input against differences, for every family.

use super::super::DifferentiableNetwork;
use super::*;

/// Example of the golden batch: its numbers and its indices.
fn example(file: &StateDict, row: usize) -> (Vec<f32>, Vec<i32>) {
    let of = |key: &str| {
        let array = file.get(key).unwrap();
        let width = array.shape.get(1).copied().unwrap_or(0);
        array.data[row * width..(row + 1) * width].to_vec()
    };
    #[allow(clippy::cast_possible_truncation)]
    (of("dense"), of("indices").iter().map(|&x| x as i32).collect())
}

#[test]
fn gradients_are_the_slopes_of_the_inference_network() {
    for (name, json, bytes) in CASES {
        let case: Case = serde_json::from_str(json).unwrap();
        if case.architecture.steps() > 1 {
            continue;
        }
        let file = StateDict::from_safetensors(bytes).unwrap();
        let device = Device::flex();
        let network = Network::load(&case.architecture, &part(&file, "weight/"), &device).unwrap();
        let inputs = DifferentiableNetwork::new(&network, &device);
        let (dense, indices) = example(&file, 0);
        let point = inputs.point(&dense, &indices).unwrap();
        let weights: Vec<f32> = (0..case.architecture.output).map(|k| (k as f32 * 1.3).cos()).collect();
        let logits = network.forward(&InputBatch::new(1, dense.clone(), indices.clone(), &device));
        let logits = logits.try_into_vec_as::<f32>().unwrap();
        let expected: f32 = logits.iter().zip(&weights).map(|(x, weight)| x * weight).sum();
        let found = inputs.gradient(&point, &indices, &weights).unwrap();
        close(&format!("{name} value"), &found.values, &[expected], 1e-5);
        assert_eq!(found.gradients.len(), point.len(), "{name}");

        let direction: Vec<f32> = (0..point.len()).map(|k| (k as f32 * 0.7 + 0.3).sin()).collect();
        let step = 2e-3;
        let moved = |by: f32| point.iter().zip(&direction).map(move |(x, d)| x + by * d);
        let both: Vec<f32> = moved(step).chain(moved(-step)).collect();
        let values = inputs.gradient(&both, &indices, &weights).unwrap().values;
        let slope = (values[0] - values[1]) / (2.0 * step);
        let along: f32 = found.gradients.iter().zip(&direction).map(|(g, d)| g * d).sum();
        let scale = found.gradients.iter().zip(&direction).map(|(g, d)| (g * d).abs()).sum::<f32>();
        assert!((slope - along).abs() <= 0.03 * scale.max(0.05), "{name}: slope {slope}, gradient {along}");
        assert!(name == "dlinear" || scale > 0.0, "{name} does not depend on its input");

        let baseline = inputs.baseline(&vec![0.0; dense.len()], &indices).unwrap();
        assert_eq!(baseline.len(), point.len(), "{name}");
    }
}
