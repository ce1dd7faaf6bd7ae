//! Shares of an example's values, summed to those of columns, pixels and tokens.

use cupola_prep::FittedInput;
use indexmap::IndexMap;

use super::explanation::{Explanation, LagAttribution, TokenAttribution};
use super::target::ExplainedOutput;
use super::{ExplainMethod, ExplainedRow};

/// Score of the reference and of the row, before the units of the target.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ScoreEnds {
    pub base: f64,
    pub output: f64,
}

/// Share of each value of an example, before the units of the target.
pub(super) struct ValueShares {
    pub dense: Vec<f64>,
    /// May leave out padding at the end of a single text.
    pub indices: Vec<f64>,
}

impl ExplainedRow<'_> {
    /// Explanation from the shares of all values.
    pub fn explanation(
        &self,
        method: ExplainMethod,
        output: &ExplainedOutput,
        ends: &ScoreEnds,
        shares: &ValueShares,
        reference: &'static str,
    ) -> Explanation {
        let factor = output.units[0];
        let mut sums = vec![0.0; self.groups.names.len()];
        let owned = shares
            .dense
            .iter()
            .zip(&self.groups.dense)
            .chain(shares.indices.iter().zip(&self.groups.indices));
        for (share, owner) in owned {
            sums[*owner] += factor * share;
        }
        let (base, score) = (output.in_units(ends.base), output.in_units(ends.output));
        Explanation {
            method,
            scale: output.scale,
            class: output.class.clone(),
            base,
            output: score,
            completeness_error: (score - base - sums.iter().sum::<f64>()).abs(),
            values: self.groups.names.iter().cloned().zip(sums).collect(),
            heat_maps: self.heat_maps(&shares.dense, factor),
            patches: IndexMap::new(),
            lags: self.lags(&shares.dense, factor),
            tokens: self.tokens(&shares.indices, factor),
            standard_errors: IndexMap::new(),
            evaluations: None,
            reference,
        }
    }

    /// Share of each pixel, all channels summed.
    fn heat_maps(&self, dense: &[f64], factor: f64) -> IndexMap<String, Vec<Vec<f32>>> {
        let each = self.groups.images.iter().map(|image| {
            let [channels, height, width] = image.shape;
            let pixel = |y: usize, x: usize| {
                let at = |channel: usize| image.start + (channel * height + y) * width + x;
                let sum: f64 = (0..channels).filter_map(|channel| dense.get(at(channel))).sum();
                #[allow(clippy::cast_possible_truncation, reason = "six digits are enough to draw")]
                let share = (factor * sum) as f32;
                share
            };
            let rows = (0..height).map(|y| (0..width).map(|x| pixel(y, x)).collect()).collect();
            (self.groups.names[image.group].clone(), rows)
        });
        each.collect()
    }

    /// Share of each range of lags.
    fn lags(&self, dense: &[f64], factor: f64) -> IndexMap<String, Vec<LagAttribution>> {
        let each = self.groups.windows.iter().map(|window| {
            let ranges = self.groups.lag_ranges(window).map(|range| {
                let sum: f64 = range.steps(window).iter().filter_map(|at| dense.get(*at)).sum();
                LagAttribution { from: range.from, to: range.to, value: factor * sum }
            });
            (self.groups.names[window.group].clone(), ranges.collect())
        });
        each.collect()
    }

    /// Share of each token that is not padding, with its text in the vocabulary.
    fn tokens(&self, indices: &[f64], factor: f64) -> IndexMap<String, Vec<TokenAttribution>> {
        let each = self.groups.texts.iter().map(|text| {
            let range = text.start.min(indices.len())..(text.start + text.length).min(indices.len());
            let tokens = &self.example.indices[range.clone()];
            let end = tokens.iter().rposition(|token| *token != 0).map_or(0, |last| last + 1);
            let named = tokens[..end].iter().zip(&indices[range]).map(|(token, share)| TokenAttribution {
                text: self.token_text(text.input, *token),
                start: None,
                end: None,
                value: factor * share,
            });
            (self.groups.names[text.group].clone(), named.collect())
        });
        each.collect()
    }

    fn token_text(&self, input: usize, token: i32) -> String {
        let Some(FittedInput::Text { tokenizer, .. }) = self.package.plan.inputs.get(input) else {
            return String::new();
        };
        u32::try_from(token).ok().and_then(|token| tokenizer.decode(&[token]).ok()).unwrap_or_default()
    }
}
