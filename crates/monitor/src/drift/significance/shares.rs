//! Tests of shares: exact, and by permutation.

use super::super::bins::PairedCounts;
use super::super::distance::total_variation;
use crate::twister::MersenneTwister;

/// Permutations of a test.
const PERMUTATIONS: u32 = 1000;
/// Rows of all permutations together, beyond which there are fewer of them.
const MOST_MOVES: usize = 1_000_000_000;
/// Fewest permutations.
const LEAST_PERMUTATIONS: u32 = 100;
/// Relative difference below which two probabilities or distances count as equal.
const EQUAL: f64 = 1e-7;

/// p-value of Fisher's exact test of two values, two-sided: the probability of all tables that are no more likely than this one.
/// Not a number for more than two values.
pub(in super::super) fn fisher_exact(counts: &PairedCounts) -> f64 {
    let (reference, current) = match (counts.reference.as_slice(), counts.current.as_slice()) {
        ([_], [_]) => return 1.0,
        ([a, b], [c, d]) => ([a.round(), b.round()], [c.round(), d.round()]),
        _ => return f64::NAN,
    };
    let (n1, n2, first) =
        (current.iter().sum::<f64>(), reference.iter().sum::<f64>(), current[0] + reference[0]);
    let (low, high) = ((first - n2).max(0.0), first.min(n1));
    // Probabilities of each table in units of the most likely one, so that none of them overflows.
    let mode = (((first + 1.0) * (n1 + 1.0) / (n1 + n2 + 2.0)).floor()).clamp(low, high);
    let ratio = |x: f64| (n1 - x) * (first - x) / ((x + 1.0) * (n2 - first + x + 1.0));
    let up = std::iter::successors(Some((mode, 1.0)), |(x, p)| (*x < high).then(|| (x + 1.0, p * ratio(*x))));
    let down =
        std::iter::successors(Some((mode, 1.0)), |(x, p)| (*x > low).then(|| (x - 1.0, p / ratio(x - 1.0))));
    let tables: Vec<(f64, f64)> = up.chain(down.skip(1)).collect();
    let own = tables.iter().find(|(x, _)| (x - current[0]).abs() < 0.5).map_or(0.0, |(_, p)| *p);
    let extreme: f64 = tables.iter().map(|(_, p)| *p).filter(|p| *p <= own * (1.0 + EQUAL)).sum();
    (extreme / tables.iter().map(|(_, p)| p).sum::<f64>()).min(1.0)
}

/// p-value of the total variation distance: the share of permutations of all rows with at least the same distance. The rows are in
/// the order of their values, those of the reference first; draws are those of `NumPy` with seed 0.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "numbers of rows and permutations"
)]
pub(in super::super) fn permuted_variation(counts: &PairedCounts) -> f64 {
    let repeated = |counts: &[f64]| -> Vec<u32> {
        let each = counts.iter().zip(0u32..);
        each.flat_map(|(count, cell)| std::iter::repeat_n(cell, count.round() as usize)).collect()
    };
    let mut rows = repeated(&counts.reference);
    let of_reference = rows.len();
    rows.extend(repeated(&counts.current));
    let affordable = u32::try_from(MOST_MOVES / rows.len().max(1)).unwrap_or(u32::MAX);
    let permutations = affordable.clamp(LEAST_PERMUTATIONS, PERMUTATIONS);
    let observed = total_variation(counts) * (1.0 - EQUAL);
    let mut draws = MersenneTwister::of_numpy(0);
    let mut reached = 0u32;
    let mut moved = rows.clone();
    for _ in 0..permutations {
        moved.clone_from(&rows);
        draws.numpy_shuffle(&mut moved);
        let count = |rows: &[u32]| {
            let mut counts = vec![0.0; counts.current.len()];
            for cell in rows {
                counts[*cell as usize] += 1.0;
            }
            counts
        };
        let (reference, current) = moved.split_at(of_reference);
        let drawn = PairedCounts { reference: count(reference), current: count(current) };
        reached += u32::from(total_variation(&drawn) >= observed);
    }
    f64::from(reached) / f64::from(permutations)
}
