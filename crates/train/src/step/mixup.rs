//! Mixup (Zhang et al. 2018): each example of a batch is blended with another one, and so is its loss.

use cupola_prep::{draw, unit};

/// Blend of one batch: each example has the weight `share`, and the next one of the batch the rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mixup {
    /// Weight of the example itself.
    pub share: f64,
}

impl Mixup {
    /// Blend of a step; `None` if `alpha` is 0. The share is drawn from Beta(alpha, alpha) by Joehnk's method
    /// (1964), which suits an alpha of at most 1.
    pub fn of(alpha: f64, seed: u64, step: u64) -> Option<Self> {
        if alpha <= 0.0 {
            return None;
        }
        let mut at = 0;
        loop {
            let mut power = || {
                at += 1;
                unit(draw(seed, "mixup", step, at)).powf(1.0 / alpha)
            };
            let (a, b) = (power(), power());
            if a + b > 0.0 && a + b <= 1.0 {
                return Some(Self { share: a / (a + b) });
            }
        }
    }

    /// Blends real values of examples with those of their partners.
    #[allow(clippy::cast_possible_truncation)]
    pub fn blend(self, own: &mut [f32], partner: &[f32]) {
        let share = self.share as f32;
        for (a, b) in own.iter_mut().zip(partner) {
            *a = share * *a + (1.0 - share) * b;
        }
    }
}

/// Partners of the examples at `places` of a batch of `size`: the next example, and the first one after the
/// last. The order of a batch is random, so the pairs are random too.
pub(crate) fn partners(size: usize, places: &[usize]) -> Vec<usize> {
    places.iter().map(|place| (place + 1) % size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_beta_distribution() {
        for (alpha, variance) in [(0.2, 1.0 / (4.0 * 1.4)), (1.0, 1.0 / 12.0)] {
            let n = 20_000;
            let shares: Vec<f64> = (0..n).map(|step| Mixup::of(alpha, 5, step).unwrap().share).collect();
            let mean = shares.iter().sum::<f64>() / n as f64;
            let found = shares.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
            // Five standard errors of the mean are 0.015.
            assert!((mean - 0.5).abs() < 0.015, "{alpha}: mean {mean}");
            assert!((found / variance - 1.0).abs() < 0.04, "{alpha}: variance {found}, {variance}");
        }
        assert_eq!(Mixup::of(0.0, 5, 0), None);
    }

    #[test]
    fn partners_do_not_depend_on_the_parts_of_a_batch() {
        assert_eq!(partners(3, &[0, 1, 2]), [1, 2, 0]);
        assert_eq!([partners(3, &[0, 1]), partners(3, &[2])].concat(), [1, 2, 0]);
    }
}
