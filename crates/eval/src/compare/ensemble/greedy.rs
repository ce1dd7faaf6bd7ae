//! Greedy selection of an ensemble from a library of models (Caruana et al. 2004, "Ensemble selection from libraries of
//! models").

/// One round of a selection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GreedyRound {
    /// Index of the model that was added.
    pub member: usize,
    /// Loss of the average with it.
    pub loss: f64,
}

/// Selected models.
#[derive(Debug, Clone, PartialEq)]
pub struct GreedySelection {
    /// Share of each model in the average; they sum to 1, and models that were not selected have 0.
    pub weights: Vec<f64>,
    /// Loss of the average.
    pub loss: f64,
    /// All rounds, of which the selection ends after the one with the smallest loss.
    pub rounds: Vec<GreedyRound>,
}

/// Selects models with replacement: each round adds the model whose addition leaves the smallest loss of the average, the
/// first of equals, and the rounds up to the smallest loss count. `members` are the predictions of each model, of equal
/// lengths; `loss` returns `None` where it is undefined. `None` if it is undefined for every model.
pub fn greedy_selection(
    members: &[Vec<f64>],
    rounds: usize,
    loss: &mut dyn FnMut(&[f64]) -> Option<f64>,
) -> Option<GreedySelection> {
    let values = members.first()?.len();
    let (mut sum, mut average) = (vec![0.0; values], vec![0.0; values]);
    let mut done: Vec<GreedyRound> = Vec::with_capacity(rounds);
    for round in 0..rounds.max(1) {
        let mut best: Option<GreedyRound> = None;
        #[allow(clippy::cast_precision_loss)]
        let count = (round + 1) as f64;
        for (member, predictions) in members.iter().enumerate() {
            let sums = sum.iter().zip(predictions);
            average.iter_mut().zip(sums).for_each(|(average, (sum, own))| *average = (sum + own) / count);
            let found = loss(&average).filter(|loss| loss.is_finite());
            if let Some(loss) = found.filter(|loss| best.is_none_or(|best| *loss < best.loss)) {
                best = Some(GreedyRound { member, loss });
            }
        }
        let Some(best) = best else { break };
        sum.iter_mut().zip(&members[best.member]).for_each(|(sum, own)| *sum += own);
        done.push(best);
    }
    let smallest = |best: &GreedyRound, round: &GreedyRound| round.loss.total_cmp(&best.loss);
    let (last, best) = done.iter().enumerate().min_by(|(_, a), (_, b)| smallest(b, a))?;
    let mut weights = vec![0.0; members.len()];
    #[allow(clippy::cast_precision_loss)]
    let share = 1.0 / (last + 1) as f64;
    done[..=last].iter().for_each(|round| weights[round.member] += share);
    Some(GreedySelection { weights, loss: best.loss, rounds: done })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deterministic numbers from -1 to 1.
    fn noise(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            #[allow(clippy::cast_precision_loss)]
            let unit = (state >> 11) as f64 / (1_u64 << 53) as f64;
            2.0 * unit - 1.0
        }
    }

    fn library(seed: u64, members: usize, rows: usize) -> (Vec<Vec<f64>>, Vec<f64>) {
        let mut draw = noise(seed);
        let targets: Vec<f64> = (0..rows).map(|_| draw()).collect();
        let own = |draw: &mut dyn FnMut() -> f64, level: f64| -> Vec<f64> {
            let shift = 0.3 * draw();
            targets.iter().map(|target| target + shift + level * draw()).collect()
        };
        #[allow(clippy::cast_precision_loss)]
        let members = (0..members).map(|member| own(&mut draw, 0.3 + 0.1 * member as f64)).collect();
        (members, targets)
    }

    fn squared_error(predictions: &[f64], targets: &[f64]) -> f64 {
        #[allow(clippy::cast_precision_loss)]
        let rows = targets.len() as f64;
        predictions.iter().zip(targets).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / rows
    }

    /// The method as the paper states it: every bag of models is averaged anew.
    fn plain(members: &[Vec<f64>], targets: &[f64], rounds: usize) -> (Vec<usize>, f64) {
        #[allow(clippy::cast_precision_loss)]
        let loss = |bag: &[usize]| {
            let mean =
                |row: usize| bag.iter().map(|member| members[*member][row]).sum::<f64>() / bag.len() as f64;
            squared_error(&(0..targets.len()).map(mean).collect::<Vec<_>>(), targets)
        };
        let (mut bag, mut bags) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let with = |member: usize| bag.iter().copied().chain([member]).collect::<Vec<usize>>();
            bag = (0..members.len()).map(with).min_by(|a, b| loss(a).total_cmp(&loss(b))).unwrap();
            bags.push(bag.clone());
        }
        let best = bags.into_iter().min_by(|a, b| loss(a).total_cmp(&loss(b))).unwrap();
        let own = loss(&best);
        (best, own)
    }

    #[test]
    fn the_selection_is_that_of_the_plain_method() {
        for seed in 1..20 {
            let (members, targets) = library(seed, 6, 40);
            let found = greedy_selection(&members, 25, &mut |average| Some(squared_error(average, &targets)))
                .unwrap();
            let (bag, loss) = plain(&members, &targets, 25);
            assert!((found.loss - loss).abs() < 1e-12, "seed {seed}");
            #[allow(clippy::cast_precision_loss)]
            for (member, weight) in found.weights.iter().enumerate() {
                let count = bag.iter().filter(|own| **own == member).count();
                assert!((weight - count as f64 / bag.len() as f64).abs() < 1e-12, "seed {seed}");
            }
            let single = members.iter().map(|own| squared_error(own, &targets)).fold(f64::INFINITY, f64::min);
            assert!(found.loss <= single && (found.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn undefined_losses_select_nothing() {
        assert_eq!(greedy_selection(&[], 5, &mut |_| Some(0.0)), None);
        assert_eq!(greedy_selection(&[vec![1.0]], 5, &mut |_| None), None);
        let found =
            greedy_selection(&[vec![f64::NAN], vec![2.0]], 3, &mut |average| Some(average[0])).unwrap();
        assert_eq!(found.weights, [0.0, 1.0]);
    }
}
