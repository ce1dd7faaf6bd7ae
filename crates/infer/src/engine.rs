//! The engine trait on one page, the Burn engine, and the choice between the two.

use std::str::FromStr;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use cupola_nn::{Architecture, Input, Network, StateDict, quietly};
use cupola_prep::{Examples, Layout};
use serde::Serialize;

use crate::candle::CandleEngine;
use crate::error::Error;

/// Turns examples into logits.
pub trait Engine: Send {
    /// `burn` or `candle`, and the device.
    fn name(&self) -> String;

    /// Logits `[rows, output]` in row-major order.
    ///
    /// # Errors
    /// When the device fails; the engine stays usable.
    fn forward(&mut self, examples: Examples) -> Result<Vec<f32>, Error>;
}

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineChoice {
    /// The faster of the two on a CPU, by measurement; Burn on a GPU.
    Auto,
    /// Burn.
    Burn,
    /// candle, on the CPU.
    Candle,
}

impl FromStr for EngineChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "burn" => Ok(Self::Burn),
            "candle" => Ok(Self::Candle),
            _ => Err(format!("`{text}` is no engine; use auto, burn or candle")),
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
}

impl Engine for BurnEngine {
    fn name(&self) -> String {
        format!("burn on {}", self.device_name)
    }

    fn forward(&mut self, examples: Examples) -> Result<Vec<f32>, Error> {
        let Examples { layout, rows, dense, indices } = examples;
        let input = Input::new(rows, &layout.dense, dense, indices, &self.device);
        let fail = |why: String| cupola_nn::Error::Device { device: self.device_name.clone(), why };
        let values = self.network.forward(input).try_into_vec_as::<f32>();
        Ok(values.map_err(|error| fail(error.to_string()))?)
    }
}

/// A driver's or a kernel's panic ends one batch, not the server.
pub(crate) fn contained(engine: &mut dyn Engine, examples: Examples) -> Result<Vec<f32>, Error> {
    let name = engine.name();
    quietly(|| engine.forward(examples)).unwrap_or_else(|why| Err(Error::Panicked { engine: name, why }))
}

/// Builds the engine that `choice` asks for, with the weights of a package.
pub(crate) fn build(
    choice: EngineChoice,
    architecture: &Architecture,
    weights: &StateDict,
    device: &cupola_nn::Opened,
) -> Result<(Box<dyn Engine>, EngineReport), Error> {
    let burn = || -> Result<BurnEngine, Error> {
        let network = Network::load(architecture, weights.clone(), &device.device)?;
        Ok(BurnEngine { network, device: device.device.clone(), device_name: device.name.clone() })
    };
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
        EngineChoice::Candle => Ok(only(Box::new(CandleEngine::new(architecture, weights)?), "asked for")),
        EngineChoice::Auto if device.is_gpu() => Ok(only(Box::new(burn()?), "candle runs on the CPU only")),
        EngineChoice::Auto => {
            faster(Box::new(burn()?), Box::new(CandleEngine::new(architecture, weights)?), architecture)
        }
    }
}

fn faster(
    mut burn: Box<dyn Engine>,
    mut candle: Box<dyn Engine>,
    architecture: &Architecture,
) -> Result<(Box<dyn Engine>, EngineReport), Error> {
    let sample = sample(architecture);
    let a = contained(burn.as_mut(), sample.clone())?;
    let b = contained(candle.as_mut(), sample.clone())?;
    let difference = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let scale = a.iter().map(|x| x.abs()).fold(1.0, f32::max);
    let burn_us = time(burn.as_mut(), &sample)?;
    let candle_us = time(candle.as_mut(), &sample)?;
    let agree = difference <= 1e-4 * scale;
    let (engine, why) = if !agree {
        (burn, "the engines disagree, so the one that trained it")
    } else if candle_us < burn_us {
        (candle, "faster for one row")
    } else {
        (burn, "faster for one row")
    };
    let report = EngineReport {
        engine: engine.name(),
        why: why.to_owned(),
        burn_us: Some(burn_us),
        candle_us: Some(candle_us),
        max_difference: Some(difference),
    };
    Ok((engine, report))
}

/// One example with values that are neither zero nor equal.
fn sample(architecture: &Architecture) -> Examples {
    let indices = architecture.embeddings.iter().map(|[values, _]| *values).collect();
    let layout = Layout { dense: architecture.input.clone(), indices };
    let mut examples = Examples::zeros(layout, 1);
    for (value, k) in examples.dense.iter_mut().zip(1_u16..) {
        *value = (f32::from(k) * 0.7).sin();
    }
    examples
}

/// Median microseconds of a forward pass: after three for warm-up, as many as fit 30 ms, 5 at least.
fn time(engine: &mut dyn Engine, sample: &Examples) -> Result<f64, Error> {
    for _ in 0..3 {
        engine.forward(sample.clone())?;
    }
    let started = Instant::now();
    let mut each = Vec::new();
    while each.len() < 5 || started.elapsed() < Duration::from_millis(30) && each.len() < 200 {
        let one = Instant::now();
        engine.forward(sample.clone())?;
        each.push(one.elapsed().as_secs_f64() * 1e6);
    }
    each.sort_unstable_by(f64::total_cmp);
    Ok(each[each.len() / 2])
}

#[cfg(test)]
mod tests;
