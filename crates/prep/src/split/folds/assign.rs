//! Assignment of rows and groups to folds, from their keys and sizes alone.

/// Fold of each row: the rows of each class, in the order of their keys, go to the folds in turn, and each class goes on
/// where the one before ended. The folds of a class differ by one row at most, and so do whole folds. Rows of equal key
/// share a fold.
pub(super) fn stratified_folds(classes: &[Vec<usize>], keys: &[u64], folds: usize) -> Vec<usize> {
    let mut own = vec![0; keys.len()];
    let mut next = 0;
    for rows in classes {
        let mut before: Option<usize> = None;
        for &row in rows {
            own[row] = match before.filter(|before| keys[*before] == keys[row]) {
                Some(before) => own[before],
                None => next % folds.max(1),
            };
            before = Some(row);
            next += 1;
        }
    }
    own
}

/// Fold of each group of these sizes: the largest first, each into the fold with the fewest rows so far. Sizes are enlarged
/// by up to a half, by the random number from 0 to 1 beside each, so that other seeds make other folds.
#[allow(clippy::cast_precision_loss)]
pub(super) fn group_folds(groups: &[(usize, f64)], folds: usize) -> Vec<usize> {
    let weight = |group: usize| groups[group].0 as f64 * (1.0 + 0.5 * groups[group].1);
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by(|a, b| weight(*b).total_cmp(&weight(*a)).then(a.cmp(b)));
    let (mut rows, mut own) = (vec![0; folds.max(1)], vec![0; groups.len()]);
    for group in order {
        let lightest = (0..rows.len()).min_by_key(|fold| rows[*fold]).unwrap_or_default();
        own[group] = lightest;
        rows[lightest] += groups[group].0;
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spread of the counts of a fold.
    fn spread(counts: &[usize]) -> usize {
        counts.iter().max().unwrap() - counts.iter().min().unwrap()
    }

    #[test]
    fn classes_and_folds_are_even_to_one_row() {
        // Sizes as in scikit-learn's example of an uneven StratifiedKFold.
        for (sizes, folds) in [([45, 5, 1], 3), ([7, 7, 7], 5), ([100, 33, 2], 10)] {
            let mut at = 0;
            let mut class = |size: usize| {
                at += size;
                (at - size..at).collect::<Vec<usize>>()
            };
            let classes: Vec<Vec<usize>> = sizes.iter().map(|size| class(*size)).collect();
            let keys: Vec<u64> = (0..at as u64).collect();
            let own = stratified_folds(&classes, &keys, folds);
            let counts = |rows: &mut dyn Iterator<Item = usize>| {
                let mut counts = vec![0; folds];
                rows.for_each(|row| counts[own[row]] += 1);
                counts
            };
            assert!(spread(&counts(&mut (0..at))) <= 1, "{sizes:?}");
            for rows in &classes {
                assert!(spread(&counts(&mut rows.iter().copied())) <= 1, "{sizes:?}");
            }
        }
    }

    #[test]
    fn equal_rows_share_a_fold() {
        let keys = [5, 5, 5, 7, 8, 9];
        let own = stratified_folds(&[vec![0, 1, 2, 3, 4, 5]], &keys, 3);
        assert!(own[0] == own[1] && own[1] == own[2]);
        assert_eq!([own[3], own[4], own[5]], [0, 1, 2]);
    }

    #[test]
    fn groups_fill_the_folds_evenly_and_depend_on_the_draw() {
        let draws: Vec<f64> = (0..40).map(|group| f64::from(group * 17 % 40) / 40.0).collect();
        let sizes: Vec<usize> = (0..40).map(|group| 5 + group % 7).collect();
        let groups = |shift: usize| -> Vec<(usize, f64)> {
            (0..40).map(|group| (sizes[group], draws[(group + shift) % 40])).collect()
        };
        let own = group_folds(&groups(0), 4);
        let mut rows = [0; 4];
        own.iter().zip(&sizes).for_each(|(fold, size)| rows[*fold] += size);
        assert!(spread(&rows) <= 7, "{rows:?}");
        assert_ne!(own, group_folds(&groups(11), 4));
        // Fewer groups than folds leave folds empty.
        assert_eq!(group_folds(&[(3, 0.0), (4, 0.0)], 4), [1, 0]);
    }
}
