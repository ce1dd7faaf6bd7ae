//! Tests of fitting forests and of their file.

use cupola_prep::Layout;
use cupola_spec::Block;

use super::*;

/// Two numbers. The class is 1 if their sum is above 1, the numeric target is their difference.
fn examples(rows: usize) -> (Examples, Vec<i32>, Vec<f32>) {
    let blocks = vec![Block::Table { numbers: 2, encoded: 0, indices: Vec::new() }];
    let mut examples = Examples::zeros(Layout { blocks }, rows);
    let (mut classes, mut numbers) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let (x, y) = ((row as f32 * 0.618_034).fract(), (row as f32 * 0.414_214).fract());
        examples.dense[2 * row] = x;
        examples.dense[2 * row + 1] = y;
        classes.push(i32::from(x + y > 1.0));
        numbers.push(x - y);
    }
    (examples, classes, numbers)
}

fn spec() -> Bagging {
    Bagging { trees: 20, leaf: 2, depth: None, features: None }
}

#[test]
fn classes_and_numbers_are_learned_and_probabilities_sum_to_one() {
    let (examples, classes, numbers) = examples(900);
    let three: Vec<i32> = numbers.iter().map(|y| i32::from(*y > -0.3) + i32::from(*y > 0.3)).collect();
    let targets = [
        (&Targets::Class(classes.clone()), 1),
        (&Targets::Number(numbers.clone()), 1),
        (&Targets::Class(three), 3),
    ];
    let forest = Forest::fit(&spec(), &examples, &targets, 3, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((forest.width(), forest.trees()), (5, 100));
    let logits = forest.logits(&examples).unwrap();
    let right = logits.chunks(5).zip(&classes).filter(|(row, class)| (row[0] > 0.0) == (**class == 1));
    assert!(right.count() > 860);
    let off = logits.chunks(5).zip(&numbers).map(|(row, y)| (row[1] - y).powi(2)).sum::<f32>() / 900.0;
    assert!(off < 0.01, "{off}");
    for row in logits.chunks(5) {
        let sum: f32 = row[2..].iter().map(|x| x.exp()).sum();
        // The three forests are independent; softmax normalises their probabilities.
        assert!((sum - 1.0).abs() < 0.25, "the three shares sum to {sum}");
    }
}

#[test]
fn the_same_seed_fits_the_same_forest_and_its_file_keeps_the_predictions() {
    let (examples, classes, _) = examples(300);
    let targets = Targets::Class(classes);
    let fit = |seed| {
        Forest::fit(&spec(), &examples, &[(&targets, 1)], seed, &mut |_| ControlFlow::Continue(())).unwrap()
    };
    let forest = fit(7);
    let logits = forest.logits(&examples).unwrap();
    assert_eq!(fit(7).logits(&examples).unwrap(), logits);
    assert_ne!(fit(8).logits(&examples).unwrap(), logits);
    let bytes = crate::Trees::Forest(forest).to_safetensors().unwrap();
    let again = crate::Trees::from_safetensors(&bytes).unwrap();
    assert_eq!(again.logits(&examples).unwrap(), logits);
    for cut in [0, 7, bytes.len() / 2, bytes.len() - 1] {
        assert!(crate::Trees::from_safetensors(&bytes[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn plain_trees_sum_to_the_predictions_and_their_covers_are_counts_of_rows() {
    let (examples, classes, numbers) = examples(300);
    let targets = [(&Targets::Class(classes), 1), (&Targets::Number(numbers), 1)];
    let forest = crate::Trees::Forest(
        Forest::fit(&spec(), &examples, &targets, 3, &mut |_| ControlFlow::Continue(())).unwrap(),
    );
    let (logits, plain) = (forest.logits(&examples).unwrap(), forest.plain_outputs().unwrap());
    assert_eq!(plain.iter().map(|output| output.trees.trees.len()).sum::<usize>(), forest.trees());
    for (features, logits) in forest.features(&examples).unwrap().iter().zip(logits.chunks(2)) {
        let probability = plain[0].trees.score(features);
        assert!((logit(probability, true, false) - f64::from(logits[0])).abs() < 1e-5);
        assert!((plain[1].trees.score(features) - f64::from(logits[1])).abs() < 1e-6);
        let shares = plain[1].trees.shapley(features, 2, &mut || true).unwrap();
        let sum = plain[1].trees.expected() + shares.iter().sum::<f64>();
        assert!((sum - plain[1].trees.score(features)).abs() < 1e-9);
    }
    // smartcore also splits nodes of a single class, of whose rows nothing is known and on which nothing depends.
    let trees = plain
        .iter()
        .zip([0.0, 2.0])
        .flat_map(|(output, least)| output.trees.trees.iter().map(move |tree| (tree, least)));
    for (tree, smallest) in trees {
        let nodes = tree.nodes();
        assert!((nodes[0].cover() - 300.0).abs() < 1e-9, "a tree has as many rows as the table");
        let leaves = nodes.iter().filter(|node| matches!(node, cupola_eval::TreeNode::Leaf { .. }));
        let covers: Vec<f64> = leaves.map(cupola_eval::TreeNode::cover).collect();
        let (least, sum) = (covers.iter().copied().fold(f64::MAX, f64::min), covers.iter().sum::<f64>());
        assert!((sum - 300.0).abs() < 1e-9 && least >= smallest, "leaves of {least} rows, {sum} in all");
    }
}

#[test]
fn the_mean_of_a_plain_tree_is_the_mean_of_its_rows() {
    let (examples, _, numbers) = examples(200);
    let spec = Bagging { trees: 1, leaf: 3, depth: None, features: Some(1.0) };
    let forest = Forest::fit(&spec, &examples, &[(&Targets::Number(numbers), 1)], 3, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap();
    let root = tree_root(&forest);
    let plain = crate::Trees::Forest(forest).plain_outputs().unwrap();
    assert!((plain[0].trees.expected() - root).abs() < 1e-9, "the mean of the root is kept in its output");
}

/// Output of the first tree's root, the mean of its rows.
fn tree_root(forest: &Forest) -> f64 {
    let json = serde_json::to_value(forest).unwrap();
    json["outputs"][0]["groups"][0]["forest"]["forest_regressor"]["trees"][0]["nodes"][0]["output"]
        .as_f64()
        .unwrap()
}

#[test]
fn growing_ends_where_progress_breaks() {
    let (examples, classes, _) = examples(120);
    let mut groups = 0;
    let spec = Bagging { trees: 100 * GROUP_SIZE, ..spec() };
    let found = Forest::fit(&spec, &examples, &[(&Targets::Class(classes), 1)], 3, &mut |done| {
        groups += 1;
        assert_eq!(done, 0);
        if groups == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(found, Err(Error::Stopped)));
    assert_eq!(groups, 2);
}
