//! Tests of fitting boosted trees and of their file.

use std::ops::ControlFlow;

use cupola_prep::{Layout, Targets};
use cupola_spec::{Block, Boosting};

use super::*;
use crate::Trees;

/// Two numbers and a category. The target is a step of the first number, inverted for one category.
fn examples(rows: usize) -> (Examples, Vec<f32>) {
    let blocks = vec![Block::Table { numbers: 2, encoded: 0, indices: vec![3] }];
    let mut examples = Examples::zeros(Layout { blocks }, rows);
    let mut targets = Vec::new();
    for row in 0..rows {
        let x = (row as f32 * 0.618_034).fract();
        examples.dense[2 * row] = x;
        examples.dense[2 * row + 1] = (row as f32 * 0.414_214).fract();
        examples.indices[row] = i32::try_from(row % 3).unwrap();
        targets.push(if (x > 0.5) == (row % 3 == 1) { 1.0 } else { 0.0 });
    }
    (examples, targets)
}

fn spec() -> Boosting {
    Boosting { budget: 0.5, bins: 64, trees: None }
}

#[test]
fn two_classes_a_number_and_three_classes_are_learned() {
    let (examples, targets) = examples(600);
    #[allow(clippy::cast_possible_truncation)]
    let classes: Vec<i32> = targets.iter().map(|&y| y as i32).collect();
    let fit = |targets: &Targets, width| {
        Boosted::fit(&spec(), &examples, &[(targets, width).into()], 1, &mut |_| ControlFlow::Continue(()))
            .unwrap()
            .logits(&examples)
            .unwrap()
    };
    let binary = fit(&Targets::Class(classes.clone()), 1);
    let right = binary.iter().zip(&classes).filter(|(x, y)| (**x > 0.0) == (**y == 1)).count();
    assert!(right > 590, "{right} of 600");
    let numbers = fit(&Targets::Number(targets.clone()), 1);
    let worst = numbers.iter().zip(&targets).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / 600.0;
    assert!(worst < 0.01, "{worst}");
    let three: Vec<i32> = (0..600).map(|row| row % 3).collect();
    let logits = fit(&Targets::Class(three.clone()), 3);
    let best = |row: &[f32]| (0..3).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
    assert!(logits.chunks(3).zip(&three).all(|(row, &class)| best(row) == usize::try_from(class).unwrap()));
}

#[test]
fn a_file_keeps_the_predictions_and_a_damaged_one_is_rejected() {
    let (examples, targets) = examples(300);
    let trees = Boosted::fit(&spec(), &examples, &[(&Targets::Number(targets), 1).into()], 1, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap();
    let (logits, count) = (trees.logits(&examples).unwrap(), trees.trees());
    let bytes = Trees::Boosted(trees).to_safetensors().unwrap();
    let again = Trees::from_safetensors(&bytes).unwrap();
    assert_eq!(again.logits(&examples).unwrap(), logits);
    assert_eq!(again.trees(), count);
    for cut in [0, 7, bytes.len() / 2, bytes.len() - 1] {
        assert!(Trees::from_safetensors(&bytes[..cut]).is_err(), "{cut}");
    }
    let mut fewer = examples;
    fewer.layout.blocks = vec![Block::Table { numbers: 2, encoded: 0, indices: Vec::new() }];
    fewer.indices.clear();
    assert!(again.logits(&fewer).unwrap_err().to_string().contains("expect 3"));
}

#[test]
fn the_same_seed_fits_the_same_trees() {
    let (examples, targets) = examples(400);
    let fit = || {
        let targets = Targets::Number(targets.clone());
        Boosted::fit(&spec(), &examples, &[(&targets, 1).into()], 7, &mut |_| ControlFlow::Continue(()))
            .unwrap()
            .logits(&examples)
            .unwrap()
    };
    assert_eq!(fit(), fit());
}

#[test]
fn predictions_of_small_tables_stay_near_the_targets() {
    let spec = Boosting { budget: 1.0, bins: 255, trees: None };
    let mut state = 1_u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    for rows in 60..120 {
        let blocks = vec![Block::Table { numbers: 2, encoded: 0, indices: Vec::new() }];
        let mut examples = Examples::zeros(Layout { blocks }, rows);
        let mut targets = Vec::new();
        for row in 0..rows {
            // Sums of twelve uniform numbers are nearly normal.
            let mut normal = || (0..12).map(|_| uniform()).sum::<f32>() - 6.0;
            let (x, y) = (normal(), normal());
            examples.dense[2 * row] = x;
            examples.dense[2 * row + 1] = y;
            targets.push(0.9 * x + 0.3 * y);
        }
        let trees =
            Boosted::fit(&spec, &examples, &[(&Targets::Number(targets.clone()), 1).into()], 5, &mut |_| {
                ControlFlow::Continue(())
            });
        let predicted = trees.unwrap().logits(&examples).unwrap();
        let farthest = predicted.iter().zip(&targets).map(|(p, y)| (p - y).abs()).fold(0.0, f32::max);
        assert!(farthest < 4.0, "{rows} rows: {farthest}");
    }
}

#[test]
fn a_text_input_is_rejected() {
    let layout = Layout { blocks: vec![Block::Text { length: 2, vocabulary: 3 }] };
    let examples = Examples::zeros(layout, 4);
    let found =
        Boosted::fit(&spec(), &examples, &[(&Targets::Number(vec![0.0; 4]), 1).into()], 1, &mut |_| {
            ControlFlow::Continue(())
        });
    assert!(matches!(found.err(), Some(Error::Block { kind: "text" })));
}

#[test]
fn plain_trees_sum_to_the_logits() {
    let (examples, targets) = examples(300);
    #[allow(clippy::cast_possible_truncation)]
    let classes: Vec<i32> = targets.iter().map(|&y| y as i32).collect();
    let small: Vec<f32> =
        (0..300).map(|row| 3.0 * examples.dense[2 * row] + (row as f32 * 0.7).sin()).collect();
    for targets in [Targets::Class(classes), Targets::Number(targets), Targets::Number(small)] {
        let trees =
            Boosted::fit(&spec(), &examples, &[(&targets, 1).into()], 1, &mut |_| ControlFlow::Continue(()))
                .unwrap();
        let logits = trees.logits(&examples).unwrap();
        let trees = Trees::Boosted(trees);
        let plain = trees.plain_outputs().unwrap();
        for (features, logit) in trees.features(&examples).unwrap().iter().zip(logits).take(60) {
            let [output] = plain.as_slice() else { panic!("{} outputs", plain.len()) };
            let score = output.trees.score(features);
            assert!((score - f64::from(logit)).abs() < 1e-6 * score.abs().max(1.0), "{score}, logit {logit}");
            let shares = output.trees.shapley(features, features.len(), &mut || true).unwrap();
            let sum = output.trees.expected() + shares.iter().sum::<f64>();
            assert!((sum - score).abs() < 1e-6, "{sum}, score {score}");
        }
    }
}

#[test]
fn the_scores_of_several_classes_are_their_log_odds() {
    let (examples, _) = examples(300);
    let targets = Targets::Class((0..300).map(|row| row % 3).collect());
    let trees = Trees::Boosted(
        Boosted::fit(&spec(), &examples, &[(&targets, 3).into()], 1, &mut |_| ControlFlow::Continue(()))
            .unwrap(),
    );
    let (logits, plain) = (trees.logits(&examples).unwrap(), trees.plain_outputs().unwrap());
    for (features, logits) in trees.features(&examples).unwrap().iter().zip(logits.chunks(3)) {
        for (output, logit) in plain.iter().zip(logits) {
            assert_eq!(output.score, crate::TreeScore::LogOdds);
            let probability = 1.0 / (1.0 + (-output.trees.score(features)).exp());
            assert!((probability.ln() - f64::from(*logit)).abs() < 1e-5);
        }
    }
}

#[test]
fn growing_ends_where_progress_breaks() {
    let (examples, numbers) = examples(120);
    let classes = Targets::Class(numbers.iter().enumerate().map(|(row, _)| (row % 3) as i32).collect());
    let mut seen = Vec::new();
    let found = Boosted::fit(&spec(), &examples, &[(&classes, 3).into()], 1, &mut |done| {
        seen.push(done);
        if done == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(found, Err(Error::Stopped)));
    assert_eq!(seen, [0, 1]);
}

#[test]
fn quantiles_lie_below_and_above_the_number_where_the_noise_is() {
    let (mut examples, targets) = examples(3_000);
    // The noise grows with the second number.
    let noise = |row: usize| ((row as f32 * 0.732_051).fract() - 0.5) * examples.dense[2 * row + 1];
    let targets: Vec<f32> = targets.iter().enumerate().map(|(row, y)| 0.1 * y + noise(row)).collect();
    let targets = Targets::Number(targets);
    let of = |quantile| TreesTarget { targets: &targets, width: 1, quantile };
    let fitted =
        Boosted::fit(&spec(), &examples, &[of(None), of(Some(0.05)), of(Some(0.95))], 1, &mut |_| {
            ControlFlow::Continue(())
        });
    let trees = Trees::Boosted(fitted.unwrap());
    let logits = trees.logits(&examples).unwrap();
    let Targets::Number(y) = &targets else { unreachable!() };
    let share =
        |at: usize| logits.chunks(3).zip(y).filter(|(row, y)| **y <= row[at]).count() as f64 / y.len() as f64;
    assert!((share(1) - 0.05).abs() < 0.05 && (share(2) - 0.95).abs() < 0.05, "{} {}", share(1), share(2));
    examples.dense.chunks_mut(2).for_each(|row| row[1] = if row[0] < 0.25 { 0.1 } else { 0.9 });
    let logits = trees.logits(&examples).unwrap();
    let width = |calm: bool| {
        let rows = logits.chunks(3).zip(examples.dense.chunks(2)).filter(|(_, x)| (x[0] < 0.25) == calm);
        let widths: Vec<f32> = rows.map(|(row, _)| row[2] - row[1]).collect();
        widths.iter().sum::<f32>() / widths.len() as f32
    };
    assert!(width(false) > 3.0 * width(true), "{} and {}", width(false), width(true));
}
