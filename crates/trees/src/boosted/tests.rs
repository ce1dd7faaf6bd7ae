//! Tests of boosted trees from examples to logits.

use std::ops::ControlFlow;

use cupola_prep::Layout;
use cupola_spec::{Block, TreesSpec};

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

fn fit(spec: Boosting, examples: &Examples, targets: &[TreesTarget<'_>]) -> Result<Trees, Error> {
    let rows = TreesRows { train: examples, valid: None, monotone: &[] };
    Trees::fit(&TreesSpec::Boosted(spec), rows, targets, 1, &mut |_| ControlFlow::Continue(()))
}

fn spec() -> Boosting {
    Boosting { rounds: Some(60), leaf: 5, ..Boosting::default() }
}

fn classes(targets: &[f32]) -> Vec<i32> {
    targets.iter().map(|&y| i32::from(y > 0.5)).collect()
}

#[test]
fn two_classes_a_number_and_three_classes_are_learned() {
    let (examples, targets) = examples(600);
    let classes = classes(&targets);
    let fit = |targets: &Targets, width| {
        fit(spec(), &examples, &[(targets, width).into()]).unwrap().logits(&examples).unwrap()
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
fn a_file_keeps_the_predictions() {
    let (examples, targets) = examples(300);
    let trees = fit(spec(), &examples, &[(&Targets::Number(targets), 1).into()]).unwrap();
    let again = Trees::from_safetensors(&trees.to_safetensors().unwrap()).unwrap();
    assert_eq!(again.logits(&examples).unwrap(), trees.logits(&examples).unwrap());
    assert_eq!(again.trees(), trees.trees());
    let mut fewer = examples;
    fewer.layout.blocks = vec![Block::Table { numbers: 2, encoded: 0, indices: Vec::new() }];
    fewer.indices.clear();
    assert!(again.logits(&fewer).unwrap_err().to_string().contains("expect 3"));
}

#[test]
fn several_targets_and_quantiles_share_an_ensemble() {
    let (examples, targets) = examples(400);
    let (numbers, class) = (Targets::Number(targets.clone()), Targets::Class(classes(&targets)));
    let upper = TreesTarget { quantile: Some(0.9), ..(&numbers, 1).into() };
    let pair = Targets::Vector { width: 2, values: targets.iter().flat_map(|y| [*y, 1.0 - y]).collect() };
    let all = [(&numbers, 1).into(), upper, (&class, 1).into(), (&pair, 2).into()];
    let mut seen = Vec::new();
    let rows = TreesRows { train: &examples, valid: None, monotone: &[] };
    let trees = Trees::fit(&TreesSpec::Boosted(spec()), rows, &all, 1, &mut |done| {
        seen.push(done);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(trees.width(), 5);
    assert_eq!((seen[0], seen[seen.len() - 1]), (0, 5));
    let logits = trees.logits(&examples).unwrap();
    let alone = fit(spec(), &examples, &[(&class, 1).into()]).unwrap().logits(&examples).unwrap();
    for (row, alone) in logits.chunks(5).zip(alone) {
        assert!((row[2] - alone).abs() < 1e-6);
        assert!((row[3] + row[4] - 1.0).abs() < 1e-3, "{row:?}");
    }
}

#[test]
fn early_stopping_keeps_the_best_round_of_the_validation_rows() {
    let (train, targets) = examples(300);
    let noisy: Vec<f32> = targets.iter().enumerate().map(|(row, y)| y + (row as f32 * 12.9).sin()).collect();
    let (valid, clean) = examples(900);
    let valid = valid.gather(&(300..900).collect::<Vec<_>>());
    let clean = Targets::Number(clean[300..].to_vec());
    let noisy = Targets::Number(noisy);
    let target = TreesTarget { valid: Some(&clean), ..(&noisy, 1).into() };
    let rows = TreesRows { train: &train, valid: Some(&valid), monotone: &[] };
    let spec = |rounds, patience| {
        TreesSpec::Boosted(Boosting { rounds: Some(rounds), patience, leaf: 3, ..Boosting::default() })
    };
    let loss = |trees: &Trees| {
        let Targets::Number(clean) = &clean else { panic!() };
        let logits = trees.logits(&valid).unwrap();
        logits.iter().zip(clean).map(|(a, b)| (a - b).powi(2)).sum::<f32>()
    };
    let fit = |rounds, patience| {
        Trees::fit(&spec(rounds, patience), rows, &[target], 1, &mut |_| ControlFlow::Continue(())).unwrap()
    };
    let stopped = fit(400, 20);
    let best = stopped.trees();
    assert!((2..300).contains(&best), "{best}");
    for rounds in [best - 1, best + 1] {
        let mut all = fit(rounds, 0);
        let kept = all.0.trees().iter().take(rounds).cloned().collect();
        all.0 = TreeEnsemble::new(3, all.0.outputs().to_vec(), kept).unwrap();
        assert!(loss(&all) >= loss(&stopped), "{rounds} rounds");
    }
}

#[test]
fn a_break_stops_and_texts_are_rejected() {
    let (examples, targets) = examples(300);
    let targets = Targets::Number(targets);
    let mut rounds = 0;
    let rows = TreesRows { train: &examples, valid: None, monotone: &[] };
    let stopped = Trees::fit(&TreesSpec::Boosted(spec()), rows, &[(&targets, 1).into()], 1, &mut |_| {
        rounds += 1;
        if rounds == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(stopped.err(), Some(Error::Stopped)) && rounds == 3);
    let texts = Examples::zeros(Layout { blocks: vec![Block::Text { length: 2, vocabulary: 3 }] }, 4);
    let found = fit(spec(), &texts, &[(&Targets::Number(vec![0.0; 4]), 1).into()]);
    assert!(matches!(found.err(), Some(Error::Block { kind: "text" })));
}

#[test]
fn plain_trees_sum_to_the_logits() {
    let (mut examples, targets) = examples(300);
    examples.dense.iter_mut().step_by(7).for_each(|value| *value = f32::NAN);
    let three = Targets::Class((0..300).map(|row| row % 3).collect());
    let class = Targets::Class(classes(&targets));
    for (targets, width) in [(class, 1), (Targets::Number(targets), 1), (three, 3)] {
        let trees = fit(spec(), &examples, &[(&targets, width).into()]).unwrap();
        let logits = trees.logits(&examples).unwrap();
        let plain = trees.plain_outputs().unwrap();
        for (features, logits) in trees.features(&examples).unwrap().iter().zip(logits.chunks(width)).take(60)
        {
            for (output, logit) in plain.iter().zip(logits) {
                let score = output.trees.score(features);
                assert!((score - f64::from(*logit)).abs() < 1e-6 * score.abs().max(1.0), "{score}, {logit}");
                let shares = output.trees.shapley(features, features.len(), &mut || true).unwrap();
                let sum = output.trees.expected() + shares.iter().sum::<f64>();
                assert!((sum - score).abs() < 1e-6, "{sum}, score {score}");
            }
        }
    }
}

#[test]
fn balanced_classes_move_the_scores_to_the_rare_one() {
    let (examples, _) = examples(600);
    // One of twenty rows, whatever the inputs: no split helps, and the log odds are those of the weights.
    let rare = Targets::Class((0..600).map(|row| i32::from(row % 20 == 0)).collect());
    let mean = |balanced| {
        let spec = Boosting { balanced, rounds: Some(1), leaf: 600, ..Boosting::default() };
        let logits = fit(spec, &examples, &[(&rare, 1).into()]).unwrap().logits(&examples).unwrap();
        logits.iter().sum::<f32>() / 600.0
    };
    assert!((mean(false) - (1.0_f32 / 19.0).ln()).abs() < 1e-3);
    assert!(mean(true).abs() < 1e-3);
}

#[test]
fn counts_are_learned_through_their_logarithm_and_negative_ones_refused() {
    let (examples, steps) = examples(600);
    // Means of 1 and 8, standardised.
    let (shift, factor) = (4.0, 0.25);
    let count = |row: usize, step: f32| if step > 0.5 { 7.0 + (row % 3) as f32 } else { (row % 3) as f32 };
    let counts = steps.iter().enumerate().map(|(row, step)| (count(row, *step) - 4.0) * 0.25).collect();
    let counts = Targets::Number(counts);
    let spec = Boosting { loss: NumberLoss::Poisson, ..spec() };
    let target = TreesTarget { scaling: [shift, factor], ..(&counts, 1).into() };
    let logits = fit(spec.clone(), &examples, &[target]).unwrap().logits(&examples).unwrap();
    let means: Vec<f64> = logits.iter().map(|logit| f64::from(*logit) / factor + shift).collect();
    assert!(means.iter().all(|mean| *mean > 0.0));
    let expected = steps.iter().map(|step| if *step > 0.5 { 8.0 } else { 1.0 });
    let far = means.iter().zip(expected).filter(|(mean, expected)| (*mean - expected).abs() > 1.3).count();
    // Rows beside the step may share a bin with rows of the other side.
    assert!(far < 30, "{far} means are far off");
    let negative = Targets::Number(vec![-1.0; 600]);
    let found = fit(spec, &examples, &[(&negative, 1).into()]);
    assert!(matches!(found.err(), Some(Error::Count { found }) if found < 0.0));
}
