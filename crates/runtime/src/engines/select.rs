//! Choice of the engine that serves a network: by request, or by comparing and timing both.

pub(super) mod trial;

use std::str::FromStr;

use cupola_kernels::WeightFormat;
use cupola_nn::{Architecture, OpenDevice, WeightReader};
use serde::Serialize;

use super::burn::BurnEngine;
use super::candle::CandleEngine;
use super::{Engine, isolated};
use crate::error::Error;

/// Weights of a language model above which a second engine for comparison takes more time and memory than it is worth.
const LARGEST_COMPARED: usize = 64 << 20;

/// Engine that a user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineChoice {
    /// On a CPU the faster of the two as measured, or candle for a language model; Burn on a GPU.
    Auto,
    /// Burn on any device.
    Burn,
    /// candle on the CPU.
    Candle,
    /// candle on the CPU with 8-bit weights: smaller and faster, but approximate.
    Int8,
}

impl FromStr for EngineChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "auto" => Ok(Self::Auto),
            "burn" => Ok(Self::Burn),
            "candle" => Ok(Self::Candle),
            "int8" => Ok(Self::Int8),
            _ => Err(Error::UnknownEngine { name: text.to_owned() }),
        }
    }
}

/// The engine in use and the reason for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EngineReport {
    /// Name of the engine in use.
    pub engine: String,
    /// Reason for the choice.
    pub why: String,
    /// Median microseconds of Burn's forward pass of one row, if both engines were timed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burn_us: Option<f64>,
    /// Median microseconds of candle's forward pass of one row, if both engines were timed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candle_us: Option<f64>,
    /// Largest absolute difference between the logits of two engines, if they were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_difference: Option<f32>,
    /// Reports of the members of an ensemble.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<EngineReport>,
}

impl EngineReport {
    /// Report without measurements.
    pub(crate) fn untimed(engine: String, why: &str) -> Self {
        let (burn_us, candle_us, max_difference) = (None, None, None);
        Self { engine, why: why.to_owned(), burn_us, candle_us, max_difference, members: Vec::new() }
    }
}

/// An engine and the report of its choice.
type Chosen = (Box<dyn Engine>, EngineReport);

/// Builds the engine that `choice` asks for with the weights of a package, which are read once for each engine.
pub(crate) fn build(
    choice: EngineChoice,
    architecture: &Architecture,
    weights: &dyn WeightReader,
    device: &OpenDevice,
) -> Result<Chosen, Error> {
    let burn = || BurnEngine::new(architecture, weights, device);
    let candle = |format| CandleEngine::new(architecture, weights, format);
    match choice {
        EngineChoice::Burn => Ok(only(Box::new(burn()?), "asked for")),
        EngineChoice::Candle => Ok(only(Box::new(candle(WeightFormat::F32)?), "asked for")),
        EngineChoice::Int8 => {
            // One after the other, so that the exact engine is gone before the small one takes memory.
            let exact = trial::logits(&mut candle(WeightFormat::F32)?, architecture, 1)?;
            let mut small = candle(WeightFormat::Int8)?;
            let difference = max_difference(&exact, &trial::logits(&mut small, architecture, 1)?);
            let (engine, report) = only(Box::new(small), "asked for");
            Ok((engine, EngineReport { max_difference: Some(difference), ..report }))
        }
        EngineChoice::Auto
            if !device.is_gpu()
                && architecture.supports_kv_cache()
                && architecture.parameters()? > LARGEST_COMPARED =>
        {
            let engine = Box::new(candle(WeightFormat::F32)?);
            Ok(only(engine, "decodes several texts at once; too large to compare engines"))
        }
        EngineChoice::Auto => {
            let candle = Box::new(candle(WeightFormat::F32)?);
            compare(Box::new(burn()?), candle, device.is_gpu(), architecture)
        }
    }
}

fn only(engine: Box<dyn Engine>, why: &str) -> Chosen {
    let report = EngineReport::untimed(engine.name(), why);
    (engine, report)
}

/// Chooses between both engines by their logits for one row and for up to 64, and by their times for one row.
///
/// On the CPU the faster one serves. A GPU serves if its logits are candle's, so that a driver's wrong kernels never
/// serve a request.
fn compare(
    mut burn: Box<dyn Engine>,
    mut candle: Box<dyn Engine>,
    on_gpu: bool,
    architecture: &Architecture,
) -> Result<Chosen, Error> {
    let (mut most, mut scale) = (0.0, 1.0);
    // GPUs use other kernels for one row than for many. Fewer rows of long texts tell as much in less time.
    let width = architecture.dense_width() + architecture.index_sizes().len();
    for rows in [1, (2_048 / width.max(1)).clamp(2, 64)] {
        let b = isolated(candle.as_mut(), |engine| trial::logits(engine, architecture, rows))?;
        scale = b.iter().map(|x| x.abs()).fold(scale, f32::max);
        most = match isolated(burn.as_mut(), |engine| trial::logits(engine, architecture, rows)) {
            Ok(a) => larger_or_nan(most, max_difference(&a, &b)),
            Err(_) if on_gpu => f32::INFINITY,
            Err(error) => return Err(error),
        };
    }
    let tolerance = if on_gpu { 2e-2 } else { 1e-4 };
    let agree = most <= tolerance * scale;
    let burn_us = if agree { Some(trial::median_us(burn.as_mut(), architecture)?) } else { None };
    let candle_us = trial::median_us(candle.as_mut(), architecture)?;
    let (engine, why) = match (agree, on_gpu) {
        (true, true) => (burn, "on the GPU, with the CPU's logits"),
        (false, true) => (candle, "the GPU's logits differ from the CPU's"),
        (false, false) => (burn, "the engines disagree, so the one that trained it"),
        // Batched decoding gains more than the two differ by for one text.
        (true, false) if architecture.supports_kv_cache() => (candle, "decodes several texts at once"),
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
        members: Vec::new(),
    };
    Ok((engine, report))
}

/// Largest absolute difference of two lists of logits; NaN if any is.
fn max_difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, larger_or_nan)
}

fn larger_or_nan(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}
