//! Loading of packages: their files, compared with each other, become a plan and an engine.

use std::sync::Arc;

use cupola_nn::{Architecture, OpenDevice, ReadAt, SafetensorsFile};
use cupola_prep::{Examples, Plan};
use cupola_registry::{Package, VerifiedFile};
use cupola_trees::Trees;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::engines::{self, Engine, EngineChoice, EngineReport, TreesEngine};
use crate::error::Error;

/// `config.json`
#[derive(Deserialize)]
#[serde(untagged)]
enum ModelConfig {
    Trees { trees: TreesConfig },
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
    Ok(plan)
}

/// Builds the engine of a package.
pub(super) fn engine(
    package: &Package,
    plan: &Plan,
    choice: EngineChoice,
    device: &OpenDevice,
) -> Result<(Box<dyn Engine>, EngineReport), Error> {
    match json(package, "config.json")? {
        ModelConfig::Trees { trees } => trees_engine(package, plan, trees.width),
        ModelConfig::Network(architecture) => {
            check_layout(package, &architecture, plan)?;
            let weights = SafetensorsFile::open(WeightsFile(package.open_file("model.safetensors")?))?;
            engines::build(choice, &architecture, &weights, device)
        }
    }
}

fn trees_engine(
    package: &Package,
    plan: &Plan,
    width: usize,
) -> Result<(Box<dyn Engine>, EngineReport), Error> {
    let trees = Trees::from_safetensors(&package.read("model.safetensors")?)?;
    if trees.width() != width || width != plan.width() {
        let found = [trees.width(), width, plan.width()];
        let why = format!("model.safetensors, config.json and plan.json have {found:?} outputs");
        return Err(Error::Package { package: package.label(), why });
    }
    // A row of zeros shows whether the trees take what the plan makes.
    let mut engine = TreesEngine(trees);
    engines::isolated(&mut engine, |engine| engine.forward(Examples::zeros(plan.layout(), 1)))?;
    let report = engine.report();
    Ok((Box::new(engine), report))
}

fn json<T: DeserializeOwned>(package: &Package, name: &str) -> Result<T, Error> {
    let bytes = package.read(name)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::Package { package: package.label(), why: format!("{name}: {error}") })
}

/// Checks that plan and network belong together, which intact files alone do not guarantee.
fn check_layout(package: &Package, architecture: &Architecture, plan: &Plan) -> Result<(), Error> {
    let wrong = |why: String| Error::Package { package: package.label(), why };
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
