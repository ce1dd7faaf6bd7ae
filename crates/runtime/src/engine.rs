//! The engine trait on one page, the Burn engine, and the choice between the two.

use std::str::FromStr;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use cupola_kernels::WeightFormat;
use cupola_nn::{Architecture, InputBatch, KvCache, Network, SequenceStep, StateDict, catch_panic};
use cupola_prep::{Examples, Layout};
use serde::Serialize;

use crate::candle::CandleEngine;
use crate::error::Error;
use crate::kept::Kept;

/// Turns examples into logits.
pub trait Engine: Send {
    /// `burn` or `candle`, and the device.
    fn name(&self) -> String;

    /// Whether every thread may run it.
    fn runs_anywhere(&self) -> bool {
        true
    }

    /// Logits `[rows, output]` in row-major order.
    ///
    /// # Errors
    /// When the device fails; the engine stays usable.
    fn forward(&mut self, examples: Examples) -> Result<Vec<f32>, Error>;

    /// Logits `[output]` of the token after each of these texts. `None` where the engine keeps nothing of
    /// a text.
    ///
    /// # Errors
    /// As [`Engine::forward`].
    fn next(&mut self, _turns: &mut [Turn<'_>]) -> Option<Result<Vec<Vec<f32>>, Error>> {
        None
    }

    /// Bytes that are kept of a text of so many tokens.
    fn kept_bytes(&self, _tokens: usize) -> usize {
        0
    }
}

/// A text whose next token is wanted. It begins as the text before did more often than not.
#[derive(Debug)]
pub struct Turn<'a> {
    /// Its tokens.
    pub text: &'a [i32],
    /// What is kept of the text before.
    pub kept: &'a mut Kept,
}

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineChoice {
    /// The faster of the two on a CPU, by measurement, or candle for a language model; Burn on a GPU.
    Auto,
    /// Burn.
    Burn,
    /// candle, on the CPU.
    Candle,
    /// candle, on the CPU, with linear maps in 8 bits: smaller and faster, and not exact.
    Int8,
}

impl FromStr for EngineChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "burn" => Ok(Self::Burn),
            "candle" => Ok(Self::Candle),
            "int8" => Ok(Self::Int8),
            _ => Err(format!("`{text}` is no engine; use auto, burn, candle or int8")),
        }
    }
}

/// Which engine was taken, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EngineReport {
    /// The engine in use.
    pub engine: String,
    /// Why.
    pub why: String,
    /// Median microseconds of a one-row forward pass, where both were timed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burn_us: Option<f64>,
    /// The same for candle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candle_us: Option<f64>,
    /// Largest difference between their logits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_difference: Option<f32>,
}

struct BurnEngine {
    network: Network,
    device: Device,
    device_name: String,
    on_gpu: bool,
    /// Whether the network is one that keeps something.
    caches: bool,
}

impl Engine for BurnEngine {
    fn name(&self) -> String {
        format!("burn on {}", self.device_name)
    }

    fn runs_anywhere(&self) -> bool {
        !self.on_gpu
    }

    fn forward(&mut self, examples: Examples) -> Result<Vec<f32>, Error> {
        let examples = if self.network.trims_padding() { examples.trim_padding() } else { examples };
        let Examples { rows, dense, indices, .. } = examples;
        let input = InputBatch::new(rows, dense, indices, &self.device);
        let fail = |why: String| cupola_nn::Error::Device { device: self.device_name.clone(), why };
        let values = self.network.forward(&input).try_into_vec_as::<f32>();
        Ok(values.map_err(|error| fail(error.to_string()))?)
    }

    fn next(&mut self, turns: &mut [Turn<'_>]) -> Option<Result<Vec<Vec<f32>>, Error>> {
        self.caches.then(|| {
            // Out while they are written: a failure leaves nothing behind.
            let empty = || self.network.new_kv_cache(&self.device);
            let mut caches: Vec<KvCache> =
                turns.iter_mut().map(|turn| turn.kept.take_burn().unwrap_or_else(empty)).collect();
            let texts =
                turns.iter().zip(&mut caches).map(|(turn, cache)| SequenceStep { tokens: turn.text, cache });
            let logits = self.network.decode(&mut texts.collect::<Vec<_>>(), &self.device)?;
            for (turn, cache) in turns.iter_mut().zip(caches) {
                turn.kept.put_burn(cache);
            }
            Ok(logits)
        })
    }

    fn kept_bytes(&self, _tokens: usize) -> usize {
        self.network.kv_cache_bytes()
    }
}

/// A driver's or a kernel's panic ends one batch, not the server.
pub(crate) fn contained<T>(
    engine: &mut dyn Engine,
    run: impl FnOnce(&mut dyn Engine) -> Result<T, Error>,
) -> Result<T, Error> {
    let name = engine.name();
    catch_panic(|| run(engine)).unwrap_or_else(|why| Err(Error::Panicked { engine: name, why }))
}

/// Weights of a language model from which on a second engine beside the first, to compare them, takes more time
/// and memory than it is worth.
const LARGE: usize = 64 << 20;

/// Builds the engine that `choice` asks for, with the weights of a package.
pub(crate) fn build(
    choice: EngineChoice,
    architecture: &Architecture,
    weights: &StateDict,
    device: &cupola_nn::OpenDevice,
) -> Result<(Box<dyn Engine>, EngineReport), Error> {
    let burn = || -> Result<BurnEngine, Error> {
        let network = Network::load(architecture, weights.clone(), &device.device)?;
        let on_gpu = device.is_gpu();
        let (device, device_name) = (device.device.clone(), device.name.clone());
        Ok(BurnEngine { network, device, device_name, on_gpu, caches: architecture.supports_kv_cache() })
    };
    let candle = |precision| CandleEngine::new(architecture, weights, precision);
    let only = |engine: Box<dyn Engine>, why: &str| {
        let report = EngineReport {
            engine: engine.name(),
            why: why.to_owned(),
            burn_us: None,
            candle_us: None,
            max_difference: None,
        };
        (engine, report)
    };
    match choice {
        EngineChoice::Burn => Ok(only(Box::new(burn()?), "asked for")),
        EngineChoice::Candle => Ok(only(Box::new(candle(WeightFormat::F32)?), "asked for")),
        EngineChoice::Int8 => {
            let (mut exact, mut small) = (candle(WeightFormat::F32)?, candle(WeightFormat::Int8)?);
            let [a, b] = [&mut exact, &mut small].map(|engine| tried(engine, architecture, 1));
            let (engine, report) = only(Box::new(small), "asked for");
            Ok((engine, EngineReport { max_difference: Some(difference(&a?, &b?)), ..report }))
        }
        EngineChoice::Auto
            if !device.is_gpu() && architecture.supports_kv_cache() && architecture.parameters()? > LARGE =>
        {
            Ok(only(Box::new(candle(WeightFormat::F32)?), "makes texts together; too large for a comparison"))
        }
        EngineChoice::Auto => {
            let candle = Box::new(candle(WeightFormat::F32)?);
            choose(Box::new(burn()?), candle, device.is_gpu(), architecture)
        }
    }
}

/// Compares both engines on one row and on 64, and times them on one: on the CPU the faster one; a GPU that was asked
/// for, if its logits are right. A driver's wrong kernels must not answer anyone.
fn choose(
    mut burn: Box<dyn Engine>,
    mut candle: Box<dyn Engine>,
    on_gpu: bool,
    architecture: &Architecture,
) -> Result<(Box<dyn Engine>, EngineReport), Error> {
    let (mut most, mut scale) = (0.0, 1.0);
    // A GPU takes other kernels for one row than for many.
    // Long texts take long: fewer of them tell as much.
    let width = architecture.dense_width() + architecture.index_sizes().len();
    for rows in [1, (2_048 / width.max(1)).clamp(2, 64)] {
        let b = contained(candle.as_mut(), |engine| tried(engine, architecture, rows))?;
        scale = b.iter().map(|x| x.abs()).fold(scale, f32::max);
        most = match contained(burn.as_mut(), |engine| tried(engine, architecture, rows)) {
            Ok(a) => worse(most, difference(&a, &b)),
            Err(_) if on_gpu => f32::INFINITY,
            Err(error) => return Err(error),
        };
    }
    let allowed = if on_gpu { 2e-2 } else { 1e-4 };
    let agree = most <= allowed * scale;
    let burn_us = if agree { Some(time(burn.as_mut(), architecture)?) } else { None };
    let candle_us = time(candle.as_mut(), architecture)?;
    let (engine, why) = match (agree, on_gpu) {
        (true, true) => (burn, "on the GPU, with the CPU's logits"),
        (false, true) => (candle, "the GPU's logits are not the CPU's"),
        (false, false) => (burn, "the engines disagree, so the one that trained it"),
        // What it gains with several texts is more than what the two differ by with one.
        (true, false) if architecture.supports_kv_cache() => (candle, "makes texts together"),
        (true, false) => {
            let faster = burn_us.is_some_and(|burn_us| candle_us < burn_us);
            (if faster { candle } else { burn }, "faster for one row")
        }
    };
    let report = EngineReport {
        engine: engine.name(),
        why: why.to_owned(),
        burn_us,
        candle_us: Some(candle_us),
        max_difference: Some(most).filter(|x| x.is_finite()),
    };
    Ok((engine, report))
}

/// The largest between two engines' logits.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, worse)
}

/// The larger one; NaN is larger than anything.
fn worse(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

/// Examples with values that are neither zero nor equal.
fn sample(architecture: &Architecture, rows: usize) -> Examples {
    let mut examples = Examples::zeros(Layout { blocks: architecture.blocks() }, rows);
    let sizes = architecture.index_sizes();
    for (place, index) in examples.indices.iter_mut().enumerate() {
        let size = sizes[place % sizes.len()];
        *index = i32::try_from(place % size).unwrap_or_default();
    }
    for (value, k) in examples.dense.iter_mut().zip((1..=u16::MAX).cycle()) {
        *value = (f32::from(k) * 0.7).sin();
    }
    examples
}

/// Tokens of the texts that engines are tried on.
const TRIED: usize = 8;

/// Logits of made-up rows; of a network that goes on with texts, of the tokens after such texts.
fn tried(engine: &mut dyn Engine, architecture: &Architecture, rows: usize) -> Result<Vec<f32>, Error> {
    if !architecture.supports_kv_cache() {
        return engine.forward(sample(architecture, rows));
    }
    let texts: Vec<Vec<i32>> = (0..rows).map(|row| text(architecture, row, TRIED)).collect();
    let mut kept: Vec<Kept> = texts.iter().map(|_| Kept::default()).collect();
    let turns = texts.iter().zip(&mut kept).map(|(text, kept)| Turn { text, kept });
    let logits = engine.next(&mut turns.collect::<Vec<_>>()).transpose()?;
    Ok(logits.unwrap_or_default().concat())
}

/// A text that is as long as the network allows, up to `length`.
fn text(architecture: &Architecture, row: usize, length: usize) -> Vec<i32> {
    let size = architecture.index_sizes().first().map_or(1, |size| (size - 1).max(1));
    let token = |place: usize| i32::try_from(1 + (row + 7 * place) % size).unwrap_or(1);
    (0..length.min(architecture.steps())).map(token).collect()
}

/// Median microseconds of a forward pass of one row, or of one more token: after three for warm-up, as many
/// as fit 30 ms, 5 at least.
fn time(engine: &mut dyn Engine, architecture: &Architecture) -> Result<f64, Error> {
    let (mut kept, mut length) = (Kept::default(), 0);
    let sample = (!architecture.supports_kv_cache()).then(|| sample(architecture, 1));
    let whole = text(architecture, 0, usize::MAX);
    let mut once = || -> Result<(), Error> {
        if let Some(sample) = &sample {
            return engine.forward(sample.clone()).map(drop);
        }
        length = length % whole.len() + 1;
        let turn = Turn { text: &whole[..length], kept: &mut kept };
        engine.next(&mut [turn]).transpose().map(drop)
    };
    for _ in 0..3 {
        once()?;
    }
    let started = Instant::now();
    let mut each = Vec::new();
    while each.len() < 5 || started.elapsed() < Duration::from_millis(30) && each.len() < 200 {
        let one = Instant::now();
        once()?;
        each.push(one.elapsed().as_secs_f64() * 1e6);
    }
    each.sort_unstable_by(f64::total_cmp);
    Ok(each[each.len() / 2])
}

#[cfg(test)]
mod tests;
