//! Columns take their places in an example, and trees compare the numbers that stand there.
//!
//! An example has 32-bit floats. A library that compares 64-bit floats tells more numbers apart, so such a number
//! becomes its rank among all thresholds of its column: trees only ask on which side of a threshold it is.

use cupola_trees::{EnsembleOutput, FlatNode, FlatTree, SplitRule, TreeEnsemble};

use super::foreign::{FeatureKind, ForeignFeature, ForeignModel, ForeignNode, ForeignTest, ForeignTree};
use crate::error::Error;

/// Magnitude up to which `LightGBM` takes a number for a zero (`kZeroThreshold`, a 32-bit float). The negative one is
/// none.
const ZERO: f64 = 1e-35_f32 as f64;
/// Ranks that a 32-bit float holds.
const MOST_STEPS: usize = 1 << 24;

/// Place of a column in an example, and the steps of its numbers.
pub(super) struct Place {
    pub column: usize,
    /// Thresholds in ascending order; `None` if the column is compared as it is.
    pub steps: Option<Vec<f64>>,
    /// Index of missing and unknown values of a category.
    other: Option<usize>,
}

/// Places of all columns: numbers, then categories.
pub(super) fn places(model: &ForeignModel) -> Result<Vec<Place>, Error> {
    let is_category = |feature: &ForeignFeature| matches!(feature.kind, FeatureKind::Category(_));
    let numbers = model.features.iter().filter(|feature| !is_category(feature)).count();
    let (mut next_number, mut next_category) = (0, numbers);
    let mut places: Vec<Place> = Vec::with_capacity(model.features.len());
    for feature in &model.features {
        let next = if is_category(feature) { &mut next_category } else { &mut next_number };
        let steps = matches!(feature.kind, FeatureKind::Double).then(Vec::new);
        let other = match &feature.kind {
            FeatureKind::Category(values) => Some(values.len()),
            FeatureKind::Single | FeatureKind::Double => None,
        };
        places.push(Place { column: *next, steps, other });
        *next += 1;
    }
    for node in model.trees.iter().flat_map(|tree| &tree.nodes) {
        let ForeignNode::Split { feature, test, .. } = node else { continue };
        let place = places.get_mut(*feature).ok_or_else(|| unknown_column(model, *feature))?;
        match (test, &mut place.steps) {
            (ForeignTest::Below(threshold), Some(steps)) => steps.push(*threshold),
            (ForeignTest::BelowWithoutZero(threshold), Some(steps)) => {
                steps.extend([*threshold, (-ZERO).next_up(), ZERO.next_up()]);
            }
            // Categories that are numbers are compared as they are.
            (ForeignTest::Among(_), steps) => *steps = None,
            (ForeignTest::Below(_) | ForeignTest::BelowWithoutZero(_), None) => {}
        }
    }
    for (place, feature) in places.iter_mut().zip(&model.features) {
        let Some(steps) = &mut place.steps else { continue };
        // A number is always below infinity.
        steps.retain(|step| step.is_finite());
        steps.sort_by(f64::total_cmp);
        steps.dedup();
        if steps.len() > MOST_STEPS {
            return Err(Error::Unsupported {
                what: format!("more than {MOST_STEPS} thresholds of `{}`", feature.name),
            });
        }
    }
    Ok(places)
}

/// Error of a split on a column that is not there.
fn unknown_column(model: &ForeignModel, feature: usize) -> Error {
    let why = format!("a split is on column {feature} of {}", model.features.len());
    Error::invalid_file(model.library, why, "restore the file from its source")
}

/// Trees whose columns have their places.
pub(super) fn ensemble(model: &ForeignModel, places: &[Place]) -> Result<TreeEnsemble, Error> {
    let trees = model.trees.iter().map(|tree| flat_tree(model, tree, places)).collect::<Result<_, _>>()?;
    let outputs = model.bases.iter().map(|&base| EnsembleOutput { base, score: model.score }).collect();
    Ok(TreeEnsemble::new(places.len(), outputs, trees)?)
}

fn flat_tree(model: &ForeignModel, tree: &ForeignTree, places: &[Place]) -> Result<FlatTree, Error> {
    let mut sets = Vec::new();
    let index = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut nodes = Vec::with_capacity(tree.nodes.len());
    for node in &tree.nodes {
        nodes.push(match node {
            ForeignNode::Leaf { value, cover } => FlatNode::Leaf { value: *value, cover: *cover },
            ForeignNode::Split { feature, test, left, right, missing_left, cover } => {
                let place = places.get(*feature).ok_or_else(|| unknown_column(model, *feature))?;
                FlatNode::Split {
                    feature: index(place.column),
                    rule: rule(test, place, *missing_left, &mut sets),
                    left: index(*left),
                    right: index(*right),
                    missing_left: *missing_left,
                    cover: *cover,
                }
            }
        });
    }
    Ok(FlatTree::new(tree.output, nodes, sets)?)
}

/// Rule on the number that stands in the example.
fn rule(test: &ForeignTest, place: &Place, missing_left: bool, sets: &mut Vec<u32>) -> SplitRule {
    match (test, &place.steps) {
        (ForeignTest::Among(words), _) => {
            let mut words = words.clone();
            if let Some(other) = place.other.filter(|_| missing_left) {
                add_bit(&mut words, other);
            }
            within(&words, sets)
        }
        (ForeignTest::BelowWithoutZero(threshold), Some(steps))
            if zeros(steps).any(|rank| (rank < ranks_below(steps, *threshold)) != missing_left) =>
        {
            // Zeros have ranks of their own, and go to the other side than their neighbours.
            let (end, zeros) = (ranks_below(steps, *threshold), zeros(steps));
            let goes_left = |rank: &usize| if zeros.contains(rank) { missing_left } else { *rank < end };
            within(&bits((0..=steps.len()).filter(goes_left)), sets)
        }
        (ForeignTest::Below(threshold) | ForeignTest::BelowWithoutZero(threshold), Some(steps)) => {
            #[allow(clippy::cast_precision_loss, reason = "at most 2^24 steps")]
            let end = ranks_below(steps, *threshold) as f32;
            SplitRule::Below(end)
        }
        (ForeignTest::Below(threshold) | ForeignTest::BelowWithoutZero(threshold), None) =>
        {
            #[allow(clippy::cast_possible_truncation, reason = "it is a 32-bit float")]
            SplitRule::Below(*threshold as f32)
        }
    }
}

/// Number of ranks whose numbers are below a threshold.
fn ranks_below(steps: &[f64], threshold: f64) -> usize {
    steps.partition_point(|step| *step < threshold) + 1
}

/// Ranks of zeros.
fn zeros(steps: &[f64]) -> std::ops::Range<usize> {
    let rank = |number: f64| steps.partition_point(|step| *step <= number);
    rank((-ZERO).next_up())..rank(ZERO) + 1
}

/// Bits of some numbers.
fn bits(numbers: impl Iterator<Item = usize>) -> Vec<u32> {
    let mut words = Vec::new();
    numbers.for_each(|number| add_bit(&mut words, number));
    words
}

fn add_bit(words: &mut Vec<u32>, number: usize) {
    if words.len() <= number / 32 {
        words.resize(number / 32 + 1, 0);
    }
    words[number / 32] |= 1 << (number % 32);
}

fn within(words: &[u32], sets: &mut Vec<u32>) -> SplitRule {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let start = number(sets.len());
    sets.extend_from_slice(words);
    SplitRule::Within { start, words: number(words.len()) }
}
