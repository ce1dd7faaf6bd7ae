//! Portfolios: which members a preset trains on which data, in the order of their expected value.

use std::fmt;
use std::str::FromStr;

use cupola_spec::{
    Bagging, Boosting, Config, Family, Kind, MlpFamily, Model, NumberEmbedding, Run, TargetKind, families_for,
};
use cupola_spec::{FamilyUse, FtTransformerFamily, RealmlpFamily, ResnetTabularFamily, TabmFamily};
use serde::Serialize;

use super::networks::{NetworkSettings, of_family, settings};
use crate::error::Error;

/// Most training rows of a transformer over columns, whose cost grows with the square of their number.
const MOST_ATTENTION_ROWS: usize = 20_000;
/// Most columns of it.
const MOST_ATTENTION_COLUMNS: usize = 100;

/// Effort of a preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Trees and a linear model.
    Fast,
    /// Also networks and trees with other settings.
    Good,
    /// Also further copies of the best members with other draws.
    Best,
}

impl Preset {
    /// Names of all presets.
    pub const NAMES: [&'static str; 3] = ["fast", "good", "best"];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Good => "good",
            Self::Best => "best",
        }
    }

    /// Seconds of a job that names no time.
    pub fn seconds(self) -> f64 {
        match self {
            Self::Fast => 120.0,
            Self::Good => 600.0,
            Self::Best => 3600.0,
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "fast" => Ok(Self::Fast),
            "good" => Ok(Self::Good),
            "best" => Ok(Self::Best),
            _ => Err(format!("expected {}", Self::NAMES.join(", "))),
        }
    }
}

/// Model of a portfolio.
#[derive(Debug, Clone)]
pub(super) struct PortfolioMember {
    /// Name among the members, such as `gbdt`.
    pub label: String,
    pub family: Family,
    /// Settings of `[train]`; `None` for trees, and for those of the config.
    pub training: Option<NetworkSettings>,
    /// Reason for which it is a member.
    pub reason: &'static str,
}

impl PortfolioMember {
    fn new(label: &str, family: Family, reason: &'static str) -> Self {
        Self { label: label.to_owned(), family, training: None, reason }
    }

    fn trained(self, training: NetworkSettings) -> Self {
        Self { training: Some(training), ..self }
    }
}

/// Size of the data of a portfolio.
#[derive(Debug, Clone, Copy)]
pub(super) struct DataSize {
    /// Training rows.
    pub rows: usize,
    pub columns: usize,
}

/// Members of a preset for the data of a run.
pub(super) fn members(preset: Preset, run: &Run, size: DataSize) -> Vec<PortfolioMember> {
    let kinds = || run.inputs.iter().map(|input| input.kind);
    let task = match run.targets.first().kind {
        TargetKind::Forecast => FamilyUse::Forecast,
        _ if run.windowed() || kinds().any(|kind| kind == Kind::Series) => FamilyUse::Sequence,
        _ if kinds().all(|kind| kind == Kind::Image) && !run.inputs.is_empty() => FamilyUse::Image,
        _ if kinds().all(|kind| kind == Kind::Text) && !run.inputs.is_empty() => FamilyUse::Sequence,
        _ if kinds().any(|kind| matches!(kind, Kind::Image | Kind::Text)) => {
            return several_kinds(preset, run);
        }
        _ => return table(preset, size),
    };
    let own = PortfolioMember::new(&run.family, own_family(&run.sealed), "the model of the config");
    let others =
        families_for(task).filter(|name| *name != run.family && *name != "layers").filter_map(|name| {
            let family: Family = serde_json::from_value(serde_json::json!({ "family": name })).ok()?;
            Some(PortfolioMember::new(name, family, "another family for this kind of data"))
        });
    let most = if preset == Preset::Fast { 2 } else { usize::MAX };
    std::iter::once(own).chain(others).take(most).collect()
}

/// The family of the config itself.
fn own_family(config: &Config) -> Family {
    match &config.model {
        Model::Inline(family) => family.clone(),
        // Runs that start from a package are refused before, and files are resolved.
        Model::File(_) | Model::Package(_) => Family::Mlp(MlpFamily::default()),
    }
}

/// Members for texts or pictures beside other columns, which only perceptrons read.
fn several_kinds(preset: Preset, run: &Run) -> Vec<PortfolioMember> {
    let own = PortfolioMember::new("own", own_family(&run.sealed), "the model of the config");
    let wide = MlpFamily { hidden: vec![512, 512], dropout: 0.2, ..MlpFamily::default() };
    let small = MlpFamily { hidden: vec![64], dropout: 0.1, ..MlpFamily::default() };
    let reason = "another size; only perceptrons read texts and pictures beside other columns";
    let others = [
        PortfolioMember::new("mlp_small", Family::Mlp(small), reason),
        PortfolioMember::new("mlp_wide", Family::Mlp(wide), reason),
    ];
    let most = if preset == Preset::Fast { 2 } else { usize::MAX };
    std::iter::once(own).chain(others).take(most).collect()
}

/// Members for a table.
fn table(preset: Preset, size: DataSize) -> Vec<PortfolioMember> {
    let mut members = vec![
        PortfolioMember::new(
            "gbdt",
            Family::Gbdt(Boosting::default()),
            "the most accurate single model on most tables (Grinsztajn et al. 2022; McElfresh et al. 2023)",
        ),
        // Leaves of 5 rows give better probabilities than pure ones, and a package of a fraction of the size.
        PortfolioMember::new(
            "random_forest",
            Family::RandomForest(Bagging { trees: 200, leaf: 5, ..Bagging::default() }),
            "robust, and its errors differ from those of boosting (Breiman 2001)",
        ),
        PortfolioMember::new(
            "linear",
            Family::Mlp(MlpFamily { hidden: Vec::new(), ..MlpFamily::default() }),
            "cheap, extrapolates, and is hard to beat where rows are few",
        )
        .trained(settings(size.rows, 1e-2, 1e-2).light()),
    ];
    if preset != Preset::Fast {
        members.extend(more_of_table(size));
    }
    members
}

/// Members of a table that the faster preset leaves out.
fn more_of_table(size: DataSize) -> Vec<PortfolioMember> {
    let periodic = NumberEmbedding::Periodic { frequencies: 16, sigma: 0.1, width: 16 };
    let mlp = MlpFamily { dropout: 0.15, numbers: Some(periodic), ..MlpFamily::default() };
    let large = Boosting {
        rounds: Some(5000),
        learning_rate: 0.03,
        leaves: 128,
        leaf: 3,
        features: 0.9,
        ..Boosting::default()
    };
    let shallow = Boosting {
        rounds: Some(5000),
        learning_rate: 0.05,
        leaves: 64,
        depth: Some(6),
        l2: 3.0,
        sample: 0.8,
        features: 0.8,
        ..Boosting::default()
    };
    let mut members = vec![
        PortfolioMember::new(
            "realmlp",
            Family::Realmlp(RealmlpFamily::default()),
            "the most accurate network with defaults on the tables of its authors (Holzmüller et al. 2024)",
        )
        .trained(of_family(size.rows)),
        PortfolioMember::new(
            "tabm",
            Family::Tabm(TabmFamily::default()),
            "the most accurate network of its cost on tables (Gorishniy et al. 2024)",
        )
        .trained(settings(size.rows, 2e-3, 3e-4)),
        PortfolioMember::new(
            "mlp",
            Family::Mlp(mlp),
            "periodic embeddings of numbers bring a perceptron near trees (Gorishniy et al. 2022)",
        )
        .trained(settings(size.rows, 1e-3, 1e-3)),
        PortfolioMember::new(
            "gbdt_large",
            Family::Gbdt(large),
            "slow, with large trees: the settings of LightGBMLarge in AutoGluon 1.6",
        ),
        PortfolioMember::new(
            "gbdt_shallow",
            Family::Gbdt(shallow),
            "depth 6 and a penalty of 3, as CatBoost's defaults, on shares of rows and columns (Friedman 2002)",
        ),
        PortfolioMember::new(
            "resnet",
            Family::ResnetTabular(ResnetTabularFamily::default()),
            "the simple strong network of Gorishniy et al. 2021",
        )
        .trained(settings(size.rows, 5e-4, 1e-4)),
    ];
    if size.rows <= MOST_ATTENTION_ROWS && size.columns <= MOST_ATTENTION_COLUMNS {
        let reason = "a transformer over columns, for tables of up to 20,000 rows (Gorishniy et al. 2021)";
        let family = Family::FtTransformer(FtTransformerFamily::default());
        let member = PortfolioMember::new("ft_transformer", family, reason);
        members.push(member.trained(settings(size.rows, 3e-4, 1e-5)));
    }
    members
}

/// Refuses data and targets that have no portfolio.
///
/// # Errors
/// [`Error::Preset`] that names what works.
pub(super) fn check(run: &Run) -> Result<(), Error> {
    let refused = |why: String, remedy: &str| Err(Error::Preset { why, remedy: remedy.to_owned() });
    let without = "presets average predictions of categories, numbers and forecasts; train a single model without --preset";
    if let Some(target) = run.targets.iter().find(|target| {
        !matches!(target.kind, TargetKind::Category | TargetKind::Number | TargetKind::Forecast)
    }) {
        return refused(format!("the predictions of `{}` have no average", target.name), without);
    }
    if run.start.is_some() {
        let why = "the config trains from a published package, which has one family".to_owned();
        return refused(why, "write `[model]` with a family, or train it without --preset");
    }
    if run.data.stream {
        return refused("a preset needs all rows in memory".to_owned(), "leave `data.stream` out");
    }
    if run.split.valid <= 0.0 && run.split.by != cupola_spec::SplitBy::Predefined {
        return refused(
            "the valid split, on which the members are weighed, has no rows".to_owned(),
            "raise `split.valid`",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
