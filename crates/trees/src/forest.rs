//! Random forests (Breiman 2001): trees on rows drawn with replacement, each split among a few random columns.
//!
//! Values of a column become ranks ([`ranks`]), so that a node counts or sorts small integers ([`split`]). With as many
//! ranks as distinct values, splits are exact, as scikit-learn's are; a column of more than 65,535 distinct values gets
//! bins. One tree serves all classes of a target, and is then written as a tree for each of them.

mod criterion;
mod flatten;
mod grow;
mod out_of_bag;
mod ranks;
mod split;

use cupola_prep::{Examples, Targets};
use cupola_spec::Bagging;
use rayon::prelude::*;

use self::criterion::TargetKind;
use self::flatten::flat_tree;
pub use self::out_of_bag::OutOfBag;
pub(crate) use self::out_of_bag::predict as out_of_bag;

use self::grow::{GrowSettings, TreeDraws, grow};
use self::ranks::RankedColumn;
use crate::columns::{reject_text, rows_of, width_of};
use crate::error::Error;
use crate::{EnsembleOutput, FlatTree, Progress, TreeEnsemble, TreeScore, TreesTarget};

/// Longest path without another limit: explanations recurse along it.
const MOST_LEVELS: usize = 1_000;

/// Fits a forest to each target. The trees of a class predict its share of the rows in a leaf (Malley et al. 2012).
///
/// # Errors
/// [`Error::Block`] for text inputs, [`Error::Fit`] without rows, [`Error::Stopped`] if `progress` breaks before the last
/// tree.
pub(crate) fn fit(
    spec: &Bagging,
    examples: &Examples,
    targets: &[TreesTarget<'_>],
    seed: u64,
    progress: &mut Progress<'_>,
) -> Result<TreeEnsemble, Error> {
    reject_text(examples)?;
    if examples.rows == 0 {
        return Err(Error::Fit { reason: "there are no rows".to_owned() });
    }
    let table = ranked(examples);
    let (mut outputs, mut trees) = (Vec::new(), Vec::new());
    for (target, output) in targets.iter().flat_map(targets_of) {
        let (kind, score, values) = values_of(target, output);
        let settings = settings(spec, table.len(), kind, score);
        let first = outputs.len();
        let grower = Grower { table: &table, values: &values, settings, seed, first, trees: spec.trees };
        trees.extend(grower.grow_all(&mut || progress(first).is_break())?);
        outputs.extend(std::iter::repeat_n(EnsembleOutput { base: 0.0, score }, kind.cells()));
    }
    let _ = progress(outputs.len());
    TreeEnsemble::new(table.len(), outputs, trees)
}

/// Ranks of all columns.
fn ranked(examples: &Examples) -> Vec<RankedColumn> {
    let (values, columns) = (rows_of(examples, 0, examples.rows), width_of(examples));
    let column = |index: usize| {
        let own: Vec<f32> = values.iter().skip(index).step_by(columns).copied().collect();
        RankedColumn::new(&own)
    };
    (0..columns).into_par_iter().map(column).collect()
}

/// A target once, or for each of its numbers.
fn targets_of<'a>(target: &TreesTarget<'a>) -> impl Iterator<Item = (&'a Targets, usize)> {
    let count = if matches!(target.targets, Targets::Class(_)) { 1 } else { target.width };
    let (targets, width) = (target.targets, target.width);
    (0..count).map(move |output| (targets, if count == 1 { width } else { output }))
}

fn kind_of(targets: &Targets, output: usize) -> TargetKind {
    if matches!(targets, Targets::Class(_)) && output > 1 {
        TargetKind::Classes(output)
    } else {
        TargetKind::Number
    }
}

/// Kind of a target, and its numbers or classes. `output` is the number of classes, or the index of a number.
fn values_of(targets: &Targets, output: usize) -> (TargetKind, TreeScore, Vec<f64>) {
    match targets {
        Targets::Class(classes) => {
            let kind = kind_of(targets, output);
            let score = if output > 1 { TreeScore::ProbabilityOfMany } else { TreeScore::Probability };
            let last = i32::try_from(output.max(2) - 1).unwrap_or(i32::MAX);
            (kind, score, classes.iter().map(|class| f64::from((*class).clamp(0, last))).collect())
        }
        Targets::Number(numbers) => {
            (TargetKind::Number, TreeScore::Number, numbers.iter().map(|x| f64::from(*x)).collect())
        }
        Targets::Vector { width, values } => {
            let own = values.iter().skip(if *width > 1 { output } else { 0 }).step_by(*width);
            (TargetKind::Number, TreeScore::Number, own.map(|x| f64::from(*x)).collect())
        }
        // Config validation rejects these targets for trees.
        Targets::Reconstruction { .. } | Targets::Tokens { .. } | Targets::Relevance { .. } => {
            (TargetKind::Number, TreeScore::Number, Vec::new())
        }
    }
}

/// Settings of the trees of a target. Without a share of the columns, a split of a class considers the square root of
/// their number, and one of a number all of them, as in scikit-learn.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of columns")]
fn settings(spec: &Bagging, columns: usize, kind: TargetKind, score: TreeScore) -> GrowSettings {
    let all = columns as f64;
    let count = match spec.features {
        Some(share) => share * all,
        None if score == TreeScore::Number => all,
        None => all.sqrt(),
    };
    let depth = spec.depth.map_or(MOST_LEVELS, usize::from).min(MOST_LEVELS);
    GrowSettings { kind, columns: (count as usize).max(1), leaf: spec.leaf.max(1), depth }
}

/// Forest of one target.
struct Grower<'a> {
    table: &'a [RankedColumn],
    values: &'a [f64],
    settings: GrowSettings,
    seed: u64,
    /// First output of the target.
    first: usize,
    trees: usize,
}

impl Grower<'_> {
    /// Grows all trees, a tree on each thread. Each draws numbers of its own, so the forest does not depend on the
    /// threads.
    fn grow_all(&self, stops: &mut dyn FnMut() -> bool) -> Result<Vec<FlatTree>, Error> {
        let together = rayon::current_num_threads().max(1) * 4;
        let mut trees = Vec::new();
        if stops() {
            return Err(Error::Stopped);
        }
        for start in (0..self.trees).step_by(together) {
            let end = (start + together).min(self.trees);
            let grown: Result<Vec<_>, Error> =
                (start..end).into_par_iter().map(|tree| self.grow_one(tree)).collect();
            trees.extend(grown?.into_iter().flatten());
            if stops() && end < self.trees {
                return Err(Error::Stopped);
            }
        }
        Ok(trees)
    }

    /// Grows one tree, and writes it for each output.
    fn grow_one(&self, tree: usize) -> Result<Vec<FlatTree>, Error> {
        let mut draws = TreeDraws::new(self.seed, [self.first as u64, tree as u64]);
        let nodes = grow(self.table, self.values, &self.settings, &mut draws);
        let outputs = 0..self.settings.kind.cells();
        outputs.map(|output| flat_tree(&nodes, output, self.first, self.trees)).collect()
    }
}

#[cfg(test)]
mod tests;
