//! Section about the model: size and time per row.

use std::time::Instant;

use cupola_prep::Examples;
use cupola_registry::Package;
use cupola_report::{Latency, ModelSection};
use serde_json::Value;

use super::facts::facts;

/// Measured passes.
const PASSES: usize = 200;
/// Passes before the measurement.
const WARM: usize = 5;

/// Time of a forward pass of one row, over passes of different rows; `None` without rows. No further pass is measured after
/// `seconds`.
pub(crate) fn latency<E>(
    examples: &Examples,
    seconds: f64,
    forward: &mut dyn FnMut(Examples) -> Result<Vec<f32>, E>,
) -> Result<Option<Latency>, E> {
    if examples.rows == 0 {
        return Ok(None);
    }
    let started = Instant::now();
    let mut times = Vec::with_capacity(PASSES);
    for pass in 0..WARM + PASSES {
        let row = examples.gather(&[pass % examples.rows]);
        let before = Instant::now();
        forward(row)?;
        if pass >= WARM {
            times.push(before.elapsed().as_secs_f64() * 1e6);
        }
        if started.elapsed().as_secs_f64() > seconds && !times.is_empty() {
            break;
        }
    }
    times.sort_unstable_by(f64::total_cmp);
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    Ok(Some(Latency { p50_us: at(50), p99_us: at(99), passes: times.len() as u64 }))
}

/// Section of a published package.
pub(super) fn of_package(package: &Package, engine: &str, latency: Option<Latency>) -> ModelSection {
    let config: Value = package
        .read("config.json")
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let weights = package.path.join("model.safetensors");
    let bytes = std::fs::metadata(&weights).map(|found| found.len()).unwrap_or_default();
    let is_trees = config.get("trees").is_some();
    ModelSection {
        package: package.label(),
        family: config["family"].as_str().unwrap_or("network").to_owned(),
        parameters: (!is_trees).then(|| weights_of(&weights)).flatten(),
        bytes,
        engine: engine.to_owned(),
        latency,
        run: Some(package.manifest.lineage.run.clone()).filter(|run| !run.is_empty()),
        created: Some(package.manifest.created.clone()),
        goal: None,
        facts: facts(package),
    }
}

/// Number of weights by the header of a safetensors file.
fn weights_of(path: &std::path::Path) -> Option<u64> {
    use std::io::Read;
    /// Largest header that is read.
    const HEADER: u64 = 64 << 20;
    let mut file = std::fs::File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    let mut header = Vec::new();
    file.take(length.min(HEADER)).read_to_end(&mut header).ok()?;
    let header: serde_json::Map<String, Value> = serde_json::from_slice(&header).ok()?;
    Some(parameters(&header))
}

/// Number of weights of a safetensors header.
pub(super) fn parameters(header: &serde_json::Map<String, Value>) -> u64 {
    // Trees are compressed bytes.
    let is_weight = |tensor: &Value| tensor["dtype"] != "U8";
    let tensors = header.iter().filter(|(name, tensor)| *name != "__metadata__" && is_weight(tensor));
    let size = |shape: &Value| {
        shape.as_array().map_or(0, |sides| sides.iter().filter_map(Value::as_u64).product::<u64>())
    };
    tensors.map(|(_, tensor)| size(&tensor["shape"])).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cupola_prep::Layout;

    #[test]
    fn latency_is_measured_over_rows() {
        let examples = Examples {
            layout: Layout { blocks: Vec::new() },
            rows: 3,
            dense: Vec::new(),
            indices: Vec::new(),
        };
        let mut calls = 0_u64;
        let found = latency::<()>(&examples, 9.0, &mut |one| {
            assert_eq!(one.rows, 1);
            calls += 1;
            Ok(Vec::new())
        });
        let found = found.unwrap().unwrap();
        assert!(found.p50_us <= found.p99_us && found.passes + WARM as u64 == calls);
    }

    #[test]
    fn parameters_are_those_of_all_tensors() {
        let header = serde_json::json!({
            "__metadata__": {"a": "b"},
            "w": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]},
            "b": {"dtype": "F32", "shape": [4], "data_offsets": [48, 64]},
        });
        assert_eq!(parameters(header.as_object().unwrap()), 16);
    }
}
