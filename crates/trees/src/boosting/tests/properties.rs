//! Properties that hold for any data.

use super::*;

/// Rows of three numbers, one with missing values, and two categories, with a number to predict.
#[allow(clippy::cast_possible_truncation, reason = "the numbers are small")]
fn rows(count: usize, seed: u64) -> Rows {
    let mut draw = draws(seed);
    let mut rows = Rows::default();
    for row in 0..count {
        let (x, y, z) = (draw(), draw(), draw());
        rows.numbers.extend([x, if draw() < 0.1 { f32::NAN } else { y }, z]);
        let category = (draw() * 300.0) as i32;
        rows.categories.extend([category, i32::from(draw() < 0.3)]);
        let noise = draw() + draw() + draw() - 1.5;
        rows.values.push(x + (6.0 * y).sin() + (category % 5) as f32 * 0.2 + noise);
        rows.weights.push(0.5 + (row % 3) as f32);
    }
    rows
}

#[test]
fn trees_do_not_depend_on_the_number_of_threads() {
    let numbers = rows(66_000, 1);
    let classes = Rows {
        values: numbers.values[..9_000].iter().map(|value| value.clamp(0.0, 2.0).floor()).collect(),
        ..rows(9_000, 1)
    };
    let options = BoostOptions { rounds: 2, leaves: 8, rows: 0.9, columns: 0.8, ..BoostOptions::default() };
    for (rows, objective) in
        [(&numbers, BoostObjective::Squared), (&classes, BoostObjective::Softmax { classes: 3 })]
    {
        let fit = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| rows.boost(objective, &options).0)
        };
        let one = fit(1);
        for threads in [2, 5] {
            let many = fit(threads);
            assert_eq!(many.base, one.base);
            assert!(many.trees.iter().zip(&one.trees).all(|(a, b)| a.nodes == b.nodes), "{threads} threads");
        }
    }
}

#[test]
fn scores_rise_and_fall_as_constraints_say() {
    let rows = rows(1_000, 2);
    let options =
        BoostOptions { rounds: 60, leaf_rows: 3, monotone: vec![1, 0, -1], ..BoostOptions::default() };
    let matrix = BinnedMatrix::fit(&rows.table(), options.bins);
    let (found, _) = rows.boost(BoostObjective::Squared, &options);
    let (free, _) = rows.boost(BoostObjective::Squared, &BoostOptions { monotone: Vec::new(), ..options });
    let mut broken = 0;
    for row in 0..20 {
        for (column, direction) in [(0, 1.0), (2, -1.0)] {
            let mut grid = Rows::default();
            for step in 0..40 {
                let mut numbers = rows.numbers[3 * row..3 * row + 3].to_vec();
                numbers[column] = step as f32 / 40.0;
                grid.numbers.extend(numbers);
                grid.categories.extend_from_slice(&rows.categories[2 * row..2 * row + 2]);
                grid.values.push(0.0);
            }
            let grid = BinnedMatrix::apply(&grid.table(), &matrix.columns);
            for pair in scores(&found, &grid).windows(2) {
                assert!(direction * (pair[1] - pair[0]) >= -1e-9, "row {row}, column {column}: {pair:?}");
            }
            broken += scores(&free, &grid).windows(2).filter(|p| direction * (p[1] - p[0]) < 0.0).count();
        }
    }
    assert!(broken > 100, "the constraints change nothing: {broken}");
}

#[test]
fn quantiles_cover_their_share_and_the_median_resists_outliers() {
    let rows = rows(4_000, 3);
    let options = BoostOptions { rounds: 60, leaves: 8, ..BoostOptions::default() };
    for level in [0.05, 0.5, 0.9] {
        let (_, scores) = rows.boost(BoostObjective::Quantile { level }, &options);
        let below =
            scores.iter().zip(&rows.values).filter(|(score, value)| f64::from(**value) <= **score).count();
        let share = below as f64 / 4_000.0;
        assert!((share - level).abs() < 0.02, "{share} instead of {level}");
    }
    let mut wild = rows.clone();
    wild.weights.clear();
    wild.values.iter_mut().step_by(10).for_each(|value| *value = 1e4);
    let far = |objective| {
        let (_, scores) = wild.boost(objective, &options);
        let normal = |(row, _): &(usize, &f64)| row % 10 != 0;
        let errors = scores.iter().enumerate().filter(normal);
        errors.map(|(row, score)| (score - f64::from(rows.values[row])).abs()).sum::<f64>() / 3_600.0
    };
    let (absolute, huber) = (far(BoostObjective::Absolute), far(BoostObjective::Huber { delta: 1.0 }));
    let squared = far(BoostObjective::Squared);
    assert!(absolute < 1.0 && squared > 100.0 && huber < squared, "{absolute} {huber} {squared}");
}

#[test]
fn a_weight_counts_like_as_many_rows() {
    let mut twice = rows(200, 4);
    twice.weights = (0..200).map(|row| if row % 3 == 0 { 2.0 } else { 1.0 }).collect();
    let mut copied = Rows { weights: Vec::new(), ..twice.clone() };
    for row in (0..200).step_by(3) {
        copied.numbers.extend_from_slice(&twice.numbers[3 * row..3 * row + 3]);
        copied.categories.extend_from_slice(&twice.categories[2 * row..2 * row + 2]);
        copied.values.push(twice.values[row]);
    }
    // Bins are those of the rows without weights.
    let options = BoostOptions { rounds: 5, leaf_rows: 1, ..plain(6) };
    for (objective, low) in [(BoostObjective::Squared, f32::MIN), (BoostObjective::Logistic, 0.0)] {
        let [weighted, repeated] = [&twice, &copied].map(|rows| {
            let mut rows = rows.clone();
            rows.categories.clear();
            if low == 0.0 {
                rows.values.iter_mut().for_each(|value| *value = f32::from(u8::from(*value > 1.0)));
            }
            rows.boost(objective, &options).1
        });
        for (a, b) in weighted.iter().zip(&repeated) {
            assert!((a - b).abs() < 1e-3 * a.abs().max(1.0), "{objective:?}: {a} {b}");
        }
    }
}

#[test]
#[allow(clippy::needless_for_each, reason = "it ends a chain of iterators")]
fn limits_of_growth_hold() {
    let rows = rows(2_000, 5);
    let options = BoostOptions { rounds: 5, leaves: 40, depth: 4, leaf_rows: 50, ..BoostOptions::default() };
    let matrix = BinnedMatrix::fit(&rows.table(), options.bins);
    let (found, _) = Rows { weights: Vec::new(), ..rows.clone() }.boost(BoostObjective::Squared, &options);
    for tree in &found.trees {
        let mut depth = vec![0; tree.nodes.len()];
        for (at, node) in tree.nodes.iter().enumerate() {
            if let Some((_, children)) = node.split {
                children.iter().for_each(|&child| depth[child as usize] = depth[at] + 1);
            }
        }
        assert!(depth.iter().all(|&depth| depth <= 4));
        let (mut all, mut other) = ((0..2_000).collect::<Vec<u32>>(), vec![0; 2_000]);
        let leaves = tree.apply(&matrix, &mut all, &mut other);
        assert!(leaves.len() <= 16 && leaves.iter().all(|(_, range)| range.len() >= 50));
        let covers =
            leaves.iter().all(|(node, range)| (tree.nodes[*node].cover - range.len() as f64).abs() < 1e-6);
        assert!(covers);
    }
    let constant = Rows { values: vec![2.5; 100], numbers: vec![1.0; 100], ..Rows::default() };
    let (found, scores) = constant.boost(BoostObjective::Squared, &BoostOptions::default());
    assert!(found.trees.is_empty() && scores.iter().all(|score| (score - 2.5).abs() < 1e-9));
}
