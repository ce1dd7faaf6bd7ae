//! Choice of the next token.

use cupola_prep::{draw, unit};

/// Sampling parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Divisor of the logits; 0 takes the likeliest token.
    pub temperature: f64,
    /// Number of likeliest tokens to choose from; 0 means all (Fan et al. 2018).
    pub top_k: usize,
    /// Probability mass of the likeliest tokens to choose from (Holtzman et al. 2020).
    pub top_p: f64,
    /// Seed of the draws.
    pub seed: u64,
}

/// Number of tokens that are sorted first.
const SORTED: usize = 64;

/// Token index and unnormalised probability.
type WeightedToken = (usize, f64);

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 0 }
    }
}

impl Sampling {
    /// Index of the next token; never 0, the padding. Each draw is a function of the seed and its `step`.
    pub fn choose(&self, logits: &[f32], step: u64) -> usize {
        let tokens = || logits.iter().enumerate().skip(1);
        // The first one of equal logits.
        let Some((best, most)) = tokens().reduce(|a, b| if b.1.total_cmp(a.1).is_gt() { b } else { a })
        else {
            return 0;
        };
        if self.temperature <= 0.0 {
            return best;
        }
        let weight = |x: f32| (f64::from(x - most) / self.temperature).exp();
        let mut weighed: Vec<WeightedToken> = tokens().map(|(token, x)| (token, weight(*x))).collect();
        let chosen = self.nucleus(&mut weighed);
        let sum: f64 = chosen.iter().map(|(_, weight)| weight).sum();
        let mut left = unit(draw(self.seed, "generate", 0, step)) * sum;
        for &(token, weight) in chosen {
            if left < weight {
                return token;
            }
            left -= weight;
        }
        chosen.last().map_or(best, |&(token, _)| token)
    }

    /// Tokens that may be drawn, at least one. Of a large vocabulary only as many are sorted as are needed.
    fn nucleus<'a>(&self, all: &'a mut [WeightedToken]) -> &'a [WeightedToken] {
        let order = |a: &WeightedToken, b: &WeightedToken| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        let first = |all: &mut [WeightedToken], count: usize| {
            if count < all.len() {
                all.select_nth_unstable_by(count, order);
            }
        };
        let all = if self.top_k > 0 && self.top_k < all.len() {
            first(all, self.top_k);
            &mut all[..self.top_k]
        } else {
            all
        };
        if self.top_p >= 1.0 {
            return all;
        }
        let enough = self.top_p * all.iter().map(|(_, weight)| weight).sum::<f64>();
        let mut sorted = SORTED.min(all.len());
        loop {
            first(all, sorted);
            all[..sorted].sort_unstable_by(order);
            let mut sum = 0.0;
            // The token that reaches the mass is included.
            let within = all[..sorted].iter().take_while(|(_, weight)| {
                let before = sum;
                sum += weight;
                before < enough
            });
            let count = within.count();
            if count < sorted || sorted == all.len() {
                return &all[..count.max(1)];
            }
            sorted = (4 * sorted).min(all.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Sampling {
        Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 3 }
    }

    fn counts(sampling: &Sampling, logits: &[f32]) -> Vec<usize> {
        let mut counts = vec![0; logits.len()];
        (0..20_000).for_each(|step| counts[sampling.choose(logits, step)] += 1);
        counts
    }

    #[test]
    fn draws_follow_the_softmax_and_padding_is_never_drawn() {
        let logits = [9.0, 1.0_f32.ln(), 2.0_f32.ln(), 5.0_f32.ln()];
        let found = counts(&plain(), &logits);
        for (count, share) in found.iter().zip([0.0, 0.125, 0.25, 0.625]) {
            // Four standard errors are 0.014 at most.
            assert!((*count as f64 / 20_000.0 - share).abs() < 0.014, "{found:?}");
        }
        // Temperature 0.5 squares the odds: 1, 4, 25.
        let cold = counts(&Sampling { temperature: 0.5, ..plain() }, &logits);
        assert!((cold[2] as f64 / 20_000.0 - 4.0 / 30.0).abs() < 0.014, "{cold:?}");
    }

    #[test]
    fn greedy_top_k_and_top_p_leave_tokens_out() {
        let logits = [9.0, 1.0_f32.ln(), 2.0_f32.ln(), 5.0_f32.ln()];
        assert_eq!(counts(&Sampling { temperature: 0.0, ..plain() }, &logits), [0, 0, 0, 20_000]);
        assert_eq!(counts(&Sampling { top_k: 2, ..plain() }, &logits)[1], 0);
        // 0.625 alone is not enough for 0.7, 0.875 is.
        let nucleus = counts(&Sampling { top_p: 0.7, ..plain() }, &logits);
        assert!(nucleus[1] == 0 && nucleus[2] > 0, "{nucleus:?}");
        assert_eq!(counts(&Sampling { top_p: 0.5, ..plain() }, &logits)[3], 20_000);
        assert_eq!(Sampling { top_p: 0.0, ..plain() }.choose(&logits, 0), 3);
    }
}
