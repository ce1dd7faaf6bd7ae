//! Gradients and scores of rankings against `LightGBM` (scripts/golden/ranking.py), and their properties.

use std::ops::ControlFlow;

use serde::Deserialize;

use super::*;
use crate::boosting::ranking::PairWeight;

#[derive(Deserialize)]
struct Golden {
    sizes: Vec<usize>,
    numbers: Vec<f32>,
    grades: Vec<f32>,
    scores: Vec<f64>,
    gradients: Vec<GradientCase>,
    fits: Vec<FitCase>,
}

#[derive(Deserialize)]
struct GradientCase {
    loss: String,
    truncation: usize,
    pairs: Vec<[f64; 2]>,
}

#[derive(Deserialize)]
struct FitCase {
    rounds: usize,
    truncation: usize,
    scores: Vec<f64>,
}

impl Golden {
    fn read() -> Self {
        serde_json::from_str(include_str!("../golden/ranking.json")).unwrap()
    }

    /// Key of the group of each row.
    fn keys(&self) -> Vec<u64> {
        let keys = (7_u64..).step_by(5).zip(&self.sizes);
        keys.flat_map(|(key, size)| std::iter::repeat_n(key, *size)).collect()
    }
}

fn gradients(groups: &RowGroups, weight: PairWeight, scores: &[f64], grades: &[f32]) -> Vec<[f32; 2]> {
    let mut pairs = vec![[f32::NAN; 2]; grades.len()];
    groups.gradients(weight, scores, grades, &mut pairs);
    pairs
}

/// Order in which neighbours are of different groups, and the rows of a group stay in their order.
fn interleaved(rows: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by_key(|row| (row % 11, *row));
    order
}

#[test]
fn gradients_are_those_of_lightgbm() {
    let golden = Golden::read();
    for case in &golden.gradients {
        let weight = if case.loss == "ndcg" { PairWeight::Ndcg } else { PairWeight::Equal };
        let groups = RowGroups::new(&golden.keys(), &golden.grades, case.truncation);
        let found = gradients(&groups, weight, &golden.scores, &golden.grades);
        for (row, (found, expected)) in found.iter().zip(&case.pairs).enumerate() {
            let close =
                |at: usize| (f64::from(found[at]) - expected[at]).abs() < 1e-6 * (1.0 + expected[at].abs());
            assert!(
                close(0) && close(1),
                "{} {} row {row}: {found:?} {expected:?}",
                case.loss,
                case.truncation
            );
        }
    }
}

#[test]
fn scores_of_rankings_are_those_of_lightgbm() {
    let golden = Golden::read();
    for case in &golden.fits {
        let rows = Rows { numbers: golden.numbers.clone(), values: golden.grades.clone(), ..Rows::default() };
        let options = BoostOptions {
            rounds: case.rounds,
            learning_rate: 0.3,
            leaves: 4,
            leaf_rows: 1,
            leaf_weight: 2.0,
            ..BoostOptions::default()
        };
        let matrix = BinnedMatrix::fit(&rows.table(), options.bins);
        let groups = RowGroups::new(&golden.keys(), &golden.grades, case.truncation);
        let labels = Labels { groups: Some(&groups), ..rows.labels() };
        let train = BoostRows { matrix: &matrix, labels };
        let mut all = |_| ControlFlow::Continue(());
        let found = boost(train, None, BoostObjective::LambdaRank, &options, &mut all).unwrap();
        let own = scores(&found, &matrix);
        let far = own.iter().zip(&case.scores).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        // LightGBM reads the sigmoid from a table.
        assert!(
            own.len() == case.scores.len() && far < 1e-3,
            "{} rounds, truncation {}: {far}",
            case.rounds,
            case.truncation
        );
    }
}

#[test]
fn gradients_sum_to_zero_and_do_not_depend_on_the_place_of_a_group() {
    let golden = Golden::read();
    let (keys, rows) = (golden.keys(), golden.grades.len());
    let groups = RowGroups::new(&keys, &golden.grades, 30);
    let found = gradients(&groups, PairWeight::Ndcg, &golden.scores, &golden.grades);
    let order = interleaved(rows);
    let moved = |row: &usize| (keys[*row], golden.grades[*row], golden.scores[*row]);
    let keys_moved: Vec<u64> = order.iter().map(|row| moved(row).0).collect();
    let grades: Vec<f32> = order.iter().map(|row| moved(row).1).collect();
    let scores: Vec<f64> = order.iter().map(|row| moved(row).2).collect();
    let other = RowGroups::new(&keys_moved, &grades, 30);
    let other_found = gradients(&other, PairWeight::Ndcg, &scores, &grades);
    for key in [7_u64, 17, 22, 47] {
        let sum: f32 = (0..rows).filter(|row| keys[*row] == key).map(|row| found[row][0]).sum();
        assert!(sum.abs() < 1e-5, "{key}: {sum}");
    }
    // Rows with equal scores are taken in their order, which `interleaved` changes.
    let tied = |row: usize| {
        (0..rows).any(|own| {
            own != row && keys[own] == keys[row] && golden.scores[own].total_cmp(&golden.scores[row]).is_eq()
        })
    };
    let untied: Vec<u64> =
        keys.iter().copied().filter(|key| (0..rows).all(|row| keys[row] != *key || !tied(row))).collect();
    for (at, row) in order.iter().enumerate().filter(|(_, row)| untied.contains(&keys[**row])) {
        let close = |index: usize| (found[*row][index] - other_found[at][index]).abs() < 1e-6;
        assert!(close(0) && close(1), "row {row}");
    }
    assert!(!untied.is_empty());
}

#[test]
fn groups_without_pairs_have_no_gradient_and_the_loss_is_that_of_the_order() {
    let grades = [1.0, 0.0, 2.0, 2.0, 0.0];
    let groups = RowGroups::new(&[1, 1, 2, 2, 3], &grades, 30);
    let found = gradients(&groups, PairWeight::Ndcg, &[0.0; 5], &grades);
    assert!(found[0][0] < 0.0 && found[1][0] > 0.0, "{found:?}");
    assert!(found[2..].iter().all(|pair| pair[0] == 0.0 && pair[1] < 1e-10), "{found:?}");
    // The third group has no relevant row and is left out; the second one has any order right.
    assert!(groups.loss(&[1.0, 0.0, 0.0, 1.0, 5.0], &grades).abs() < 1e-12);
    let turned = groups.loss(&[0.0, 1.0, 0.0, 1.0, 5.0], &grades);
    assert!((turned - 0.5 * (1.0 - 1.0 / 3_f64.log2())).abs() < 1e-12, "{turned}");
    assert!(groups.loss(&[0.0; 5], &[0.0; 5]).is_infinite());
}
