//! Areas under the curves of each class.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use super::super::MetricSet;
use super::super::float::FloatValue;
use super::super::scores::ScoreRanking;
use super::super::undefined::Undefined;
use super::super::weights::RowWeights;

/// Share of the rows that `lift_at_10` looks at.
const LIFT: f64 = 0.1;

/// Targets and probabilities, ranked by one class at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct RankedRows<'a, P> {
    pub classes: usize,
    pub targets: &'a [usize],
    pub probabilities: &'a [P],
}

/// Areas of one class against the rest, and against each other class.
struct ClassAreas {
    roc_auc: Result<f64, Undefined>,
    pr_auc: Result<f64, Undefined>,
    lift: Result<f64, Undefined>,
    /// Weight of the pairs with a row of each other class in which the row of this class has the higher probability.
    ordered: Vec<f64>,
}

/// Areas over all classes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Areas {
    /// Area of the positive one of two classes, else the mean over the classes that occur.
    pub roc_auc: Result<f64, Undefined>,
    /// Mean over the pairs of classes that occur.
    pub roc_auc_ovo: Result<f64, Undefined>,
    pub pr_auc: Result<f64, Undefined>,
    pub lift: Result<f64, Undefined>,
}

/// Classes whose probabilities are ranked: the positive one of two, else all.
pub(super) fn ranked_classes(classes: usize) -> Range<usize> {
    if classes == 2 { 1..2 } else { 0..classes }
}

impl<P: FloatValue> RankedRows<'_, P> {
    /// Order of the rows by the probability of a class.
    pub fn sort(self, class: usize) -> Result<ScoreRanking, Undefined> {
        let score = |row: usize| self.probabilities[row * self.classes + class];
        ScoreRanking::from_fn(self.targets.len(), score, |row| self.targets[row] == class)
    }

    /// Areas of all classes, in parallel. `rankings` are those of [`ranked_classes`], or none, to find them here one
    /// after the other.
    pub fn areas(
        self,
        rankings: &[Result<ScoreRanking, Undefined>],
        weights: Option<&[f64]>,
        set: MetricSet,
    ) -> Areas {
        let classes = ranked_classes(self.classes).into_par_iter().enumerate();
        let each = classes.map(|(index, class)| {
            let ranking = match rankings.get(index) {
                Some(ranking) => ranking.as_ref().map(Cow::Borrowed).map_err(Clone::clone),
                None => self.sort(class).map(Cow::Owned),
            };
            match ranking {
                Ok(ranking) => self.class_areas(class, &ranking, weights, set),
                Err(why) => ClassAreas {
                    roc_auc: Err(why.clone()),
                    pr_auc: Err(why.clone()),
                    lift: Err(why),
                    ordered: Vec::new(),
                },
            }
        });
        let each: Vec<ClassAreas> = each.collect();
        Areas {
            roc_auc: mean(each.iter().map(|class| &class.roc_auc)),
            pr_auc: mean(each.iter().map(|class| &class.pr_auc)),
            lift: mean(each.iter().map(|class| &class.lift)),
            roc_auc_ovo: self.one_against_one(&each, weights),
        }
    }

    fn class_areas(
        self,
        class: usize,
        ranking: &ScoreRanking,
        weights: Option<&[f64]>,
        set: MetricSet,
    ) -> ClassAreas {
        let roc_auc = ranking.roc_auc(weights);
        if set == MetricSet::Training {
            let none = || Err(Undefined::NoRows);
            return ClassAreas { roc_auc, pr_auc: none(), lift: none(), ordered: Vec::new() };
        }
        let ordered = if self.classes > 2 { self.ordered(class, ranking, weights) } else { Vec::new() };
        let pr_auc = ranking.average_precision(weights);
        ClassAreas { roc_auc, pr_auc, lift: ranking.lift_at(LIFT, weights), ordered }
    }

    /// Weight of the pairs of a row of `class` and a row of each other class in which the first has the higher
    /// probability of `class`, ties counted half. One pass serves all other classes.
    fn ordered(self, class: usize, ranking: &ScoreRanking, weights: Option<&[f64]>) -> Vec<f64> {
        let (mut above, mut ordered) = (0.0, vec![0.0; self.classes]);
        for run in ranking.runs() {
            let rows =
                || run.iter().map(|&row| (self.targets[row as usize], RowWeights(weights).of(row as usize)));
            let tied: f64 = rows().filter(|row| row.0 == class).map(|row| row.1).sum();
            for (other, weight) in rows().filter(|row| row.0 != class) {
                ordered[other] += weight * (above + tied / 2.0);
            }
            above += tied;
        }
        ordered
    }

    /// Mean over the pairs of classes of the mean of both areas (Hand and Till 2001), as scikit-learn's
    /// `multi_class="ovo"`.
    fn one_against_one(self, each: &[ClassAreas], weights: Option<&[f64]>) -> Result<f64, Undefined> {
        if let [class] = each {
            return class.roc_auc.clone();
        }
        let mut sizes = vec![0.0; self.classes];
        for (row, &target) in self.targets.iter().enumerate() {
            sizes[target] += RowWeights(weights).of(row);
        }
        let (mut sum, mut pairs) = (0.0, 0.0);
        for (a, first) in each.iter().enumerate().filter(|(a, _)| sizes[*a] > 0.0) {
            if let Err(Undefined::NotFinite | Undefined::TooManyRows) = first.roc_auc {
                return first.roc_auc.clone();
            }
            for b in (0..a).filter(|b| sizes[*b] > 0.0) {
                let ordered =
                    |ours: &ClassAreas, other: usize| ours.ordered.get(other).copied().unwrap_or_default();
                sum += f64::midpoint(ordered(first, b), ordered(&each[b], a)) / (sizes[a] * sizes[b]);
                pairs += 1.0;
            }
        }
        match pairs {
            _ if sizes.iter().all(|size| *size <= 0.0) => Err(Undefined::NoRows),
            0.0 => Err(Undefined::OneClass),
            pairs => Ok(sum / pairs),
        }
    }
}

/// Mean over the classes that have the metric; the reason of the first one if none has.
fn mean<'a>(each: impl Iterator<Item = &'a Result<f64, Undefined>>) -> Result<f64, Undefined> {
    let (mut sum, mut classes, mut first) = (0.0, 0.0, None);
    for value in each {
        match value {
            Ok(value) => {
                sum += value;
                classes += 1.0;
            }
            Err(why @ (Undefined::NotFinite | Undefined::TooManyRows)) => return Err(why.clone()),
            Err(why) => first = first.or(Some(why.clone())),
        }
    }
    if classes > 0.0 { Ok(sum / classes) } else { Err(first.unwrap_or(Undefined::NoRows)) }
}
