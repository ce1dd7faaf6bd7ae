//! Logits, loss, gradients and running statistics against `PyTorch`.

use burn::module::Module;
use burn::tensor::Device;
use serde::Deserialize;

use super::*;
use crate::{Drawn, Loss, Truth};

#[derive(Deserialize)]
struct Case {
    loss: Loss,
    architecture: Architecture,
}

const CASES: [(&str, &str, &[u8]); 3] = [
    ("table", include_str!("../golden/table.json"), include_bytes!("../golden/table.safetensors")),
    ("cnn", include_str!("../golden/cnn.json"), include_bytes!("../golden/cnn.safetensors")),
    ("residual", include_str!("../golden/residual.json"), include_bytes!("../golden/residual.safetensors")),
];

fn part(file: &StateDict, prefix: &str) -> StateDict {
    let mut out = StateDict::default();
    for name in file.names() {
        if let Some(rest) = name.strip_prefix(prefix) {
            out.insert(rest.to_owned(), file.get(name).unwrap().clone());
        }
    }
    out
}

#[track_caller]
fn close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().map(|x| x.abs()).fold(1.0, f32::max);
    for (index, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{what}[{index}]: {a}, PyTorch {b}");
    }
}

fn check(name: &str, json: &str, bytes: &[u8], device: &Device, tolerance: f32) {
    let case: Case = serde_json::from_str(json).unwrap();
    let file = StateDict::from_safetensors(bytes).unwrap();
    let weights = part(&file, "weight/");
    let network = Network::load(&case.architecture, weights.clone(), &device.clone().autodiff()).unwrap();
    assert_eq!(network.state_dict().unwrap(), weights, "{name}: what goes in comes out");

    let values = |key: &str| file.get(key).unwrap().data.clone();
    let rows = file.get("dense").unwrap().shape[0];
    #[allow(clippy::cast_possible_truncation)]
    let indices: Vec<i32> = values("indices").iter().map(|&x| x as i32).collect();
    let input = |device: &Device| {
        Input::new(rows, &case.architecture.input, values("dense"), indices.clone(), device)
    };

    let eval = network.valid().forward(input(device)).try_into_vec_as::<f32>().unwrap();
    close(&format!("{name} eval"), &eval, &values("eval"), tolerance);

    let autodiff = device.clone().autodiff();
    let logits = network.forward(input(&autodiff));
    close(
        &format!("{name} train"),
        &logits.clone().try_into_vec_as::<f32>().unwrap(),
        &values("train"),
        tolerance,
    );
    let truth = match case.loss {
        #[allow(clippy::cast_possible_truncation)]
        Loss::CrossEntropy => Truth::classes(values("target").iter().map(|&x| x as i32).collect(), &autodiff),
        _ => Truth::numbers(values("target"), &autodiff),
    };
    let loss = case.loss.forward(logits, truth);
    close(
        &format!("{name} loss"),
        &loss.clone().try_into_vec_as::<f32>().unwrap(),
        &values("loss"),
        tolerance,
    );

    let found = network.gradients(&loss.backward()).unwrap();
    let expected = part(&file, "grad/");
    assert_eq!(found.names().collect::<Vec<_>>(), expected.names().collect::<Vec<_>>());
    for key in expected.names() {
        close(
            &format!("{name} grad {key}"),
            &found.get(key).unwrap().data,
            &expected.get(key).unwrap().data,
            tolerance,
        );
    }
    let after = part(&file, "after/");
    let now = network.state_dict().unwrap();
    for key in after.names() {
        close(
            &format!("{name} after {key}"),
            &now.get(key).unwrap().data,
            &after.get(key).unwrap().data,
            tolerance,
        );
    }
}

#[test]
fn the_cpu_gives_pytorchs_numbers() {
    for (name, json, bytes) in CASES {
        check(name, json, bytes, &Device::flex(), 1e-5);
    }
}

#[test]
fn a_device_agrees_with_itself() {
    for (name, json, _) in CASES {
        let case: Case = serde_json::from_str(json).unwrap();
        let found = crate::agreement(&case.architecture, case.loss, &Device::flex(), "flex", 8).unwrap();
        assert!(found.loss <= 0.0 && found.worst <= 0.0, "{name} {found:?}");
    }
}

#[test]
fn weights_of_another_architecture_are_refused_by_name() {
    let case: Case = serde_json::from_str(CASES[0].1).unwrap();
    let weights = part(&StateDict::from_safetensors(CASES[0].2).unwrap(), "weight/");
    let load = |weights| Network::load(&case.architecture, weights, &Device::flex()).unwrap_err().to_string();

    let mut fewer = weights.clone();
    fewer.remove("head.bias");
    assert_eq!(load(fewer), "weight `head.bias` is missing; the file is not of this architecture");
    let mut more = weights.clone();
    more.insert("extra".into(), Array { shape: vec![1], data: vec![0.0] });
    assert!(load(more).starts_with("weights extra are not in the architecture"));
    let mut other = weights;
    other.insert("head.bias".into(), Array { shape: vec![2], data: vec![0.0; 2] });
    assert!(load(other).starts_with("weight `head.bias` has shape [2], expected [1]"));
}

#[test]
fn sizes_that_make_no_network_are_errors() {
    use cupola_spec::Layer;
    for input in [vec![], vec![0], vec![3, 4], vec![1, 0, 4], vec![1, 2, 3, 4]] {
        let layers = vec![Layer::BatchNorm {}, Layer::LayerNorm {}, Layer::Flatten {}];
        assert!(Architecture::new("layers", &input, &[], layers, 2).is_err(), "{input:?}");
    }
    assert!(Architecture::new("layers", &[3], &[], Vec::new(), 0).is_err());
}

#[test]
fn a_drawn_network_follows_its_seed_alone() {
    let case: Case = serde_json::from_str(CASES[1].1).unwrap();
    let draw = |seed| {
        Network::build(&case.architecture, &mut Drawn { seed }, &Device::flex())
            .unwrap()
            .state_dict()
            .unwrap()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    // U(-b, b) with b = 1/sqrt(fan_in): the mean of |w| is b / 2.
    let weight = draw(3).remove("trunk.7.weight").unwrap();
    let bound = 1.0 / (weight.shape[1] as f32).sqrt();
    let mean = weight.data.iter().map(|x| x.abs()).sum::<f32>() / weight.data.len() as f32;
    assert!(weight.data.iter().all(|x| x.abs() <= bound));
    assert!((mean / bound - 0.5).abs() < 0.1, "{mean} {bound}");
}

#[test]
fn the_table_counts_what_the_network_holds() {
    for (_, json, _) in CASES {
        let case: Case = serde_json::from_str(json).unwrap();
        let network = Network::build(&case.architecture, &mut Drawn { seed: 0 }, &Device::flex()).unwrap();
        let state = network.state_dict().unwrap();
        let held: usize = state
            .names()
            .filter(|name| !name.contains("running"))
            .map(|name| state.get(name).unwrap().data.len())
            .sum();
        assert_eq!(case.architecture.parameters().unwrap(), held);
    }
}
