//! Regression tree as a partition of the space, and the variance of its parts.

use crate::numeric::DrawStream;
use crate::space::index;

/// Part of the range of one parameter.
#[derive(Debug, Clone, PartialEq)]
enum PartRange {
    /// Numbers between two bounds within 0 and 1.
    Interval(f64, f64),
    /// Choices of a category, as a list of flags.
    Choices(Vec<bool>),
}

impl PartRange {
    /// Share of the range of the parameter.
    fn size(&self) -> f64 {
        match self {
            Self::Interval(low, high) => high - low,
            Self::Choices(flags) => {
                flags.iter().filter(|flag| **flag).count() as f64 / flags.len().max(1) as f64
            }
        }
    }
}

/// Leaf of a tree.
#[derive(Debug, Clone)]
struct SpacePart {
    ranges: Vec<PartRange>,
    /// Mean of the rows within.
    value: f64,
    /// Share of the space.
    weight: f64,
}

/// Leaves of a regression tree, which divide the space into boxes.
#[derive(Debug, Clone)]
pub(super) struct VarianceTree {
    parts: Vec<SpacePart>,
}

/// Best split of a node.
struct NodeSplit {
    place: usize,
    /// Upper bound of the left part, or its only choice.
    threshold: f64,
    gain: f64,
}

impl VarianceTree {
    /// Grows a full tree on the sampled rows. Numbers are split between neighbours, categories one against the others.
    pub fn grow(
        points: &[Vec<f64>],
        losses: &[f64],
        sample: &[usize],
        choices: &[Option<usize>],
        stream: &mut DrawStream,
    ) -> Self {
        let ranges = choices
            .iter()
            .map(|count| {
                count.map_or(PartRange::Interval(0.0, 1.0), |count| PartRange::Choices(vec![true; count]))
            })
            .collect();
        let mut open: Vec<(Vec<usize>, Vec<PartRange>)> = vec![(sample.to_vec(), ranges)];
        let mut parts = Vec::new();
        while let Some((rows, ranges)) = open.pop() {
            let Some(split) = best_split(points, losses, &rows, choices, stream) else {
                let value = rows.iter().map(|row| losses[*row]).sum::<f64>() / rows.len() as f64;
                let weight = ranges.iter().map(PartRange::size).product();
                parts.push(SpacePart { ranges, value, weight });
                continue;
            };
            let (mut left, mut right) = (ranges.clone(), ranges);
            match (&mut left[split.place], &mut right[split.place]) {
                (PartRange::Interval(_, high), PartRange::Interval(low, _)) => {
                    *high = split.threshold;
                    *low = split.threshold;
                }
                (PartRange::Choices(only), PartRange::Choices(others)) => {
                    let choice = index(split.threshold);
                    for (place, flag) in only.iter_mut().enumerate() {
                        *flag = place == choice;
                    }
                    others[choice] = false;
                }
                _ => {}
            }
            let categorical = choices[split.place].is_some();
            let is_left = |row: &usize| {
                let x = points[*row][split.place];
                if categorical { x == split.threshold } else { x <= split.threshold }
            };
            let (left_rows, right_rows): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(is_left);
            open.push((left_rows, left));
            open.push((right_rows, right));
        }
        Self { parts }
    }

    /// Variance of the predictions over the space.
    pub fn variance(&self) -> f64 {
        weighted_variance(self.parts.iter().map(|part| (part.value, part.weight)))
    }

    /// Variance over one parameter of the mean prediction over all others.
    pub fn marginal_variance(&self, place: usize) -> f64 {
        let mut bounds: Vec<f64> = Vec::new();
        let mut count = 0;
        for part in &self.parts {
            match &part.ranges[place] {
                PartRange::Interval(low, high) => bounds.extend([*low, *high]),
                PartRange::Choices(flags) => count = flags.len(),
            }
        }
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        let cells = if count > 0 { count } else { bounds.len().saturating_sub(1) };
        // Sum of the values of a cell, each by the share that its part has of the other parameters.
        let mut sums = vec![0.0; cells];
        for part in &self.parts {
            let share = part.weight / part.ranges[place].size();
            match &part.ranges[place] {
                PartRange::Interval(low, high) => {
                    let start = bounds.partition_point(|bound| bound < low);
                    let end = bounds.partition_point(|bound| bound < high);
                    sums[start..end].iter_mut().for_each(|sum| *sum += share * part.value);
                }
                PartRange::Choices(flags) => {
                    for (sum, _) in sums.iter_mut().zip(flags).filter(|(_, flag)| **flag) {
                        *sum += share * part.value;
                    }
                }
            }
        }
        let size = |cell: usize| if count > 0 { 1.0 / count as f64 } else { bounds[cell + 1] - bounds[cell] };
        weighted_variance(sums.iter().enumerate().map(|(cell, value)| (*value, size(cell))))
    }
}

/// Variance of values with weights.
fn weighted_variance(values: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let total: f64 = values.clone().map(|(_, weight)| weight).sum();
    if !(total > 0.0) {
        return 0.0;
    }
    let mean = values.clone().map(|(value, weight)| value * weight).sum::<f64>() / total;
    values.map(|(value, weight)| weight * (value - mean).powi(2)).sum::<f64>() / total
}

/// Split with the largest reduction of the squared error; `None` for rows that are alike. The first parameter to be
/// tried is drawn, which decides between equal gains.
fn best_split(
    points: &[Vec<f64>],
    losses: &[f64],
    rows: &[usize],
    choices: &[Option<usize>],
    stream: &mut DrawStream,
) -> Option<NodeSplit> {
    let first = *rows.first()?;
    if choices.is_empty() || rows.iter().all(|row| losses[*row] == losses[first]) {
        return None;
    }
    let mean = rows.iter().map(|row| losses[*row]).sum::<f64>() / rows.len() as f64;
    let shift = stream.below(choices.len());
    let mut best: Option<NodeSplit> = None;
    for turn in 0..choices.len() {
        let place = (turn + shift) % choices.len();
        let found = match choices[place] {
            Some(count) => split_choices(points, losses, rows, place, count, mean),
            None => split_numbers(points, losses, rows, place, mean),
        };
        if let Some(found) = found
            && best.as_ref().is_none_or(|best| found.gain > best.gain)
        {
            best = Some(found);
        }
    }
    best
}

/// Reduction of the squared error by a split, from the sum of deviations from the mean on the left.
fn gain(sum: f64, left: usize, all: usize) -> f64 {
    sum * sum / left as f64 + sum * sum / (all - left) as f64
}

fn split_numbers(
    points: &[Vec<f64>],
    losses: &[f64],
    rows: &[usize],
    place: usize,
    mean: f64,
) -> Option<NodeSplit> {
    let mut ordered: Vec<(f64, f64)> =
        rows.iter().map(|row| (points[*row][place], losses[*row] - mean)).collect();
    ordered.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut best: Option<NodeSplit> = None;
    let mut sum = 0.0;
    for (before, pair) in ordered.windows(2).enumerate() {
        sum += pair[0].1;
        let threshold = f64::midpoint(pair[0].0, pair[1].0);
        if pair[0].0 < pair[1].0 && threshold < pair[1].0 {
            let gain = gain(sum, before + 1, ordered.len());
            if best.as_ref().is_none_or(|best| gain > best.gain) {
                best = Some(NodeSplit { place, threshold, gain });
            }
        }
    }
    best
}

fn split_choices(
    points: &[Vec<f64>],
    losses: &[f64],
    rows: &[usize],
    place: usize,
    count: usize,
    mean: f64,
) -> Option<NodeSplit> {
    let mut sums = vec![(0.0, 0_usize); count];
    for row in rows {
        let entry = &mut sums[index(points[*row][place]).min(count - 1)];
        entry.0 += losses[*row] - mean;
        entry.1 += 1;
    }
    let mut best: Option<NodeSplit> = None;
    for (choice, (sum, size)) in sums.into_iter().enumerate() {
        if size > 0 && size < rows.len() {
            let gain = gain(sum, size, rows.len());
            if best.as_ref().is_none_or(|best| gain > best.gain) {
                best = Some(NodeSplit { place, threshold: choice as f64, gain });
            }
        }
    }
    best
}
