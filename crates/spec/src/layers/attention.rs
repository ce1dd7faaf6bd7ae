//! `attention`: multi-head self-attention, its rotary positions and its low-rank adapters.

mod rope;
mod variant;

pub use self::rope::{ROPE_BASE, Rope, RopeScaling};
pub use self::variant::AttentionVariant;
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
    pub variant: AttentionVariant,
}

impl AttentionSizes {
    pub(super) fn contract(&self, input: &[usize]) -> Result<LayerContract, Misfit> {
        let (time, width) = sequence(input)?;
        self.check(input, width)?;
        let (q, kv) = (self.q_width(width), self.kv_width(width));
        let maps = [("q.", width, q), ("k.", width, kv), ("v.", width, kv), ("o.", q, width)];
        let linear = |(name, input, out)| WeightSpec::linear(name, input, out, self.bias);
        let mut weights: Vec<WeightSpec> = maps.into_iter().flat_map(linear).collect();
        if self.variant.norm_eps.is_some() {
            let norm = |name| WeightSpec::new(name, [self.head_width(width)], Init::Constant(1.0));
            weights.extend(["q_norm.weight", "k_norm.weight"].map(norm));
        }
        let (steps, columns) = (time as u64, q as u64);
        let projections = work(&[steps, width as u64, 2 * (columns.saturating_add(kv as u64))]);
        // Scores and the mix of the values, over all steps; a causal mask is not counted.
        let mixing = work(&[2, steps, steps, columns]);
        Ok(LayerContract::new(input.to_vec(), weights, projections.saturating_add(mixing)))
    }

    fn check(&self, input: &[usize], width: usize) -> Result<(), Misfit> {
        probability(input, self.dropout)?;
        let (heads, kv) = (self.heads, self.kv_heads.unwrap_or(self.heads));
        let divides = self.variant.head_width.is_some() || width.is_multiple_of(heads.max(1));
        if heads == 0 || !divides || kv == 0 || !heads.is_multiple_of(kv) {
            let needs = "heads that divide the width, and kv_heads that divide heads";
            return Err(Misfit::new(input, needs, "change `heads`"));
        }
        self.variant.check(input, self.head_width(width))?;
        let rotated = self.variant.rope_width.unwrap_or(self.head_width(width));
        if self.rope && !rotated.is_multiple_of(2) {
            return Err(Misfit::new(input, "an even width for each head with `rope`", "change `heads`"));
        }
        let pairs = rotated / 2;
        let fits = |scaling: &RopeScaling| match scaling {
            RopeScaling::Long { factors, .. } => scaling.is_valid() && factors.len() == pairs,
            scaling => scaling.is_valid(),
        };
        if self.rope_scaling.as_ref().is_some_and(|scaling| !fits(scaling)) {
            let needs = "a `rope_scaling` with a factor of 1 or more (one for each pair of `long`), and low below high";
            return Err(Misfit::new(input, needs, "change `rope_scaling`"));
        }
        Ok(())
    }

    fn head_width(&self, width: usize) -> usize {
        self.variant.head_width(width, self.heads)
    }

    /// Width of all queries.
    fn q_width(&self, width: usize) -> usize {
        self.head_width(width).saturating_mul(self.heads)
    }

    /// Width of all keys, and of all values.
    fn kv_width(&self, width: usize) -> usize {
        self.head_width(width).saturating_mul(self.kv_heads.unwrap_or(self.heads))
    }

    /// The matrices `A` `[rank, in]` and `B` `[out, rank]` beside the maps of queries and values (Hu et al.
    /// 2022). `B` starts at zero, so that the adapted network starts as the original one.
    pub(super) fn adapters(&self, input: &[usize], lora: Lora) -> Result<Vec<WeightSpec>, Misfit> {
        let (_, width) = sequence(input)?;
        self.check(input, width)?;
        let maps = [("q", self.q_width(width)), ("v", self.kv_width(width))];
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
