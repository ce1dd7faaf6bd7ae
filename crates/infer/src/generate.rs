//! Text from a language model, token by token.

use cupola_prep::{Examples, FittedInput, FittedTarget, draw, unit};
use cupola_spec::Block;

use crate::error::Error;
use crate::predictor::Predictor;

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 takes the likeliest token.
    pub temperature: f64,
    /// Only so many of the likeliest tokens; 0 means all (Fan et al. 2018).
    pub top_k: usize,
    /// Only the likeliest tokens whose probabilities sum to this (Holtzman et al. 2020).
    pub top_p: f64,
    /// Of the draws.
    pub seed: u64,
}

/// A token's index and its weight.
type Weighed = (usize, f64);

impl Sampling {
    /// The index of the next token from its logits; 0, the padding, is never chosen. `step` counts the
    /// draws, each of which is a function of the seed and its step.
    pub fn choose(&self, logits: &[f32], step: u64) -> usize {
        let mut ranked: Vec<Weighed> =
            logits.iter().enumerate().skip(1).map(|(token, x)| (token, f64::from(*x))).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let Some(&(best, most)) = ranked.first() else { return 0 };
        if self.temperature <= 0.0 {
            return best;
        }
        if self.top_k > 0 {
            ranked.truncate(self.top_k);
        }
        for (_, weight) in &mut ranked {
            *weight = ((*weight - most) / self.temperature).exp();
        }
        let total: f64 = ranked.iter().map(|(_, weight)| weight).sum();
        let mut kept = 0.0;
        let within = |&(_, weight): &Weighed| {
            // The token that crosses the line is in.
            let before = kept;
            kept += weight / total;
            before < self.top_p
        };
        let nucleus: Vec<Weighed> = ranked.iter().copied().take_while(within).collect();
        let sum: f64 = nucleus.iter().map(|(_, weight)| weight).sum();
        let mut left = unit(draw(self.seed, "generate", 0, step)) * sum;
        for &(token, weight) in &nucleus {
            if left < weight {
                return token;
            }
            left -= weight;
        }
        nucleus.last().map_or(best, |&(token, _)| token)
    }
}

impl Predictor {
    /// Whether the package is a language model.
    pub fn is_language_model(&self) -> bool {
        matches!(self.plan.target, FittedTarget::NextToken { .. })
    }

    /// Goes on with `prompt` by `count` tokens; `told` hears the whole text after each.
    ///
    /// # Errors
    /// [`Error::NoLanguageModel`] for any other package; what the device says.
    pub fn generate(
        &mut self,
        prompt: &str,
        count: u64,
        sampling: &Sampling,
        told: &mut dyn FnMut(&str),
    ) -> Result<String, Error> {
        let (true, [FittedInput::Text { tokenizer, length, .. }]) =
            (self.is_language_model(), self.plan.inputs.as_slice())
        else {
            return Err(Error::NoLanguageModel { target: self.plan.target.name().to_owned() });
        };
        let (tokenizer, length) = (tokenizer.clone(), *length);
        let words = |why| Error::Tokens { why };
        // Generation has to begin after something: a line break ends each text of the training rows.
        let start = if prompt.is_empty() { "\n" } else { prompt };
        let mut tokens = tokenizer.encode(start).map_err(words)?;
        let mut text = String::new();
        for step in 0..count {
            let window = &tokens[tokens.len().saturating_sub(length)..];
            let logits = self.next(window)?;
            let token = sampling.choose(&logits, step);
            tokens.push(u32::try_from(token).unwrap_or_default());
            text = tokenizer.decode(&tokens).map_err(words)?;
            told(&text);
        }
        Ok(text)
    }

    /// Logits of the token after `window`, which is no longer than the model's text.
    ///
    /// # Errors
    /// When the device fails.
    pub fn next(&mut self, window: &[u32]) -> Result<Vec<f32>, Error> {
        let mut examples = Examples::zeros(self.plan.layout(), 1);
        for (place, token) in examples.indices.iter_mut().zip(window) {
            *place = i32::try_from(*token).unwrap_or_default();
        }
        let width = self.plan.target.width();
        let logits = self.logits(examples)?;
        let at = window.len().max(1) - 1;
        Ok(logits.get(at * width..(at + 1) * width).map(<[f32]>::to_vec).unwrap_or_default())
    }
}

/// Place of the last token of each row that is no padding.
pub(crate) fn last_tokens(examples: &Examples) -> Vec<usize> {
    let [Block::Text { length, .. }] = examples.layout.blocks.as_slice() else { return Vec::new() };
    let last = |row: &[i32]| row.iter().rposition(|&token| token != 0).unwrap_or(0);
    examples.indices.chunks(*length).map(last).collect()
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
