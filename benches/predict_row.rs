use std::time::Instant;

use cupola_nn::{DeviceChoice, Network, RandomWeights, open_device};
use cupola_prep::Signature;
use cupola_registry::{Home, Lineage, PackageContents, publish};
use cupola_runtime::{EngineChoice, Predictor};
use serde_json::{Map, Value};

use crate::report;
use crate::workload::Workload;

/// Times the prediction of one JSON row, and its forward pass alone, with each engine.
pub fn run(home: &Home, workload: &Workload, quick: bool) {
    let device = open_device(DeviceChoice::Flex, || Err(String::new())).unwrap();
    let network =
        Network::build(&workload.architecture, &mut RandomWeights { seed: 1 }, &device.device).unwrap();
    let plan = &workload.prepared.plan;
    let model = network.state_dict().unwrap().to_safetensors().unwrap();
    let config = serde_json::to_vec(&workload.architecture).unwrap();
    let plan_json = serde_json::to_vec(plan).unwrap();
    let files: [(&str, &[u8]); 4] = [
        ("model.safetensors", &model),
        ("config.json", &config),
        ("plan.json", &plan_json),
        ("metrics.json", b"{}"),
    ];
    let lineage = Lineage {
        run: String::new(),
        dataset_version: String::new(),
        config_sha256: String::new(),
        code_version: String::new(),
        parent: None,
    };
    let signature = serde_json::to_value(Signature::of(plan)).unwrap();
    let contents = PackageContents {
        name: workload.name,
        files: &files,
        signature,
        lineage,
        metrics: Map::new(),
        keep_latest: false,
    };
    let package = publish(home, &contents).unwrap();

    let row: Map<String, Value> = (0..workload.architecture.dense_width())
        .map(|i: usize| (format!("x{i}"), Value::from((i as f64 * 0.37).fract())))
        .collect();
    let n = if quick { 3 } else { 2000 };
    for (choice, name) in [(EngineChoice::Burn, "burn"), (EngineChoice::Candle, "candle")] {
        let mut predictor = Predictor::load(&package, choice, &device).unwrap();
        let loaded = std::sync::Arc::clone(&predictor.package);
        let rows = [row.clone()];
        let examples = loaded.examples(&rows).unwrap();
        let forward = time(n, || drop(predictor.logits(examples.clone()).unwrap()));
        report("forward, one row", workload.name, &format!("cupola ({name})"), forward);
        let whole = time(n, || {
            let examples = loaded.examples(&rows).unwrap();
            drop(predictor.predict(examples).unwrap());
        });
        report("JSON row to prediction", workload.name, &format!("cupola ({name})"), whole);
    }
}

/// Seconds of each of `n` calls, after `n / 5` warm-up calls.
fn time(n: usize, mut f: impl FnMut()) -> Vec<f64> {
    for _ in 0..n / 5 {
        f();
    }
    (0..n)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .collect()
}
