//! Logits before sampling: bias, penalties and log-probabilities.

/// Stands for minus infinity, so that log-probabilities stay finite.
const SUPPRESSED: f32 = -1e30;

/// Bias and penalties that are added to logits, as in `OpenAI`'s API
/// (<https://platform.openai.com/docs/api-reference/completions/create>).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogitsProcessor {
    /// Subtracted from a token's logit for each time that it has been generated.
    pub frequency: f64,
    /// Subtracted once from the logit of each token that has been generated.
    pub presence: f64,
    /// Added to the logits of single tokens, by the tokenizer's ids.
    pub bias: Vec<(u32, f64)>,
    /// Divisor of the positive logits, and factor of the negative ones, of tokens that the prompt or the text has
    /// (Keskar et al. 2019, section 4.1); `None` without.
    pub repetition: Option<f64>,
    /// Indices of tokens that are never generated, padding counted.
    pub suppressed: Vec<u32>,
}

impl LogitsProcessor {
    /// Processed logits `[vocabulary]` after `tokens`, of which the first `prompt` were not generated; `None` if there
    /// is nothing to change.
    pub fn apply(&self, logits: &[f32], tokens: &[u32], prompt: usize) -> Option<Vec<f32>> {
        if *self == Self::default() {
            return None;
        }
        let mut processed = logits.to_vec();
        self.penalise_repetition(&mut processed, tokens);
        let generated = tokens.get(prompt..).unwrap_or_default();
        let mut add = |token: u32, value: f64| {
            if let Some(logit) = processed.get_mut(token as usize) {
                #[allow(clippy::cast_possible_truncation, reason = "logits are 32-bit numbers")]
                let sum = (f64::from(*logit) + value) as f32;
                *logit = sum;
            }
        };
        let mut seen = generated.to_vec();
        seen.sort_unstable();
        for token in &seen {
            add(*token, -self.frequency);
        }
        seen.dedup();
        for token in &seen {
            add(*token, -self.presence);
        }
        // Index 0 is the padding, so token ids are shifted by one.
        for (token, value) in &self.bias {
            add(token.saturating_add(1), *value);
        }
        for token in &self.suppressed {
            if let Some(logit) = processed.get_mut(*token as usize) {
                *logit = SUPPRESSED;
            }
        }
        Some(processed)
    }

    #[allow(clippy::cast_possible_truncation, reason = "logits are 32-bit numbers")]
    fn penalise_repetition(&self, logits: &mut [f32], tokens: &[u32]) {
        let Some(penalty) = self.repetition else { return };
        let mut seen = tokens.to_vec();
        seen.sort_unstable();
        seen.dedup();
        for token in seen {
            if let Some(logit) = logits.get_mut(token as usize) {
                let value = f64::from(*logit);
                *logit = (if value < 0.0 { value * penalty } else { value / penalty }) as f32;
            }
        }
    }
}

/// Log-probability of a token, and the `top` likeliest tokens with theirs; padding is left out.
pub fn logprobs(logits: &[f32], token: u32, top: usize) -> (f64, Vec<(u32, f64)>) {
    let tokens = || logits.iter().skip(1).copied().map(f64::from);
    let most = tokens().fold(f64::NEG_INFINITY, f64::max);
    let all = most + tokens().map(|logit| (logit - most).exp()).sum::<f64>().ln();
    let mut ordered: Vec<(u32, f64)> = (1..).zip(tokens().map(|logit| logit - all)).collect();
    let own = ordered.get((token as usize).wrapping_sub(1)).map_or(f64::NEG_INFINITY, |(_, own)| *own);
    let order = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if top < ordered.len() {
        ordered.select_nth_unstable_by(top, order);
        ordered.truncate(top);
    }
    ordered.sort_unstable_by(order);
    (own, ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_probabilities_are_those_of_the_softmax_without_the_padding() {
        let logits = [50.0, 1.0_f32.ln(), 2.0_f32.ln(), 5.0_f32.ln()];
        let (own, top) = logprobs(&logits, 2, 2);
        assert!((own - 0.25_f64.ln()).abs() < 1e-6, "{own}");
        assert_eq!(top.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [3, 2]);
        assert!((top[0].1 - 0.625_f64.ln()).abs() < 1e-6, "{top:?}");
        assert_eq!(logprobs(&logits, 1, 9).1.len(), 3);
        assert!(logprobs(&logits, 0, 0).1.is_empty());
    }

    #[test]
    fn penalties_and_bias_change_the_logits() {
        let none = LogitsProcessor::default();
        assert_eq!(none.apply(&[1.0; 4], &[1], 0), None);
        let bias = vec![(2, -100.0), (77, 1.0)];
        let some = LogitsProcessor { frequency: 0.5, presence: 0.25, bias, ..none };
        assert_eq!(some.apply(&[1.0; 4], &[3, 1, 2, 1], 1), Some(vec![1.0, -0.25, 0.25, -99.0]));
    }

    #[test]
    fn repeated_tokens_of_prompt_and_text_are_less_likely_and_suppressed_ones_impossible() {
        let processor =
            LogitsProcessor { repetition: Some(2.0), suppressed: vec![3, 99], ..LogitsProcessor::default() };
        let found = processor.apply(&[0.5, 1.0, -1.0, 4.0, 6.0], &[1, 2, 2, 50], 1).unwrap();
        assert_eq!(found, [0.5, 0.5, -2.0, -1e30, 6.0]);
    }
}
