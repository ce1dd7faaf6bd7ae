//! The candle engine: the same layers on the same weights, on the CPU.

mod attention;
mod decode;
mod head;
mod layers;
mod recurrent;
mod series;
mod source;
mod tensors;
mod weights;

use candle_core::Tensor;
use cupola_kernels::WeightFormat;
use cupola_nn::{Architecture, WeightReader};
use cupola_prep::Examples;
use cupola_spec::Take;

use super::{Decoder, Engine, EngineCapabilities};
use crate::error::Error;
use head::HeadLayer;
use layers::{LayerOp, MaskedTensor, run};
use source::SourceLayers;
use weights::WeightLookup;

/// Multiplications (weights times values that go in) from which on a forward pass is worth more than one thread.
const POOLED: usize = 1 << 26;
/// Tokens that are worth a pass over the weights.
const GROUP_TOKENS: usize = 64;

/// A network as a list of operations on candle tensors.
pub(crate) struct CandleEngine {
    sources: Vec<SourceLayers>,
    /// `true` if the sources' vectors are stacked instead of concatenated.
    stacked: bool,
    trunk: Vec<LayerOp>,
    head: HeadLayer,
    /// Channel whose level is taken out of a series window before the trunk and added back to the logits.
    level: Option<usize>,
    /// Range of the logits.
    logit_range: Option<[f32; 2]>,
    /// `true` if padding at the ends of texts can be cut off.
    trims_padding: bool,
    output: usize,
    format: WeightFormat,
    weight_count: usize,
    /// Longest text in tokens, of a network with a KV cache.
    max_tokens: Option<usize>,
    /// Floats that each attention layer stores for a token.
    kv_widths: Vec<usize>,
}

impl CandleEngine {
    /// Builds the network from weights under `PyTorch`'s names and in its layouts, each of which is read when its layer is
    /// built.
    #[allow(clippy::cast_possible_truncation, reason = "logits are in single precision")]
    pub fn new(
        architecture: &Architecture,
        weights: &dyn WeightReader,
        format: WeightFormat,
    ) -> Result<Self, Error> {
        architecture.check_weights(weights)?;
        let lookup = WeightLookup { architecture, weights, format };
        let several = architecture.sources.len() > 1;
        let sources = architecture.sources.iter().map(|source| {
            let prefix = if several { source.prefix() } else { String::new() };
            SourceLayers::new(&lookup, &prefix, source)
        });
        let sources = sources.collect::<Result<_, _>>()?;
        let trunk = layers::build(&lookup, "trunk", &architecture.trunk)?;
        let head = HeadLayer::new(&lookup)?;
        let kv_widths = decode::kv_widths(&trunk);
        Ok(Self {
            sources,
            stacked: architecture.stacked,
            trunk,
            head,
            level: architecture.level,
            logit_range: architecture.logit_range.map(|range| range.map(|end| end as f32)),
            trims_padding: architecture.trims_padding(),
            output: architecture.output,
            format,
            weight_count: weight_count(weights),
            max_tokens: architecture.supports_kv_cache().then(|| architecture.steps()),
            kv_widths,
        })
    }

    /// Rows in groups of texts of about equal length: a short text among long ones would cost as much as they do.
    fn groups(&self, examples: &Examples) -> Vec<Vec<usize>> {
        if !self.trims_padding || examples.rows < 2 {
            return Vec::new();
        }
        let mut rows: Vec<(usize, usize)> =
            examples.text_lengths().enumerate().map(|(row, length)| (length, row)).collect();
        rows.sort_unstable();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut shortest = 0;
        for (length, row) in rows {
            match groups.last_mut() {
                Some(group) if group.len() * shortest < GROUP_TOKENS || length <= shortest + shortest / 4 => {
                    group.push(row);
                }
                _ => {
                    groups.push(vec![row]);
                    shortest = length;
                }
            }
        }
        groups
    }

    fn forward_group(&self, examples: Examples) -> Result<Vec<f32>, Error> {
        let examples = if self.trims_padding { examples.trim_padding() } else { examples };
        let values = (examples.dense.len() + examples.indices.len()).max(1);
        self.pooled(values, || self.logits(&examples))
    }

    /// Runs large passes inside the thread pool: shared out from outside, each kernel would cost two threads' waking.
    fn pooled<T: Send>(&self, values: usize, run: impl FnOnce() -> T + Send) -> T {
        if self.weight_count.saturating_mul(values) < POOLED { run() } else { rayon::scope(|_| run()) }
    }

    /// Values that go into the trunk: those of all sources.
    fn entry(&self, examples: &Examples) -> Result<MaskedTensor, Error> {
        let (mut dense, mut index) = (0, 0);
        let mut flows = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            flows.push(source.forward(examples, dense, index)?);
            dense += source.block().dense_width();
            index += source.block().index_width();
        }
        if flows.len() == 1 {
            return Ok(flows.remove(0));
        }
        let parts: Vec<Tensor> = flows.into_iter().map(|flow| flow.x).collect();
        let joined = if self.stacked { Tensor::stack(&parts, 1)? } else { Tensor::cat(&parts, 1)? };
        Ok(MaskedTensor::unmasked(joined))
    }

    /// Outputs of the trunk `[rows, width]` in row-major order, of a sequence its mean without padding.
    fn hidden(&self, examples: &Examples) -> Result<Vec<f32>, Error> {
        let mut entry = self.entry(examples)?;
        if self.level.is_some() {
            let [_, _, rest] = series::normalize(&entry.x)?;
            entry = MaskedTensor::unmasked(rest);
        }
        let MaskedTensor { x, mask } = run(&self.trunk, entry)?;
        let vectors = if x.rank() == 3 { layers::take(Take::Mean, &x, mask.as_ref())? } else { x };
        Ok(vectors.flatten_all()?.to_vec1()?)
    }

    /// Logits `[rows, output]` in row-major order.
    fn logits(&self, examples: &Examples) -> Result<Vec<f32>, Error> {
        let entry = self.entry(examples)?;
        let logits = match self.level {
            None => self.head.forward(run(&self.trunk, entry)?, self.output)?,
            Some(channel) => {
                let [mean, deviation, rest] = series::normalize(&entry.x)?;
                let x = self.head.forward(run(&self.trunk, MaskedTensor::unmasked(rest))?, self.output)?;
                let of = |all: &Tensor| all.narrow(2, channel, 1)?.squeeze(2);
                x.broadcast_mul(&of(&deviation)?)?.broadcast_add(&of(&mean)?)?
            }
        };
        let mut logits: Vec<f32> = logits.flatten_all()?.to_vec1()?;
        if let Some([low, high]) = self.logit_range {
            for logit in &mut logits {
                *logit = logit.clamp(low, high);
            }
        }
        Ok(logits)
    }
}

/// Number of values of all weights.
fn weight_count(weights: &dyn WeightReader) -> usize {
    let shapes = weights.names().into_iter().filter_map(|name| weights.shape(name));
    shapes.map(|shape| shape.iter().product::<usize>()).sum()
}

impl Engine for CandleEngine {
    fn name(&self) -> String {
        match self.format {
            WeightFormat::F32 => "candle on the CPU".to_owned(),
            WeightFormat::Int8 => "candle on the CPU in 8 bits".to_owned(),
        }
    }

    fn capabilities(&self) -> EngineCapabilities {
        EngineCapabilities { any_thread: true, decodes: self.max_tokens.is_some() }
    }

    fn forward(&mut self, examples: Examples) -> Result<Vec<f32>, Error> {
        let groups = self.groups(&examples);
        if groups.len() < 2 {
            return self.forward_group(examples);
        }
        let mut out = Vec::new();
        for group in groups {
            let logits = self.forward_group(examples.gather(&group))?;
            let width = logits.len() / group.len();
            out.resize(examples.rows * width, 0.0);
            for (row, logits) in group.into_iter().zip(logits.chunks_exact(width.max(1))) {
                out[row * width..(row + 1) * width].copy_from_slice(logits);
            }
        }
        Ok(out)
    }

    fn representations(&mut self, examples: &Examples) -> Result<Option<Vec<f32>>, Error> {
        let values = (examples.dense.len() + examples.indices.len()).max(1);
        self.pooled(values, || self.hidden(examples)).map(Some)
    }

    fn decoder(&mut self) -> Option<&mut dyn Decoder> {
        if self.max_tokens.is_some() { Some(self) } else { None }
    }
}
