//! Gradients of a ranking: pairs of rows of one group with different grades.
//!
//! `LambdaMART` (Burges 2010, sections 3 and 4) in the form of `LightGBM`'s `lambdarank`: the logistic loss of each pair is
//! weighted by the change of the group's NDCG if both rows change places.

use std::cmp::Ordering;
use std::collections::HashMap;

use cupola_eval::RankedGroups;
use cupola_prep::Targets;
use rayon::prelude::*;

/// Rows of each group whose order the loss on validation rows looks at.
const EVALUATED: usize = 10;
/// Smallest Hessian of a row.
const LEAST_HESSIAN: f32 = 1e-16;
/// Groups that one thread takes at least.
const LEAST_GROUPS: usize = 16;
/// Distance of scores that is added to that of a pair, so that equal scores have a finite weight.
const LEAST_DISTANCE: f64 = 0.01;

/// Weight of the pairs of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PairWeight {
    /// Change of the NDCG, divided by the distance of the scores.
    Ndcg,
    /// Equal weights (`RankNet`, Burges et al. 2005).
    Equal,
}

/// Rows of a table by group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RowGroups {
    /// Key of the group of each row.
    keys: Vec<u64>,
    /// Rows of the groups one after the other, those of a group in their order.
    rows: Vec<u32>,
    /// End of each group in `rows`.
    ends: Vec<usize>,
    /// Inverse of the largest DCG of each group; 0 without a relevant row.
    scales: Vec<f64>,
    /// Rows at the top of a group of which a pair has at least one.
    truncation: usize,
}

/// Row of a group in the order of the scores.
#[derive(Debug, Clone, Copy)]
struct RankedRow {
    /// Index in the group.
    at: usize,
    score: f64,
    grade: f64,
}

impl RowGroups {
    /// Groups of the rows of a ranking; `None` for other targets.
    pub fn of(targets: &Targets, truncation: usize) -> Option<Self> {
        let Targets::Relevance { groups, values } = targets else { return None };
        Some(Self::new(groups, values, truncation))
    }

    /// Groups in the order of their first rows.
    #[allow(clippy::cast_possible_truncation, reason = "tables have fewer than 2^32 rows")]
    pub fn new(keys: &[u64], grades: &[f32], truncation: usize) -> Self {
        let mut places: HashMap<u64, usize> = HashMap::new();
        let mut groups: Vec<Vec<u32>> = Vec::new();
        for (row, key) in keys.iter().enumerate() {
            let place = *places.entry(*key).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[place].push(row as u32);
        }
        let (mut rows, mut ends, mut scales) = (Vec::with_capacity(keys.len()), Vec::new(), Vec::new());
        for group in groups {
            let mut gains: Vec<f64> =
                group.iter().map(|&row| gain(f64::from(grades[row as usize]))).collect();
            gains.sort_unstable_by(|a, b| b.total_cmp(a));
            let best: f64 =
                gains.iter().take(truncation).enumerate().map(|(place, gain)| gain * discount(place)).sum();
            scales.push(if best > 0.0 { 1.0 / best } else { 0.0 });
            rows.extend(group);
            ends.push(rows.len());
        }
        Self { keys: keys.to_vec(), rows, ends, scales, truncation }
    }

    /// Gradient and Hessian of each row.
    pub fn gradients(&self, weight: PairWeight, scores: &[f64], grades: &[f32], pairs: &mut [[f32; 2]]) {
        let mut by_group = vec![[0.0_f32; 2]; self.rows.len()];
        let (mut rest, mut start) = (by_group.as_mut_slice(), 0);
        let mut groups = Vec::with_capacity(self.ends.len());
        for (end, scale) in self.ends.iter().zip(&self.scales) {
            let (own, after) = std::mem::take(&mut rest).split_at_mut(end - start);
            groups.push((&self.rows[start..*end], *scale, own));
            (rest, start) = (after, *end);
        }
        groups.into_par_iter().with_min_len(LEAST_GROUPS).for_each(|(rows, scale, own)| {
            let ranked = rows.iter().enumerate().map(|(at, &row)| {
                let (score, grade) = (scores[row as usize], f64::from(grades[row as usize]));
                RankedRow { at, score, grade }
            });
            let mut ranked: Vec<RankedRow> = ranked.collect();
            ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
            self.group_gradients(weight, scale, &ranked, own);
        });
        self.rows.iter().zip(by_group).for_each(|(row, pair)| pairs[*row as usize] = pair);
    }

    /// Gradients of the rows of a group, which `ranked` holds in descending order of score.
    #[allow(clippy::cast_possible_truncation, reason = "gradients are quantised afterwards")]
    fn group_gradients(&self, weight: PairWeight, scale: f64, ranked: &[RankedRow], out: &mut [[f32; 2]]) {
        let spread = match ranked {
            [first, .., last] => first.score - last.score,
            _ => 0.0,
        };
        let (mut found, mut sum) = (vec![[0.0_f64; 2]; out.len()], 0.0);
        for (place, first) in ranked.iter().enumerate().take(self.truncation) {
            for (further, second) in ranked.iter().enumerate().skip(place + 1) {
                let (high, low) = match first.grade.partial_cmp(&second.grade) {
                    Some(Ordering::Greater) => (first, second),
                    Some(Ordering::Less) => (second, first),
                    _ => continue,
                };
                let difference = high.score - low.score;
                let mut factor = 1.0;
                if weight == PairWeight::Ndcg {
                    factor =
                        (gain(high.grade) - gain(low.grade)) * (discount(place) - discount(further)) * scale;
                    if spread > 0.0 {
                        factor /= LEAST_DISTANCE + difference.abs();
                    }
                }
                let p = 1.0 / (1.0 + difference.exp());
                let (lambda, hessian) = (factor * p, factor * p * (1.0 - p));
                found[low.at][0] += lambda;
                found[high.at][0] -= lambda;
                found[low.at][1] += hessian;
                found[high.at][1] += hessian;
                sum += 2.0 * lambda;
            }
        }
        // Groups with many pairs would outweigh the others.
        let norm = if sum > 0.0 { (1.0 + sum).log2() / sum } else { 1.0 };
        for (out, [lambda, hessian]) in out.iter_mut().zip(found) {
            *out = [(lambda * norm) as f32, ((hessian * norm) as f32).max(LEAST_HESSIAN)];
        }
    }

    /// Loss of scores: one less the mean NDCG of the first ten rows of each group, infinite without a relevant row.
    pub fn loss(&self, scores: &[f64], grades: &[f32]) -> f64 {
        let grades: Vec<f64> = grades.iter().map(|grade| f64::from(*grade)).collect();
        let ranked = RankedGroups::of_grades(&self.keys, &grades, scores);
        ranked.and_then(|ranked| ranked.ndcg(Some(EVALUATED), None)).map_or(f64::INFINITY, |ndcg| 1.0 - ndcg)
    }
}

/// Gain of a grade.
fn gain(grade: f64) -> f64 {
    grade.exp2() - 1.0
}

/// Discount of a place, counted from 0.
fn discount(place: usize) -> f64 {
    1.0 / (place as f64 + 2.0).log2()
}
