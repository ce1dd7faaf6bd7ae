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
    let forest = Forest::fit(&spec(), &examples, &targets, 3, &mut |_| {}).unwrap();
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
    let fit = |seed| Forest::fit(&spec(), &examples, &[(&targets, 1)], seed, &mut |_| {}).unwrap();
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
