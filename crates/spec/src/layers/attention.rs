//! `attention`: multi-head self-attention, its rotary positions and its low-rank adapters.

mod rope;

pub use self::rope::{ROPE_BASE, Rope, RopeScaling};
use crate::layers::contract::{Init, LayerContract, Misfit, WeightSpec, probability, sequence, work};
use crate::model::Lora;

/// Settings of an attention layer that its weights and its cost depend on.
pub(super) struct AttentionSizes {
    pub heads: usize,
    pub kv_heads: Option<usize>,
    pub rope: bool,
    pub rope_scaling: Option<RopeScaling>,
    pub bias: bool,
    pub dropout: f64,
}

impl AttentionSizes {
    pub(super) fn contract(&self, input: &[usize]) -> Result<LayerContract, Misfit> {
        let (time, width) = sequence(input)?;
        self.check(input, width)?;
        let kv = self.kv_width(width);
        let maps = [("q.", width), ("k.", kv), ("v.", kv), ("o.", width)];
        let weights =
            maps.iter().flat_map(|&(name, out)| WeightSpec::linear(name, width, out, self.bias)).collect();
        let (steps, columns) = (time as u64, width as u64);
        let projections = work(&[steps, columns, 2 * (columns.saturating_add(kv as u64))]);
        // Scores and the mix of the values, over all steps; a causal mask is not counted.
        let mixing = work(&[2, steps, steps, columns]);
        Ok(LayerContract::new(input.to_vec(), weights, projections.saturating_add(mixing)))
    }

    fn check(&self, input: &[usize], width: usize) -> Result<(), Misfit> {
        probability(input, self.dropout)?;
        let (heads, kv) = (self.heads, self.kv_heads.unwrap_or(self.heads));
        if heads == 0 || !width.is_multiple_of(heads) || kv == 0 || !heads.is_multiple_of(kv) {
            let needs = "heads that divide the width, and kv_heads that divide heads";
            return Err(Misfit::new(input, needs, "change `heads`"));
        }
        if self.rope && !(width / heads).is_multiple_of(2) {
            return Err(Misfit::new(input, "an even width for each head with `rope`", "change `heads`"));
        }
        if self.rope_scaling.is_some_and(|scaling| !scaling.is_valid()) {
            let needs = "a `rope_scaling` with a factor of 1 or more, and low below high";
            return Err(Misfit::new(input, needs, "change `rope_scaling`"));
        }
        Ok(())
    }

    /// Width of all keys, and of all values.
    fn kv_width(&self, width: usize) -> usize {
        width / self.heads * self.kv_heads.unwrap_or(self.heads)
    }

    /// The matrices `A` `[rank, in]` and `B` `[out, rank]` beside the maps of queries and values (Hu et al.
    /// 2022). `B` starts at zero, so that the adapted network starts as the original one.
    pub(super) fn adapters(&self, input: &[usize], lora: Lora) -> Result<Vec<WeightSpec>, Misfit> {
        let (_, width) = sequence(input)?;
        self.check(input, width)?;
        let maps = [("q", width), ("v", self.kv_width(width))];
        let matrices = maps.iter().flat_map(|(name, out)| {
            let init = Init::Uniform { fan_in: width };
            [
                WeightSpec::new(&format!("{name}.lora_a"), [lora.rank, width], init),
                WeightSpec::new(&format!("{name}.lora_b"), [*out, lora.rank], Init::Constant(0.0)),
            ]
        });
        Ok(matrices.collect())
    }
}
