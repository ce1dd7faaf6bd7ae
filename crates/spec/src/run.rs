//! What a config means.

use serde::{Deserialize, Serialize};

use crate::config::{Config, Data, Split, SplitBy, Target};
use crate::design::Design;
use crate::input::Input;
use crate::model::{Family, Model, PackageRef};
use crate::sizes::Boosting;
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
    /// How they are divided.
    pub split: Split,
    /// What the model sees; empty means "infer".
    pub inputs: Vec<Input>,
    /// What it predicts.
    pub target: Target,
    /// The architecture's family name.
    pub family: String,
    /// The network, up to the sizes that come from the data; without layers where there are trees.
    pub design: Design,
    /// The package that training starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<PackageRef>,
    /// Trees in place of a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trees: Option<Boosting>,
    /// The loop.
    pub train: Train,
    /// The config with its defaults and the architecture in place: parses on its own to this run.
    pub sealed: Config,
}

impl Run {
    pub(crate) fn new(mut config: Config, family: &Family) -> Self {
        let target = config.targets[0].clone();
        let start = match &config.model {
            Model::Package(start) => Some(start.clone()),
            Model::File(_) | Model::Inline(_) => {
                config.model = Model::Inline(family.clone());
                None
            }
        };
        let lora = start.as_ref().and_then(|start| start.lora);
        Self {
            name: config.name.clone(),
            seed: config.seed,
            data: config.data.clone(),
            split: config.split.clone(),
            inputs: config.inputs.clone(),
            target,
            family: family.name().to_owned(),
            design: Design { lora, ..family.design() },
            start,
            trees: if let Family::Gbdt(boosting) = family { Some(*boosting) } else { None },
            train: config.train.clone(),
            sealed: config,
        }
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
