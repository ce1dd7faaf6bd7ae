//! Growth of one tree (Breiman 2001): on rows drawn with replacement, each split among a few random columns.

use super::criterion::{Side, TargetKind};
use super::ranks::RankedColumn;
use super::split::{Sample, Split, SplitFinder};

/// Settings of a tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct GrowSettings {
    pub kind: TargetKind,
    /// Columns that each split considers.
    pub columns: usize,
    /// Smallest number of rows in a leaf.
    pub leaf: usize,
    /// Largest number of splits on a path.
    pub depth: usize,
}

/// Node of a grown tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum GrownNode {
    Split {
        column: usize,
        threshold: f32,
        left: usize,
        right: usize,
        missing_left: bool,
        weight: f64,
    },
    /// Mean of the numbers, or the share of each class.
    Leaf {
        values: Vec<f64>,
        weight: f64,
    },
}

/// Grows a tree; the nodes come before their children.
pub(super) fn grow(
    table: &[RankedColumn],
    values: &[f64],
    settings: &GrowSettings,
    draws: &mut TreeDraws,
) -> Vec<GrownNode> {
    let mut samples = bootstrap(values, draws);
    let mut finder = SplitFinder::new(settings.kind, settings.leaf);
    let mut order: Vec<usize> = (0..table.len()).collect();
    let mut nodes = vec![leaf(&settings.kind.side(&samples))];
    let mut open = vec![(0, 0..samples.len(), 0)];
    while let Some((at, range, depth)) = open.pop() {
        let own = &mut samples[range.clone()];
        let side = settings.kind.side(own);
        let may_split = own.len() >= 2 * settings.leaf && depth < settings.depth && !is_pure(own);
        let split = if may_split {
            best_split(table, own, &side, settings, (&mut finder, &mut order, draws))
        } else {
            None
        };
        let Some(split) = split else {
            nodes[at] = leaf(&side);
            continue;
        };
        let column = &table[split.column];
        let middle = partition(own, |sample| split.goes_left(column.ranks[sample.row as usize]));
        let left = nodes.len();
        nodes.resize(left + 2, GrownNode::Leaf { values: Vec::new(), weight: 0.0 });
        nodes[at] = GrownNode::Split {
            column: split.column,
            threshold: column.threshold(split.low, split.high),
            left,
            right: left + 1,
            missing_left: split.missing_left,
            weight: side.weight,
        };
        let middle = range.start + middle;
        open.push((left + 1, middle..range.end, depth + 1));
        open.push((left, range.start..middle, depth + 1));
    }
    nodes
}

/// Number of times that each row is drawn for a tree, which are its first draws.
pub(super) fn drawn_rows(rows: usize, draws: &mut TreeDraws) -> Vec<u32> {
    let mut counts = vec![0_u32; rows];
    for _ in 0..rows {
        counts[draws.below(rows)] += 1;
    }
    counts
}

/// Rows that are drawn, with the number of times.
fn bootstrap(values: &[f64], draws: &mut TreeDraws) -> Vec<Sample> {
    let counts = drawn_rows(values.len(), draws);
    let each = (0..).zip(counts).zip(values).filter(|((_, weight), _)| *weight > 0);
    each.map(|((row, weight), value)| Sample { row, weight, value: *value }).collect()
}

/// Best split among random columns: as many as the settings say, and more until one has several values, as
/// scikit-learn does.
fn best_split(
    table: &[RankedColumn],
    samples: &[Sample],
    side: &Side,
    settings: &GrowSettings,
    (finder, order, draws): (&mut SplitFinder, &mut [usize], &mut TreeDraws),
) -> Option<Split> {
    let (mut best, mut several) = (None, false);
    for seen in 0..order.len() {
        if seen >= settings.columns && several {
            break;
        }
        order.swap(seen, seen + draws.below(order.len() - seen));
        let index = order[seen];
        several |= finder.improve((index, &table[index]), samples, side, &mut best);
    }
    best
}

fn is_pure(samples: &[Sample]) -> bool {
    samples.iter().all(|sample| sample.value.total_cmp(&samples[0].value).is_eq())
}

/// Moves the samples that go left to the front, and returns their number.
fn partition(samples: &mut [Sample], goes_left: impl Fn(&Sample) -> bool) -> usize {
    let mut middle = 0;
    for at in 0..samples.len() {
        if goes_left(&samples[at]) {
            samples.swap(at, middle);
            middle += 1;
        }
    }
    middle
}

fn leaf(side: &Side) -> GrownNode {
    let sums = if side.classes.is_empty() { std::slice::from_ref(&side.sum) } else { &side.classes };
    GrownNode::Leaf { values: sums.iter().map(|sum| sum / side.weight).collect(), weight: side.weight }
}

/// Random numbers of one tree: `SplitMix64` (Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct TreeDraws(u64);

impl TreeDraws {
    /// Numbers of a tree, which its output and its index name.
    pub fn new(seed: u64, names: [u64; 2]) -> Self {
        names.into_iter().fold(Self(seed), |mut draws, name| Self(draws.next() ^ name))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Number below `end` (Lemire 2019, without rejection: the bias is below 2^-32).
    #[allow(clippy::cast_possible_truncation, reason = "below `end`")]
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}
