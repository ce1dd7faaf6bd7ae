//! Text from a language model, token by token.

use cupola_prep::{Examples, FittedInput, FittedTarget, FittedTokenizer, draw, unit};
use cupola_spec::Block;

use crate::engine;
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

    /// Goes on with `prompt` by `count` tokens; `told` hears the text piece by piece, the prompt first.
    /// Where the text outgrows the model's length, the model goes on from the last half of that.
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
        let tokens = tokenizer.encode(start).map_err(words)?;
        let mut first = tokens.len().saturating_sub(length);
        let mut spoken = Spoken { tokens, whole: 0, read: 0 };
        let mut text = String::new();
        for step in 0..=count {
            let piece = spoken.piece(&tokenizer, step == count).map_err(words)?;
            told(&piece);
            text.push_str(&piece);
            if step == count {
                break;
            }
            if spoken.tokens.len() - first > length {
                first = spoken.tokens.len() - length.div_ceil(2);
            }
            let logits = self.next(&spoken.tokens[first..])?;
            spoken.tokens.push(u32::try_from(sampling.choose(&logits, step)).unwrap_or_default());
        }
        Ok(text)
    }

    /// Logits of the token after `window`, which is no longer than the model's text.
    ///
    /// # Errors
    /// When the device fails.
    pub fn next(&mut self, window: &[u32]) -> Result<Vec<f32>, Error> {
        let text: Vec<i32> = window.iter().map(|token| i32::try_from(*token).unwrap_or_default()).collect();
        let kept = engine::contained(self.engine.as_mut(), |engine| engine.next(&text).transpose())?;
        if let Some(logits) = kept {
            return Ok(logits);
        }
        let mut examples = Examples::zeros(self.plan.layout(), 1);
        for (place, token) in examples.indices.iter_mut().zip(window) {
            *place = i32::try_from(*token).unwrap_or_default();
        }
        let width = self.plan.width();
        let logits = self.logits(examples)?;
        let at = window.len().max(1) - 1;
        Ok(logits.get(at * width..(at + 1) * width).map(<[f32]>::to_vec).unwrap_or_default())
    }
}

/// A text that grows by tokens. Only the last ones are decoded again: a decoder may treat a text's first
/// token in a way of its own, and a token may end inside a character.
struct Spoken {
    tokens: Vec<u32>,
    /// Tokens before the last piece.
    whole: usize,
    /// Tokens up to its end.
    read: usize,
}

impl Spoken {
    /// The text since the last piece; empty while its last character is not whole, unless it is the last.
    fn piece(&mut self, tokenizer: &FittedTokenizer, last: bool) -> Result<String, String> {
        let before = tokenizer.decode(&self.tokens[self.whole..self.read])?;
        let after = tokenizer.decode(&self.tokens[self.whole..])?;
        if after.ends_with('\u{fffd}') && !last {
            return Ok(String::new());
        }
        (self.whole, self.read) = (self.read, self.tokens.len());
        Ok(after.strip_prefix(before.as_str()).unwrap_or(&after).to_owned())
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
