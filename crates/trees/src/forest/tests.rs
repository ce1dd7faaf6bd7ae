//! Tests of growing forests.

use std::ops::ControlFlow;

use cupola_eval::TreeNode;
use cupola_prep::Layout;
use cupola_spec::{Block, TreesSpec};

use super::*;
use crate::{Trees, TreesRows};

/// Two numbers, of which the second is missing in every seventh row. The class is 1 if their sum is above 1 or the second
/// is missing, the numeric target is their difference.
fn examples(rows: usize) -> (Examples, Vec<i32>, Vec<f32>) {
    let blocks = vec![Block::Table { numbers: 2, encoded: 0, indices: Vec::new() }];
    let mut examples = Examples::zeros(Layout { blocks }, rows);
    let (mut classes, mut numbers) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let (x, y) = ((row as f32 * 0.618_034).fract(), (row as f32 * 0.414_214).fract());
        let missing = row % 7 == 0;
        examples.dense[2 * row] = x;
        examples.dense[2 * row + 1] = if missing { f32::NAN } else { y };
        classes.push(i32::from(x + y > 1.0 || missing));
        numbers.push(if missing { -2.0 } else { x - y });
    }
    (examples, classes, numbers)
}

fn spec() -> Bagging {
    Bagging { trees: 20, leaf: 1, depth: None, features: None }
}

fn forest(spec: Bagging, examples: &Examples, targets: &[(&Targets, usize)], seed: u64) -> Trees {
    let targets: Vec<TreesTarget<'_>> = targets.iter().map(|own| (*own).into()).collect();
    let rows = TreesRows { train: examples, valid: None, monotone: &[] };
    let spec = TreesSpec::Forest(spec);
    Trees::fit(&spec, rows, &targets, seed, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// Three classes by a number.
fn three(numbers: &[f32]) -> Targets {
    Targets::Class(numbers.iter().map(|y| i32::from(*y > -0.3) + i32::from(*y > 0.3)).collect())
}

#[test]
fn classes_and_numbers_are_learned_and_probabilities_sum_to_one() {
    let (examples, classes, numbers) = examples(900);
    let targets =
        [(&Targets::Class(classes), 1), (&Targets::Number(numbers.clone()), 1), (&three(&numbers), 3)];
    let forest = forest(spec(), &examples, &targets, 3);
    assert_eq!((forest.width(), forest.trees()), (5, 100));
    // Rows that no tree has seen.
    let (fresh, classes, numbers) = self::examples(1_400);
    let logits = forest.logits(&fresh).unwrap();
    let unseen = || logits.chunks(5).zip(&classes).zip(&numbers).skip(900);
    let right = unseen().filter(|((row, class), _)| (row[0] > 0.0) == (**class == 1)).count();
    assert!(right > 480, "{right} of 500");
    let off = unseen().map(|((row, _), y)| (row[1] - y).powi(2)).sum::<f32>() / 500.0;
    assert!(off < 0.01, "{off}");
    let best = |row: &[f32]| (0..3).max_by(|a, b| row[2 + a].total_cmp(&row[2 + b])).unwrap();
    let right =
        unseen().filter(|((row, _), y)| best(row) == usize::from(**y > -0.3) + usize::from(**y > 0.3));
    assert!(right.count() > 470);
    for row in logits.chunks(5) {
        let sum: f32 = row[2..].iter().map(|x| x.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-4, "the three shares sum to {sum}");
    }
}

#[test]
fn the_same_seed_grows_the_same_forest_on_any_number_of_threads() {
    let (examples, _, numbers) = examples(300);
    let targets = three(&numbers);
    let fit = |seed| forest(spec(), &examples, &[(&targets, 3)], seed);
    let first = fit(7);
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(alone.install(|| fit(7)), first);
    assert_ne!(fit(8), first);
    let again = Trees::from_safetensors(&first.to_safetensors().unwrap()).unwrap();
    assert_eq!(again, first);
}

#[test]
fn shares_of_features_sum_to_the_score_and_covers_are_counts_of_rows() {
    let (examples, classes, numbers) = examples(300);
    let spec = Bagging { leaf: 3, ..spec() };
    let targets =
        [(&Targets::Class(classes), 1), (&Targets::Number(numbers.clone()), 1), (&three(&numbers), 3)];
    let forest = forest(spec, &examples, &targets, 3);
    let (logits, plain) = (forest.logits(&examples).unwrap(), forest.plain_outputs().unwrap());
    for (features, logits) in forest.features(&examples).unwrap().iter().zip(logits.chunks(5)).take(40) {
        for (output, logit) in plain.iter().zip(logits) {
            let score = output.trees.score(features);
            assert!((output.score.logit(score) - f64::from(*logit)).abs() < 1e-5);
            let shares = output.trees.shapley(features, 2, &mut || true).unwrap();
            let sum = output.trees.expected() + shares.iter().sum::<f64>();
            assert!((sum - score).abs() < 1e-9);
        }
    }
    for tree in plain.iter().flat_map(|output| &output.trees.trees) {
        assert!((tree.nodes()[0].cover() - 300.0).abs() < 1e-9, "a tree has as many rows as the table");
        let leaves = tree.nodes().iter().filter(|node| matches!(node, TreeNode::Leaf { .. }));
        let covers: Vec<f64> = leaves.map(TreeNode::cover).collect();
        assert!(
            (covers.iter().sum::<f64>() - 300.0).abs() < 1e-9 && covers.iter().all(|cover| *cover >= 3.0)
        );
    }
}

#[test]
fn a_tree_of_all_rows_has_their_mean_and_stops_at_its_depth() {
    let (examples, _, numbers) = examples(200);
    let spec = Bagging { trees: 1, depth: Some(2), ..spec() };
    let forest = forest(spec, &examples, &[(&Targets::Number(numbers.clone()), 1)], 3);
    let plain = forest.plain_outputs().unwrap();
    assert_eq!(plain[0].trees.trees[0].depth(), 2);
    // The rows that this tree has drawn.
    let mut draws = TreeDraws::new(3, [0, 0]);
    let drawn: f64 = (0..200).map(|_| f64::from(numbers[draws.below(200)])).sum();
    assert!((plain[0].trees.expected() - drawn / 200.0).abs() < 1e-6);
}

#[test]
fn splits_are_the_best_of_all() {
    let (examples, _, numbers) = examples(60);
    let table = ranked(&examples);
    let samples: Vec<split::Sample> = (0..)
        .zip(&numbers)
        .map(|(row, y)| split::Sample { row, weight: 1 + row % 3, value: f64::from(*y) })
        .collect();
    let kind = TargetKind::Number;
    let score = |side: &[&split::Sample]| {
        let weight: f64 = side.iter().map(|sample| f64::from(sample.weight)).sum();
        let sum: f64 = side.iter().map(|sample| f64::from(sample.weight) * sample.value).sum();
        sum * sum / weight
    };
    let gain = |goes_left: &dyn Fn(u16) -> bool, column: usize| {
        let rank = |sample: &&split::Sample| goes_left(table[column].ranks[sample.row as usize]);
        let (left, right): (Vec<_>, Vec<_>) = samples.iter().partition(rank);
        if left.is_empty() || right.is_empty() { f64::MIN } else { score(&left) + score(&right) }
    };
    for (column, ranked) in table.iter().enumerate() {
        let mut finder = split::SplitFinder::new(kind, 1);
        let mut best = None;
        assert!(finder.improve((column, ranked), &samples, &kind.side(&samples), &mut best));
        let found = best.unwrap();
        let mut most = f64::MIN;
        for low in 0..60 {
            for missing_left in [false, true] {
                let goes_left = |rank| if rank == ranks::MISSING { missing_left } else { rank <= low };
                most = most.max(gain(&goes_left, column));
            }
        }
        assert!((gain(&|rank| found.goes_left(rank), column) - most).abs() < 1e-9, "column {column}");
    }
}

#[test]
fn a_break_stops_and_no_rows_are_an_error() {
    let (examples, _, numbers) = examples(60);
    let targets = Targets::Number(numbers);
    let rows = TreesRows { train: &examples, valid: None, monotone: &[] };
    let fit =
        |rows, spec| {
            Trees::fit(&TreesSpec::Forest(spec), rows, &[(&targets, 1).into()], 1, &mut |_| {
                ControlFlow::Break(())
            })
        };
    assert!(matches!(fit(rows, Bagging { trees: 5_000, ..spec() }), Err(Error::Stopped)));
    let (none, _, _) = self::examples(0);
    assert!(matches!(
        fit(TreesRows { train: &none, valid: None, monotone: &[] }, spec()),
        Err(Error::Fit { .. })
    ));
}
