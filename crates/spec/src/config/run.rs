//! A run: the config with its model resolved.

use serde::{Deserialize, Serialize};

use crate::config::{Config, Series, Split, SplitBy, Target, TargetList, Watch};
use crate::data::{Clean, Data, Expectation, Feature};
use crate::evaluate::Evaluate;
use crate::evaluate::Uncertainty;
use crate::families::TreesSpec;
use crate::inputs::Input;
use crate::model::{Combine, Design, Family, Model, PackageRef};
use crate::train::{Train, Tune};

/// A run, resolved as far as the config alone allows. Globs of columns are resolved with the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Name of the run and of the package.
    pub name: String,
    /// Seed of every random draw.
    pub seed: u64,
    /// Source of the rows.
    pub data: Data,
    /// Data contract.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Expectation>,
    /// Repairs of raw values.
    #[serde(default)]
    pub clean: Clean,
    /// Columns that are computed from others.
    #[serde(default)]
    pub features: Vec<Feature>,
    /// Division of the rows.
    pub split: Split,
    /// Order of the rows that windows are cut from.
    #[serde(default, skip_serializing_if = "Series::is_empty")]
    pub series: Series,
    /// Inputs of the model; empty if they are inferred from the data.
    pub inputs: Vec<Input>,
    /// Targets of the model.
    #[serde(flatten)]
    pub targets: TargetList<Target>,
    /// Combination of inputs of several kinds.
    #[serde(default)]
    pub combine: Combine,
    /// Name of the architecture's family.
    pub family: String,
    /// The network up to the sizes that come from the data; without layers for trees.
    pub design: Design,
    /// Package that training starts from; `None` for a new model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<PackageRef>,
    /// Settings of trees; `None` for a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trees: Option<TreesSpec>,
    /// Training loop.
    pub train: Train,
    /// Evaluation at the end.
    #[serde(default)]
    pub evaluate: Evaluate,
    /// Intervals and sets; `None` without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertainty: Option<Uncertainty>,
    /// Search for good values of keys; `None` without it. `sealed` leaves it out: a run is one trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tune: Option<Tune>,
    /// Retraining of the published model; `None` without it. `sealed` leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Watch>,
    /// The complete config, with its defaults and the architecture in place. It parses to this run without
    /// any other file.
    pub sealed: Config,
}

impl Run {
    /// The run of a valid config; `None` if the config has no target.
    pub(crate) fn new(mut config: Config, family: &Family) -> Option<Self> {
        let targets = TargetList::from_vec(config.targets.clone())?;
        if let Some(group) = targets.first().group() {
            config.split = config.split.by_group(group);
        }
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
            series: config.series.clone(),
            inputs: config.inputs.clone(),
            targets,
            combine: config.combine.unwrap_or_default(),
            family: family.name().to_owned(),
            design: Design { lora, ..family.design() },
            start,
            trees: family.trees(),
            train: config.train.clone(),
            evaluate: config.evaluate.clone(),
            uncertainty: config.uncertainty.clone(),
            tune: config.tune.take(),
            watch: config.watch.take(),
            sealed: config,
        })
    }

    /// `true` if an example is made of several rows.
    pub fn windowed(&self) -> bool {
        self.inputs.iter().any(|input| input.window.is_some())
    }

    /// `true` if rows are divided in the order of time.
    pub fn by_time(&self) -> bool {
        self.split.by == SplitBy::Time || self.windowed()
    }

    /// Column of times that rows are sorted by, and the format of its texts; `None` if they stay in their order.
    pub fn time_column(&self) -> Option<(&str, Option<&str>)> {
        if let Some(time) = &self.series.time {
            return Some((time, self.series.format.as_deref()));
        }
        let column = self.split.column.as_deref().filter(|_| self.split.by == SplitBy::Time)?;
        Some((column, self.split.format.as_deref()))
    }
}
