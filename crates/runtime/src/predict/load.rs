//! Loading of packages: their files, compared with each other, become a plan and an engine.

mod ensemble;

use std::sync::Arc;

use cupola_nn::{Architecture, OpenDevice, ReadAt, SafetensorsFile};
use cupola_prep::{Examples, Plan, RequestExample};
use cupola_registry::{EXAMPLE, Package, VerifiedFile};
use cupola_trees::Trees;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::engines::{self, Engine, EngineChoice, EngineReport, EnsembleConfig, TreesEngine};
use crate::error::Error;
use crate::predict::package::explainer::{Explainer, NetworkReader};

pub(super) use self::ensemble::engine as ensemble_engine;

/// `config.json`
#[derive(Deserialize)]
#[serde(untagged)]
enum ModelConfig {
    Trees { trees: TreesConfig },
    Ensemble { ensemble: EnsembleConfig },
    Network(Architecture),
}

/// Part of `config.json` for trees, whose weights file says the rest.
#[derive(Deserialize)]
struct TreesConfig {
    width: usize,
}

/// Open `model.safetensors` with its digest checked.
struct WeightsFile(Arc<VerifiedFile>);

impl ReadAt for WeightsFile {
    fn length(&self) -> u64 {
        self.0.length()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
}

/// Reads `plan.json`.
pub(super) fn plan(package: &Package) -> Result<Plan, Error> {
    let plan: Plan = json(package, "plan.json")?;
    let (found, supported) = (plan.format_version, Plan::FORMAT_VERSION);
    if found != supported {
        let why = format!("plan.json has format {found}, this version reads format {supported}");
        return Err(Error::Package { package: package.label(), why });
    }
    plan.check().map_err(|error| Error::Package { package: package.label(), why: error.to_string() })?;
    Ok(plan)
}

/// Reads the example of a package, which may have none.
pub(super) fn example(package: &Package) -> Result<Option<RequestExample>, Error> {
    package.manifest.files.contains_key(EXAMPLE).then(|| json(package, EXAMPLE)).transpose()
}

/// Largest number of a network's sizes.
const MAX_SIZE: u64 = 1 << 31;

/// Refuses sizes whose products would overflow.
fn check_numbers(package: &Package, value: &serde_json::Value, path: &str) -> Result<(), Error> {
    match value {
        serde_json::Value::Number(number) if number.as_u64().is_some_and(|number| number > MAX_SIZE) => {
            let why = format!("config.json: `{path}`: expected at most {MAX_SIZE}, found {number}");
            Err(Error::Package { package: package.label(), why })
        }
        serde_json::Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| check_numbers(package, item, &format!("{path}[{index}]"))),
        serde_json::Value::Object(entries) => entries.iter().try_for_each(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            check_numbers(package, value, &path)
        }),
        _ => Ok(()),
    }
}

/// An engine, the report of its choice, and what explains its predictions.
pub(super) type LoadedEngine = (Box<dyn Engine>, EngineReport, Explainer);

/// Builds the engine of a package.
pub(super) fn engine(
    package: &Package,
    plan: &Plan,
    choice: EngineChoice,
    device: &OpenDevice,
) -> Result<LoadedEngine, Error> {
    let config: serde_json::Value = json(package, "config.json")?;
    check_numbers(package, &config, "")?;
    let invalid = |error| Error::Package { package: package.label(), why: format!("config.json: {error}") };
    match ModelConfig::deserialize(config).map_err(invalid)? {
        ModelConfig::Trees { trees } => {
            trees_engine(&package.label(), &package.read("model.safetensors")?, plan, trees.width)
        }
        ModelConfig::Ensemble { ensemble } => {
            let weights = package.read("model.safetensors")?;
            ensemble::engine(&package.label(), &ensemble, &weights, plan, choice, device)
        }
        ModelConfig::Network(architecture) => {
            check_layout(&package.label(), &architecture, plan)?;
            let weights = SafetensorsFile::open(WeightsFile(package.open_file("model.safetensors")?))?;
            let (engine, report) = engines::build(choice, &architecture, &weights, device)?;
            let shared = engine.cpu_network();
            let explainer = Explainer::of_network(architecture, shared, network_reader(package));
            Ok((engine, report, explainer))
        }
    }
}

/// Engine on candle of a network by its `config.json` and its weights.
pub(super) fn network_engine(
    label: &str,
    config: &serde_json::Value,
    weights: &SafetensorsFile<&[u8]>,
    plan: &Plan,
    device: &OpenDevice,
) -> Result<(Box<dyn Engine>, EngineReport), Error> {
    let invalid = |why: String| Error::Package { package: label.to_owned(), why };
    let config =
        ModelConfig::deserialize(config).map_err(|error| invalid(format!("config.json: {error}")))?;
    let ModelConfig::Network(architecture) = config else {
        return Err(invalid("config.json: expected a network".to_owned()));
    };
    check_layout(label, &architecture, plan)?;
    engines::build(EngineChoice::Candle, &architecture, weights, device)
}

/// Function that reads the network of a package again, onto the CPU. It keeps no file open.
fn network_reader(package: &Package) -> NetworkReader {
    let (path, files) = (package.path.clone(), package.manifest.files.clone());
    Box::new(move |architecture: &Architecture| {
        let package = Package::open(&path)?;
        if package.manifest.files != files {
            let why = "its files have changed since it was loaded, so it cannot be explained".to_owned();
            return Err(Error::Package { package: package.label(), why });
        }
        let weights = SafetensorsFile::open(WeightsFile(package.open_file("model.safetensors")?))?;
        engines::cpu_network(architecture, &weights)
    })
}

fn trees_engine(label: &str, weights: &[u8], plan: &Plan, width: usize) -> Result<LoadedEngine, Error> {
    let trees = Trees::from_safetensors(weights)?;
    if trees.width() != width || width != plan.width() {
        let found = [trees.width(), width, plan.width()];
        let why = format!("model.safetensors, config.json and plan.json have {found:?} outputs");
        return Err(Error::Package { package: label.to_owned(), why });
    }
    // A row of zeros shows whether the trees take what the plan makes.
    let trees = Arc::new(trees);
    let mut engine = TreesEngine(Arc::clone(&trees));
    engines::isolated(&mut engine, |engine| engine.forward(Examples::zeros(plan.layout(), 1)))?;
    let report = engine.report();
    Ok((Box::new(engine), report, Explainer::of_trees(trees)))
}

fn json<T: DeserializeOwned>(package: &Package, name: &str) -> Result<T, Error> {
    let bytes = package.read(name)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::Package { package: package.label(), why: format!("{name}: {error}") })
}

/// Checks that plan and network belong together, which intact files alone do not guarantee.
fn check_layout(label: &str, architecture: &Architecture, plan: &Plan) -> Result<(), Error> {
    let wrong = |why: String| Error::Package { package: label.to_owned(), why };
    architecture.table()?;
    let (made, expected) = (plan.layout().blocks, architecture.blocks());
    if made != expected {
        return Err(wrong(format!("plan.json makes examples of {made:?}, config.json expects {expected:?}")));
    }
    if plan.width() != architecture.output {
        let why = format!("plan.json has {} outputs, config.json {}", plan.width(), architecture.output);
        return Err(wrong(why));
    }
    Ok(())
}
