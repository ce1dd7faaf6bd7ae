//! The candle engine: the same layers on the same weights, CPU only.

mod attention;
mod decode;
mod op;
mod recurrent;
mod series;
mod tensors;

use candle_core::{Device, Shape, Tensor};
use cupola_kernels::{LinearKernel, WeightFormat};
use cupola_nn::{Architecture, Array, Average, InputSource, LogitPart, StateDict};
use cupola_prep::Examples;
use cupola_spec::{Block, Head, TableStem};

use crate::engine::{Engine, Turn};
use crate::error::Error;
pub(crate) use decode::KeptText;
use op::{Flow, Op, run};

/// Weights times values that go in, from which on a forward pass is worth more than one thread.
const POOLED: usize = 1 << 26;
/// Tokens that a pass over the weights is worth.
const GROUP: usize = 64;
/// Answers from which on their map is as the others are.
const VOCABULARY: usize = 4_096;
/// Keeps a logarithm finite.
const TINY: f64 = 1e-12;

/// The network as a list of candle operations.
pub struct CandleEngine {
    sources: Vec<SourceOps>,
    stacked: bool,
    trunk: Vec<Op>,
    head: HeadOp,
    level: Option<usize>,
    trims: bool,
    output: usize,
    format: WeightFormat,
    /// How many it has.
    weights: usize,
    /// Tokens of a text at most, of a network that keeps something of one.
    length: Option<usize>,
    /// Numbers that each layer of attention keeps of a token.
    attentions: Vec<usize>,
}

/// A source with its weights.
struct SourceOps {
    source: InputSource,
    embeddings: Vec<Tensor>,
    stem: Vec<Op>,
    encoder: Vec<Op>,
}

enum HeadOp {
    Vector(LinearKernel),
    Identity,
    /// `[members, in, out]` and `[members, 1, out]`
    Members(Tensor, Tensor, Vec<LogitPart>),
}

/// Weights under the names of an architecture.
pub(crate) struct Named<'a> {
    architecture: &'a Architecture,
    weights: &'a StateDict,
    format: WeightFormat,
}

impl Named<'_> {
    fn array(&self, place: &str, part: &str) -> Result<&Array, Error> {
        let name = format!("{}.{part}", self.architecture.module_name(place));
        Ok(self.weights.get(&name).ok_or(cupola_nn::Error::Missing { name })?)
    }

    /// A weight `part` of the module at a place.
    pub(crate) fn get(&self, place: &str, part: &str) -> Result<Tensor, Error> {
        let array = self.array(place, part)?;
        Ok(Tensor::from_vec(array.data.clone(), array.shape.clone(), &Device::Cpu)?)
    }

    /// The linear maps at these places as one: what they make lies side by side.
    pub(crate) fn linear(&self, places: &[&str], bias: bool) -> Result<LinearKernel, Error> {
        let (mut weight, mut biases, mut input) = (Vec::new(), Vec::new(), 0);
        for place in places {
            // As they lie: a large model's weights are not copied through tensors.
            let part = self.array(place, "weight")?;
            (_, input) = Shape::from(part.shape.clone()).dims2()?;
            weight.extend_from_slice(&part.data);
            if bias {
                let part = self.array(place, "bias")?;
                Shape::from(part.shape.clone()).dims1()?;
                biases.extend_from_slice(&part.data);
            }
        }
        Ok(LinearKernel::new(&weight, bias.then_some(biases), input, self.format))
    }
}

impl CandleEngine {
    /// Reads the weights in `PyTorch`'s names and layouts.
    pub fn new(
        architecture: &Architecture,
        weights: &StateDict,
        format: WeightFormat,
    ) -> Result<Self, Error> {
        let named = Named { architecture, weights, format };
        let several = architecture.sources.len() > 1;
        let sources = architecture.sources.iter().map(|source| {
            let prefix = if several { source.prefix() } else { String::new() };
            SourceOps::new(&named, &prefix, source)
        });
        let sources = sources.collect::<Result<_, _>>()?;
        let trunk = op::ops(&named, "trunk", &architecture.trunk)?;
        // What follows it are the answers; small, but for that of a large vocabulary.
        let large = architecture.output >= VOCABULARY;
        let exact = Named { format: if large { format } else { WeightFormat::F32 }, ..named };
        let head = match architecture.head {
            Head::Vector | Head::Steps => HeadOp::Vector(exact.linear(&["head"], true)?),
            Head::Identity => HeadOp::Identity,
            Head::Members => {
                let bias = named.get("head", "bias")?.unsqueeze(1)?;
                HeadOp::Members(named.get("head", "weight")?, bias, architecture.logit_parts())
            }
        };
        let Architecture { level, output, stacked, .. } = *architecture;
        let trims = architecture.trims_padding();
        let weights = weights.names().filter_map(|name| weights.get(name)).map(|w| w.data.len()).sum();
        let length = architecture.supports_kv_cache().then(|| architecture.steps());
        let attentions = decode::attentions(&trunk);
        Ok(Self { sources, stacked, trunk, head, level, trims, output, format, weights, length, attentions })
    }
}

impl Engine for CandleEngine {
    fn name(&self) -> String {
        match self.format {
            WeightFormat::F32 => "candle on the CPU".to_owned(),
            WeightFormat::Int8 => "candle on the CPU in 8 bits".to_owned(),
        }
    }

    fn forward(&mut self, examples: Examples) -> Result<Vec<f32>, Error> {
        let groups = self.groups(&examples);
        if groups.len() < 2 {
            return self.run(examples);
        }
        let mut out = Vec::new();
        for group in groups {
            let logits = self.run(examples.gather(&group))?;
            let width = logits.len() / group.len();
            out.resize(examples.rows * width, 0.0);
            for (row, logits) in group.into_iter().zip(logits.chunks_exact(width.max(1))) {
                out[row * width..(row + 1) * width].copy_from_slice(logits);
            }
        }
        Ok(out)
    }

    fn next(&mut self, turns: &mut [Turn<'_>]) -> Option<Result<Vec<Vec<f32>>, Error>> {
        self.go_on(turns)
    }

    fn kept_bytes(&self, tokens: usize) -> usize {
        // With the quarter that is set aside for growth.
        tokens * self.attentions.iter().sum::<usize>() * size_of::<f32>() / 4 * 5
    }
}

impl CandleEngine {
    /// Rows whose texts are about as long: a short one among long ones would cost what they do.
    fn groups(&self, examples: &Examples) -> Vec<Vec<usize>> {
        if !self.trims || examples.rows < 2 {
            return Vec::new();
        }
        let mut rows: Vec<(usize, usize)> =
            examples.text_lengths().enumerate().map(|(row, long)| (long, row)).collect();
        rows.sort_unstable();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut shortest = 0;
        for (long, row) in rows {
            match groups.last_mut() {
                Some(group) if group.len() * shortest < GROUP || long <= shortest + shortest / 4 => {
                    group.push(row);
                }
                _ => {
                    groups.push(vec![row]);
                    shortest = long;
                }
            }
        }
        groups
    }

    fn run(&self, examples: Examples) -> Result<Vec<f32>, Error> {
        let examples = if self.trims { examples.trim_padding() } else { examples };
        let tokens = (examples.dense.len() + examples.indices.len()).max(1);
        self.pooled(tokens, || self.logits(&examples))
    }

    /// Runs what is worth more than one thread inside the pool: what is shared out from outside of it costs two
    /// threads' waking each time.
    fn pooled<T: Send>(&self, tokens: usize, run: impl FnOnce() -> T + Send) -> T {
        if self.weights.saturating_mul(tokens) < POOLED { run() } else { rayon::scope(|_| run()) }
    }

    /// Logits `[rows, output]` in row-major order.
    fn logits(&self, examples: &Examples) -> Result<Vec<f32>, Error> {
        let (mut dense, mut index) = (0, 0);
        let mut flows = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            flows.push(source.forward(examples, dense, index)?);
            dense += source.source.block.dense_width();
            index += source.source.block.index_width();
        }
        let entry = if flows.len() == 1 {
            flows.remove(0)
        } else {
            let parts: Vec<Tensor> = flows.into_iter().map(|flow| flow.x).collect();
            Flow::plain(if self.stacked { Tensor::stack(&parts, 1)? } else { Tensor::cat(&parts, 1)? })
        };
        let logits = match self.level {
            None => self.head.forward(run(&self.trunk, entry)?, self.output)?,
            Some(channel) => {
                let [mean, deviation, rest] = series::take_out(&entry.x)?;
                let x = self.head.forward(run(&self.trunk, Flow::plain(rest))?, self.output)?;
                let of = |all: &Tensor| all.narrow(2, channel, 1)?.squeeze(2);
                x.broadcast_mul(&of(&deviation)?)?.broadcast_add(&of(&mean)?)?
            }
        };
        Ok(logits.flatten_all()?.to_vec1()?)
    }
}

impl SourceOps {
    fn new(named: &Named<'_>, prefix: &str, source: &InputSource) -> Result<Self, Error> {
        let embeddings = match &source.block {
            Block::Table { indices, .. } => (0..indices.len())
                .map(|index| named.get(&format!("{prefix}embeddings.{index}"), "weight"))
                .collect::<Result<_, _>>()?,
            Block::Text { .. } => vec![named.get(&format!("{prefix}tokens"), "weight")?],
            Block::Image { .. } | Block::Series { .. } => Vec::new(),
        };
        Ok(Self {
            stem: op::ops(named, &format!("{prefix}numbers"), &source.stem_layers())?,
            encoder: op::ops(named, &format!("{prefix}layers"), &source.encoder)?,
            embeddings,
            source: source.clone(),
        })
    }

    fn forward(&self, examples: &Examples, dense_at: usize, index_at: usize) -> Result<Flow, Error> {
        let rows = examples.rows;
        let block = &self.source.block;
        let dense = columns(&examples.dense, rows, dense_at, block.dense_width());
        let indices: Vec<u32> = columns(&examples.indices, rows, index_at, block.index_width())
            .into_iter()
            .map(|i| u32::try_from(i).unwrap_or_default())
            .collect();
        let flow = match *block {
            Block::Table { .. } => self.table(rows, dense, &indices)?,
            Block::Image { shape: [c, h, w] } => {
                Flow::plain(Tensor::from_vec(dense, (rows, c, h, w), &Device::Cpu)?)
            }
            Block::Series { steps, width } => {
                Flow::plain(Tensor::from_vec(dense, (rows, steps, width), &Device::Cpu)?)
            }
            Block::Text { .. } => {
                let length = indices.len() / rows.max(1);
                let padding: Vec<f32> = indices.iter().map(|&i| f32::from(u8::from(i == 0))).collect();
                let indices = Tensor::from_vec(indices, rows * length, &Device::Cpu)?;
                let x = self.embeddings[0].index_select(&indices, 0)?.reshape((rows, length, ()))?;
                let mask = Some(Tensor::from_vec(padding, (rows, length), &Device::Cpu)?);
                Flow { x, mask }
            }
        };
        Ok(run(&self.encoder, flow)?)
    }

    fn table(&self, rows: usize, dense: Vec<f32>, indices: &[u32]) -> Result<Flow, Error> {
        let total = dense.len() / rows.max(1);
        let columns = self.embeddings.len();
        let embedded = self.embeddings.iter().enumerate().map(|(column, table)| {
            let index: Vec<u32> = indices.iter().skip(column).step_by(columns).copied().collect();
            table.index_select(&Tensor::from_vec(index, rows, &Device::Cpu)?, 0)
        });
        let embedded = embedded.collect::<Result<Vec<_>, _>>()?;
        let dense = (total > 0).then(|| Tensor::from_vec(dense, (rows, total), &Device::Cpu)).transpose()?;
        let mut parts = Vec::new();
        if matches!(self.source.stem, TableStem::Tokens { .. }) {
            if let Some(dense) = dense {
                parts.push(run(&self.stem, Flow::plain(dense))?.x);
            }
            for vectors in embedded {
                parts.push(vectors.unsqueeze(1)?);
            }
            return Ok(Flow::plain(Tensor::cat(&parts, 1)?));
        }
        if let Some(dense) = dense {
            let width = self.source.stem_width();
            if self.stem.is_empty() {
                parts.push(dense);
            } else {
                parts.push(run(&self.stem, Flow::plain(dense.narrow(1, 0, width)?.contiguous()?))?.x);
                if total > width {
                    parts.push(dense.narrow(1, width, total - width)?);
                }
            }
        }
        parts.extend(embedded);
        Ok(Flow::plain(Tensor::cat(&parts, 1)?))
    }
}

impl HeadOp {
    /// Logits `[rows, output]`.
    fn forward(&self, flow: Flow, output: usize) -> Result<Tensor, candle_core::Error> {
        match self {
            Self::Vector(linear) => tensors::map_rows(&flow.x, linear.output, |x| linear.forward(x)),
            Self::Identity => Ok(flow.x),
            Self::Members(weight, bias, parts) => {
                let x = flow.x.transpose(0, 1)?.contiguous()?.matmul(weight)?.broadcast_add(bias)?;
                let x = x.transpose(0, 1)?.contiguous()?;
                let mut at = 0;
                let parts = parts.iter().map(|part| {
                    at += part.width;
                    averaged(&x.narrow(2, at - part.width, part.width)?.contiguous()?, part.average)
                });
                Tensor::cat(&parts.collect::<Result<Vec<_>, _>>()?, 1)?.reshape(((), output))
            }
        }
    }
}

/// `[rows, members, width]` to `[rows, width]`.
fn averaged(x: &Tensor, average: Average) -> Result<Tensor, candle_core::Error> {
    match average {
        Average::Output => x.mean(1),
        Average::Sigmoid => {
            let p = op::sigmoid(x)?.mean(1)?.clamp(TINY, 1.0 - 1e-7)?;
            p.log()? - p.neg()?.affine(1.0, 1.0)?.log()?
        }
        Average::Softmax => op::softmax(x)?.mean(1)?.maximum(TINY)?.log(),
    }
}

/// Columns `at..at + width` of rows in row-major order.
fn columns<T: Copy>(values: &[T], rows: usize, at: usize, width: usize) -> Vec<T> {
    let all = values.len() / rows.max(1);
    if all == 0 || width == 0 {
        return Vec::new();
    }
    // Texts may come without the padding at their ends.
    let end = (at + width).min(all);
    values.chunks(all).flat_map(|row| &row[at..end]).copied().collect()
}
