//! Boosted trees of all targets, from examples to an ensemble.

use cupola_prep::{Examples, Targets};
use cupola_spec::{Boosting, NumberLoss, RankLoss};

use crate::boosting::{
    BinRuleSplit, BinTree, BinnedMatrix, BoostObjective, BoostOptions, BoostRows, ColumnBins, Labels,
    RowGroups, Table, boost,
};
use crate::columns::reject_text;
use crate::error::Error;
use crate::{EnsembleOutput, FlatNode, FlatTree, Progress, SplitRule, TreeEnsemble, TreeScore, TreesTarget};

/// Rounds without rows to stop on, where the config names no number.
const BLIND_ROUNDS: usize = 200;

/// Training rows, and rows that say when to stop.
#[derive(Debug, Clone, Copy)]
pub struct TreesRows<'a> {
    /// Training examples.
    pub train: &'a Examples,
    /// Examples of the validation split; `None` without one.
    pub valid: Option<&'a Examples>,
    /// For each column 1 if the scores may only rise with it, -1 if they may only fall, else 0; columns beyond the end
    /// are free.
    pub monotone: &'a [i8],
}

/// Boosts one ensemble for all outputs.
///
/// # Errors
/// As for [`Trees::fit`](crate::Trees::fit).
pub(crate) fn fit(
    spec: &Boosting,
    rows: TreesRows<'_>,
    targets: &[TreesTarget<'_>],
    seed: u64,
    progress: &mut Progress<'_>,
) -> Result<TreeEnsemble, Error> {
    reject_text(rows.train)?;
    let valid = rows.valid.filter(|valid| valid.rows > 0);
    let options = BoostOptions { monotone: rows.monotone.to_vec(), ..options(spec, valid.is_some(), seed) };
    let matrix = BinnedMatrix::fit(&table(rows.train), options.bins);
    let valid = valid.map(|valid| BinnedMatrix::apply(&table(valid), &matrix.columns));
    let (mut outputs, mut trees) = (Vec::new(), Vec::new());
    for (target, column) in targets.iter().flat_map(columns_of) {
        let objective = objective(spec, target);
        let values = labels(target.targets, column);
        check_counts(objective, &values)?;
        let weights = if spec.balanced { balanced(target.targets) } else { Vec::new() };
        let groups = RowGroups::of(target.targets, spec.truncation);
        let own = Labels { values: &values, weights: &weights, groups: groups.as_ref() };
        let train = BoostRows { matrix: &matrix, labels: own };
        let valid_labels = target.valid.filter(|targets| has_loss(targets));
        let valid_labels =
            valid_labels.map(|targets| (labels(targets, column), RowGroups::of(targets, spec.truncation)));
        let valid = valid.as_ref().zip(valid_labels.as_ref()).map(|(matrix, (values, groups))| BoostRows {
            matrix,
            labels: Labels { values, weights: &[], groups: groups.as_ref() },
        });
        let done = outputs.len();
        let boosted =
            boost(train, valid, objective, &options, &mut |_| progress(done)).ok_or(Error::Stopped)?;
        let width = boosted.base.len();
        let score = score(objective);
        for (index, tree) in boosted.trees.iter().enumerate() {
            trees.push(flat(tree, &matrix.columns, done + index % width)?);
        }
        outputs.extend(boosted.base.into_iter().map(|base| EnsembleOutput { base, score }));
    }
    let _ = progress(outputs.len());
    TreeEnsemble::new(matrix.columns.len(), outputs, trees)
}

fn options(spec: &Boosting, stops: bool, seed: u64) -> BoostOptions {
    let defaults = BoostOptions::default();
    BoostOptions {
        rounds: spec.rounds.unwrap_or(if stops { defaults.rounds } else { BLIND_ROUNDS }),
        patience: spec.patience,
        learning_rate: spec.learning_rate,
        leaves: spec.leaves,
        depth: spec.depth.map_or(0, usize::from),
        bins: spec.bins,
        leaf_rows: spec.leaf,
        leaf_weight: spec.leaf_weight,
        l1: spec.l1,
        l2: spec.l2,
        gain: spec.gain,
        rows: spec.sample,
        columns: spec.features,
        seed,
        ..defaults
    }
}

fn table(examples: &Examples) -> Table<'_> {
    Table { numbers: &examples.dense, categories: &examples.indices, rows: examples.rows }
}

fn objective(spec: &Boosting, target: &TreesTarget<'_>) -> BoostObjective {
    match target.targets {
        Targets::Class(_) if target.width > 1 => BoostObjective::Softmax { classes: target.width },
        Targets::Class(_) => BoostObjective::Logistic,
        Targets::Relevance { .. } => match spec.rank_loss {
            RankLoss::Ndcg => BoostObjective::LambdaRank,
            RankLoss::Pairwise => BoostObjective::RankNet,
        },
        _ => match (target.quantile, spec.loss) {
            (Some(level), _) => BoostObjective::Quantile { level },
            (None, NumberLoss::Squared) => BoostObjective::Squared,
            (None, NumberLoss::Absolute) => BoostObjective::Absolute,
            (None, NumberLoss::Huber) => BoostObjective::Huber { delta: 1.0 },
            (None, NumberLoss::Poisson) => {
                let [shift, factor] = target.scaling;
                BoostObjective::Poisson { shift, factor }
            }
        },
    }
}

/// `true` if validation rows have a loss: of a ranking, if one of them is relevant.
fn has_loss(targets: &Targets) -> bool {
    let Targets::Relevance { values, .. } = targets else { return true };
    values.iter().any(|grade| *grade > 0.0)
}

/// Refuses numbers below 0 for the Poisson deviance.
fn check_counts(objective: BoostObjective, values: &[f32]) -> Result<(), Error> {
    let BoostObjective::Poisson { shift, factor } = objective else { return Ok(()) };
    let count = |value: &f32| f64::from(*value) / factor + shift;
    // Standardising rounds to single precision.
    match values.iter().map(count).find(|count| *count < -1e-4 * (1.0 + shift.abs())) {
        Some(found) => Err(Error::Count { found }),
        None => Ok(()),
    }
}

fn score(objective: BoostObjective) -> TreeScore {
    match objective {
        BoostObjective::Logistic => TreeScore::LogOdds,
        BoostObjective::Softmax { .. } => TreeScore::Margin,
        BoostObjective::Poisson { shift, factor } => TreeScore::LogOfStandardised { shift, factor },
        _ => TreeScore::Number,
    }
}

/// Columns of a target that are boosted one after the other: those of a vector.
fn columns_of<'a, 'b>(target: &'a TreesTarget<'b>) -> impl Iterator<Item = (&'a TreesTarget<'b>, usize)> {
    let columns = if matches!(target.targets, Targets::Vector { .. }) { target.width } else { 1 };
    (0..columns).map(move |column| (target, column))
}

/// Numbers of one column, or indices of classes.
#[allow(clippy::cast_precision_loss, reason = "indices of classes stay far below 2^24")]
fn labels(targets: &Targets, column: usize) -> Vec<f32> {
    match targets {
        Targets::Number(values) | Targets::Relevance { values, .. } => values.clone(),
        Targets::Vector { width, values } => values.iter().skip(column).step_by(*width).copied().collect(),
        Targets::Class(classes) => classes.iter().map(|&class| class as f32).collect(),
        // Config validation rejects these targets for trees.
        Targets::Reconstruction { .. } | Targets::Tokens { .. } => Vec::new(),
    }
}

/// Weights by which all classes count alike; none for numbers.
#[allow(clippy::cast_possible_truncation, reason = "a ratio of counts")]
fn balanced(targets: &Targets) -> Vec<f32> {
    let Targets::Class(classes) = targets else { return Vec::new() };
    let counts = targets.classes();
    let weight = |class: &i32| {
        let rows = usize::try_from(*class).ok().and_then(|class| counts.get(class)).copied().unwrap_or(1);
        classes.len() as f64 / (counts.len() * rows.max(1)) as f64
    };
    classes.iter().map(|class| weight(class) as f32).collect()
}

/// The tree with thresholds and categories in place of bins.
#[allow(clippy::cast_possible_truncation, reason = "single precision is enough for a cover")]
fn flat(tree: &BinTree, columns: &[ColumnBins], output: usize) -> Result<FlatTree, Error> {
    let mut sets = Vec::new();
    let nodes = tree.nodes.iter().map(|node| {
        let cover = node.cover as f32;
        let Some((split, [left, right])) = node.split else {
            return FlatNode::Leaf { value: node.value, cover };
        };
        let rule = match split.rule {
            BinRuleSplit::UpTo(bin) => SplitRule::Below(columns[split.column].edge(bin)),
            BinRuleSplit::Set(set) => {
                let (start, words) = (sets.len() as u32, columns[split.column].words(&set));
                sets.extend_from_slice(&words);
                SplitRule::Within { start, words: words.len() as u32 }
            }
        };
        let (feature, missing_left) = (split.column as u32, split.missing_left);
        FlatNode::Split { feature, rule, left, right, missing_left, cover }
    });
    let nodes = nodes.collect();
    FlatTree::new(output, nodes, sets)
}

#[cfg(test)]
mod tests;
