//! Embeddings: the vectors that a model makes of its rows.

use std::sync::Arc;

use cupola_nn::{DeviceChoice, OpenDevice, SafetensorsFile, open_device};
use cupola_prep::{Examples, FittedInput, FittedTarget, Plan, PredictedValue};
use cupola_registry::Package;
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::Serialize;

use super::Predictor;
use crate::engines::EngineChoice;
use crate::error::Error;
use crate::predict::load;
use crate::predict::package::LoadedPackage;

/// Part of a model that its vectors come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EmbeddingOrigin {
    /// Predictions of a model that embeds.
    Prediction,
    /// Input of the last layer, of a series or a text its mean.
    LastLayer,
    /// Prepared inputs, for a model without layers.
    Inputs,
}

impl Predictor {
    /// Vectors `[rows, width]` of examples, with their origin. The input of the last layer is known on candle only; any other engine
    /// gives prepared inputs.
    ///
    /// # Errors
    /// A failure of the device.
    pub fn embeddings(&mut self, examples: Examples) -> Result<(EmbeddingOrigin, Vec<f64>), Error> {
        let doubles = |values: &[f32]| values.iter().copied().map(f64::from).collect();
        if matches!(self.package.plan.targets.first(), FittedTarget::Embedding { .. }) {
            let predictions = self.predict(examples)?;
            let values = predictions.iter().filter_map(|row| match &row.values().next()?.value {
                PredictedValue::Numbers(values) => Some(values.as_slice()),
                _ => None,
            });
            return Ok((EmbeddingOrigin::Prediction, values.flatten().copied().collect()));
        }
        Ok(match self.representations(&examples)? {
            Some(values) => (EmbeddingOrigin::LastLayer, doubles(&values)),
            None => (EmbeddingOrigin::Inputs, doubles(&examples.dense)),
        })
    }
}

/// A network that only embeds rows, on the CPU, on one thread of its own.
pub struct Embedder {
    predictor: Predictor,
    threads: Option<ThreadPool>,
}

impl Embedder {
    /// `true` if the embeddings of a model's rows are watched: it reads texts or pictures, whose columns say little, and each row is an
    /// example.
    pub fn suits(plan: &Plan) -> bool {
        let has_content =
            |input: &FittedInput| matches!(input, FittedInput::Text { .. } | FittedInput::Image { .. });
        let generates = matches!(plan.targets.first(), FittedTarget::NextToken { .. });
        plan.inputs.iter().any(has_content) && plan.window().is_none() && !generates
    }

    /// Reads a package. Its thread has the priority of the calling one.
    ///
    /// # Errors
    /// As [`Predictor::load`].
    pub fn load(package: &Package) -> Result<Self, Error> {
        let predictor = Predictor::load(package, EngineChoice::Candle, &cpu()?)?;
        // Without a thread, the pool of all engines computes.
        let threads = ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "embedder".to_owned());
        Ok(Self { predictor, threads: threads.build().ok() })
    }

    /// Embedder of a network that is not published: its plan, its `config.json` and its `model.safetensors`. It computes on all threads.
    ///
    /// # Errors
    /// Parts that do not belong together.
    pub fn of_network(plan: Plan, config: &serde_json::Value, weights: &[u8]) -> Result<Self, Error> {
        let weights = SafetensorsFile::open(weights)?;
        let (engine, report) = load::network_engine("network", config, &weights, &plan, &cpu()?)?;
        let package = Arc::new(LoadedPackage::new(plan, report)?);
        Ok(Self { predictor: Predictor::of_engine(package, engine), threads: None })
    }

    /// Vectors `[rows, width]` of examples; `None` for a model whose vectors are no more than its prepared inputs.
    ///
    /// # Errors
    /// A failure of the engine.
    pub fn embed(&mut self, examples: Examples) -> Result<Option<Vec<f64>>, Error> {
        let predictor = &mut self.predictor;
        let embed = || predictor.embeddings(examples);
        let (origin, values) = match &self.threads {
            Some(threads) => threads.install(embed)?,
            None => embed()?,
        };
        Ok((origin != EmbeddingOrigin::Inputs).then_some(values))
    }
}

fn cpu() -> Result<OpenDevice, Error> {
    let no_probe = || Err::<String, _>("not asked for");
    Ok(open_device(DeviceChoice::Flex, no_probe)?)
}
