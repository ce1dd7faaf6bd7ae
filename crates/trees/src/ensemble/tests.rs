//! Tests of prediction, of the file and of explanations.

use cupola_prep::Layout;
use cupola_spec::Block;

use super::*;

/// A number and a category of 40 values: a numeric split over a split by a set, and a second output of one leaf.
fn ensemble() -> TreeEnsemble {
    let split = |feature, rule, left, right, missing_left, cover| FlatNode::Split {
        feature,
        rule,
        left,
        right,
        missing_left,
        cover,
    };
    let leaf = |value, cover| FlatNode::Leaf { value, cover };
    let nodes = vec![
        split(0, SplitRule::Below(0.5), 1, 2, true, 10.0),
        split(1, SplitRule::Within { start: 1, words: 2 }, 3, 4, false, 6.0),
        leaf(0.25, 4.0),
        leaf(-1.5, 2.0),
        leaf(3.0, 4.0),
    ];
    let tree = FlatTree::new(0, nodes, vec![u32::MAX, 0b10, 0b1000_0001]).unwrap();
    let second = FlatTree::new(1, vec![leaf(1.0, 10.0)], Vec::new()).unwrap();
    let output = |base, score| EnsembleOutput { base, score };
    let outputs = vec![output(0.5, TreeScore::Number), output(-0.5, TreeScore::LogOdds)];
    TreeEnsemble::new(2, outputs, vec![tree, second]).unwrap()
}

fn examples(rows: &[(f32, i32)]) -> Examples {
    let blocks = vec![Block::Table { numbers: 1, encoded: 0, indices: vec![40] }];
    let mut examples = Examples::zeros(Layout { blocks }, rows.len());
    examples.dense = rows.iter().map(|row| row.0).collect();
    examples.indices = rows.iter().map(|row| row.1).collect();
    examples
}

#[test]
fn rows_follow_thresholds_sets_and_the_branch_of_missing_values() {
    let rows = [(0.5, 1), (0.4, 1), (f32::NAN, 0), (0.0, 32), (0.0, 39), (0.0, 38), (0.0, -1), (0.0, 900)];
    let logits = ensemble().logits(&examples(&rows)).unwrap();
    let expected = [0.75, -1.0, 3.5, -1.0, -1.0, 3.5, 3.5, 3.5];
    for ((row, logits), expected) in rows.iter().zip(logits.chunks(2)).zip(expected) {
        assert_eq!(logits, [expected, 0.5], "{row:?}");
    }
    let many: Vec<(f32, i32)> = rows.iter().copied().cycle().take(1_000).collect();
    let parallel = ensemble().logits(&examples(&many)).unwrap();
    assert!(parallel.iter().eq(logits.iter().cycle().take(2_000)));
}

#[test]
fn a_file_holds_the_ensemble_and_damaged_ones_are_rejected() {
    let bytes = ensemble().to_safetensors().unwrap();
    assert_eq!(TreeEnsemble::from_safetensors(&bytes).unwrap(), ensemble());
    for cut in [0, 7, bytes.len() / 2, bytes.len() - 1] {
        assert!(TreeEnsemble::from_safetensors(&bytes[..cut]).is_err(), "{cut}");
    }
    // No damage of a byte may panic, whether it is found or only changes a number.
    let rows = examples(&[(0.1, 3), (f32::NAN, 39)]);
    for at in 0..bytes.len() {
        for flip in [1, 0x80] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            if let Ok(trees) = TreeEnsemble::from_safetensors(&damaged) {
                drop(trees.logits(&rows));
                drop(trees.plain_outputs());
            }
        }
    }
}

#[test]
fn plain_trees_sum_to_the_scores() {
    let trees = ensemble();
    let rows = [(0.5, 1), (0.4, 1), (f32::NAN, 0), (0.0, 32), (0.0, 39), (0.0, 38)];
    let examples = examples(&rows);
    let (logits, plain) = (trees.logits(&examples).unwrap(), trees.plain_outputs().unwrap());
    for (features, logits) in rows_of(&examples, 0, rows.len()).chunks(2).zip(logits.chunks(2)) {
        let features: Vec<f64> = features.iter().copied().map(f64::from).collect();
        for (output, logit) in plain.iter().zip(logits) {
            let shares = output.trees.shapley(&features, 2, &mut || true).unwrap();
            let sum = output.trees.expected() + shares.iter().sum::<f64>();
            assert!((sum - f64::from(*logit)).abs() < 1e-6, "{sum}, logit {logit}");
        }
    }
}

#[test]
fn only_trees_are_accepted() {
    let leaf = FlatNode::Leaf { value: 1.0, cover: 1.0 };
    let split = |feature, left, right| FlatNode::Split {
        feature,
        rule: SplitRule::Below(0.0),
        left,
        right,
        missing_left: false,
        cover: 1.0,
    };
    for nodes in [
        Vec::new(),
        vec![split(0, 0, 1), leaf],
        vec![split(0, 1, 1), leaf],
        vec![split(0, 1, 7), leaf],
        vec![leaf, leaf],
        vec![split(0, 1, 2), split(0, 2, 3), leaf, leaf],
        vec![FlatNode::Leaf { value: f64::NAN, cover: 1.0 }],
    ] {
        assert!(FlatTree::new(0, nodes.clone(), Vec::new()).is_err(), "{nodes:?}");
    }
    let output = EnsembleOutput { base: 0.0, score: TreeScore::Number };
    let tree =
        |output, feature| FlatTree::new(output, vec![split(feature, 1, 2), leaf, leaf], Vec::new()).unwrap();
    assert!(TreeEnsemble::new(1, vec![output], vec![tree(0, 0)]).is_ok());
    assert!(TreeEnsemble::new(1, vec![output], vec![tree(1, 0)]).is_err());
    assert!(TreeEnsemble::new(1, vec![output], vec![tree(0, 1)]).is_err());
    assert!(TreeEnsemble::new(1, Vec::new(), Vec::new()).is_err());
}

#[test]
fn logits_follow_from_scores() {
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
    close(TreeScore::Margin.logit(3.0), 3.0);
    close(TreeScore::Probability.logit(0.8), (0.8_f64 / 0.2).ln());
    close(TreeScore::ProbabilityOfMany.logit(0.8), 0.8_f64.ln());
    close(TreeScore::LogOddsOfMany.logit(0.0), 0.5_f64.ln());
    assert!(TreeScore::ProbabilityOfMany.logit(0.0).is_finite());
}
