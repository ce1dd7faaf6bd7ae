//! What a config means.

use serde::{Deserialize, Serialize};

use crate::config::{Config, Split, SplitBy, Target, TargetList};
use crate::data::{Clean, Data, Expectation, Feature};
use crate::families::TreesSpec;
use crate::inputs::Input;
use crate::model::{Combine, Design, Family, Model, PackageRef};
use crate::train::Train;

/// A run, resolved as far as the config alone allows; column globs wait for the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Name of the run and of the package.
    pub name: String,
    /// Seed of every draw.
    pub seed: u64,
    /// Where the rows come from.
    pub data: Data,
    /// What they have to be like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Expectation>,
    /// How raw values are repaired.
    #[serde(default)]
    pub clean: Clean,
    /// Columns that are computed of others.
    #[serde(default)]
    pub features: Vec<Feature>,
    /// How they are divided.
    pub split: Split,
    /// What the model sees; empty means "infer".
    pub inputs: Vec<Input>,
    /// What the model predicts.
    #[serde(flatten)]
    pub targets: TargetList<Target>,
    /// How inputs of several kinds meet.
    #[serde(default)]
    pub combine: Combine,
    /// The architecture's family name.
    pub family: String,
    /// The network, up to the sizes that come from the data; without layers where there are trees.
    pub design: Design,
    /// The package that training starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<PackageRef>,
    /// Trees in place of a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trees: Option<TreesSpec>,
    /// The loop.
    pub train: Train,
    /// The config with its defaults and the architecture in place: parses on its own to this run.
    pub sealed: Config,
}

impl Run {
    /// The run of a valid config; `None` if the config has no target.
    pub(crate) fn new(mut config: Config, family: &Family) -> Option<Self> {
        let targets = TargetList::from_vec(config.targets.clone())?;
        let start = match &config.model {
            Model::Package(start) => Some(start.clone()),
            Model::File(_) | Model::Inline(_) => {
                config.model = Model::Inline(family.clone());
                None
            }
        };
        let lora = start.as_ref().and_then(|start| start.lora);
        Some(Self {
            name: config.name.clone(),
            seed: config.seed,
            data: config.data.clone(),
            expect: config.expect.clone(),
            clean: config.clean.clone(),
            features: config.features.clone(),
            split: config.split.clone(),
            inputs: config.inputs.clone(),
            targets,
            combine: config.combine.unwrap_or_default(),
            family: family.name().to_owned(),
            design: Design { lora, ..family.design() },
            start,
            trees: family.trees(),
            train: config.train.clone(),
            sealed: config,
        })
    }

    /// Whether an example is made of several rows.
    pub fn windowed(&self) -> bool {
        self.inputs.iter().any(|input| input.window.is_some())
    }

    /// Whether rows are divided in their order.
    pub fn by_time(&self) -> bool {
        self.split.by == SplitBy::Time || self.windowed()
    }
}
