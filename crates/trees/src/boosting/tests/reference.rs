//! Trees against an exhaustive search in plain arithmetic.

use super::*;

/// Sum of squared errors of some rows around their mean.
fn error(values: &[f32], rows: &[usize]) -> f64 {
    let mean = rows.iter().map(|&row| f64::from(values[row])).sum::<f64>() / rows.len() as f64;
    rows.iter().map(|&row| (f64::from(values[row]) - mean).powi(2)).sum()
}

/// All ways to divide rows by a threshold of a column, with missing values on either side.
fn divisions(rows: &[usize], value: &dyn Fn(usize) -> f32) -> Vec<[Vec<usize>; 2]> {
    let mut thresholds: Vec<f32> = rows.iter().map(|&row| value(row)).filter(|x| !x.is_nan()).collect();
    thresholds.sort_by(f32::total_cmp);
    thresholds.dedup();
    thresholds.push(f32::INFINITY);
    let mut all = Vec::new();
    for threshold in thresholds {
        for missing_left in [true, false] {
            let left =
                |row: &usize| if value(*row).is_nan() { missing_left } else { value(*row) < threshold };
            let (left, right): (Vec<usize>, Vec<usize>) = rows.iter().copied().partition(left);
            if !left.is_empty() && !right.is_empty() {
                all.push([left, right]);
            }
        }
    }
    all
}

/// Leaves of the tree that always takes the split that saves most of the error.
fn exhaustive(values: &[f32], columns: &[&dyn Fn(usize) -> f32], leaves: usize) -> Vec<Vec<usize>> {
    let mut open = vec![(0..values.len()).collect::<Vec<usize>>()];
    while open.len() < leaves {
        let mut best: Option<(f64, usize, [Vec<usize>; 2])> = None;
        for (at, rows) in open.iter().enumerate() {
            for division in columns.iter().flat_map(|column| divisions(rows, column)) {
                let gain = error(values, rows) - error(values, &division[0]) - error(values, &division[1]);
                if best.as_ref().is_none_or(|(most, ..)| gain > *most + 1e-9) {
                    best = Some((gain, at, division));
                }
            }
        }
        let Some((_, at, division)) = best else { break };
        open.remove(at);
        open.extend(division);
    }
    open
}

#[test]
fn a_tree_is_that_of_an_exhaustive_search() {
    for seed in 0..20 {
        let mut draw = draws(seed);
        let mut rows = Rows::default();
        for _ in 0..80 {
            let (x, y) = (draw(), draw());
            rows.numbers.extend([x, if draw() < 0.2 { f32::NAN } else { y }]);
            rows.values.push(3.0 * x + if y > 0.4 { 1.0 } else { 0.0 } + draw());
        }
        let leaves =
            exhaustive(&rows.values, &[&|row| rows.numbers[2 * row], &|row| rows.numbers[2 * row + 1]], 7);
        let (_, scores) = rows.boost(BoostObjective::Squared, &plain(7));
        for leaf in leaves {
            let mean = leaf.iter().map(|&row| f64::from(rows.values[row])).sum::<f64>() / leaf.len() as f64;
            for row in leaf {
                assert!((scores[row] - mean).abs() < 1e-4, "seed {seed}, row {row}: {} {mean}", scores[row]);
            }
        }
    }
}

#[test]
fn a_set_of_categories_is_the_best_of_all() {
    for seed in 0..20 {
        let mut draw = draws(seed + 100);
        let mut rows = Rows::default();
        for row in 0..120 {
            rows.categories.push(row % 7);
            rows.values.push(draw() + 0.3 * (row as f32 * 1.7 % 7.0));
        }
        let (found, scores) = rows.boost(BoostObjective::Squared, &plain(2));
        let of = |set: u32| {
            let all: Vec<usize> = (0..120).collect();
            let (left, right): (Vec<usize>, Vec<usize>) =
                all.into_iter().partition(|&row| set >> rows.categories[row] & 1 == 1);
            error(&rows.values, &left) + error(&rows.values, &right)
        };
        let best = (1..127).map(of).fold(f64::INFINITY, f64::min);
        let own: f64 =
            scores.iter().zip(&rows.values).map(|(score, value)| (score - f64::from(*value)).powi(2)).sum();
        assert!((own - best).abs() < 1e-3, "seed {seed}: {own} instead of {best}");
        assert_eq!(found.trees[0].nodes.len(), 3);
    }
}

#[test]
#[allow(clippy::needless_for_each, reason = "it ends a chain of iterators")]
fn bins_hold_like_numbers_of_rows_and_every_frequent_value_alone() {
    let mut draw = draws(3);
    let mut sample: Vec<f32> = (0..20_000).map(|_| draw()).collect();
    sample.extend(std::iter::repeat_n(0.5, 5_000));
    let bins = ColumnBins::of_numbers(sample.clone(), 64);
    let mut counts = vec![0; bins.count()];
    sample.iter().for_each(|&value| counts[usize::from(bins.bin(value))] += 1);
    assert!((60..=64).contains(&bins.values()), "{}", bins.values());
    assert!(counts[usize::from(bins.bin(0.5))] < 5_400, "{counts:?}");
    let most = counts.iter().filter(|&&count| count < 5_000).max().unwrap();
    assert!(*most < 700, "{most}");
    for &value in &sample {
        // The bin and its edges agree.
        let bin = bins.bin(value);
        assert!(value < bins.edge(bin) && (bin == 0 || value >= bins.edge(bin - 1)));
    }
    assert_eq!(bins.bin(f32::NAN), bins.missing());
    assert_eq!(ColumnBins::of_numbers(vec![2.0; 9], 64).count(), 2);
    assert_eq!(ColumnBins::of_numbers(Vec::new(), 64).count(), 2);
}
