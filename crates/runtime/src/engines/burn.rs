//! The Burn engine: the network that was trained, on any device.

use burn::tensor::Device;
use cupola_nn::{Architecture, InputBatch, KvCache, Network, OpenDevice, SequenceStep, WeightReader};
use cupola_prep::Examples;

use super::decoder_cache::CacheContents;
use super::{DecodeRequest, Decoder, Engine, EngineCapabilities};
use crate::error::Error;

/// A network of Burn's modules.
pub(crate) struct BurnEngine {
    network: Network,
    device: Device,
    device_name: String,
    capabilities: EngineCapabilities,
}

impl BurnEngine {
    /// Loads the weights onto a device.
    pub fn new(
        architecture: &Architecture,
        weights: &dyn WeightReader,
        device: &OpenDevice,
    ) -> Result<Self, Error> {
        let network = Network::load(architecture, weights, &device.device)?;
        let capabilities =
            EngineCapabilities { any_thread: !device.is_gpu(), decodes: architecture.supports_kv_cache() };
        Ok(Self { network, device: device.device.clone(), device_name: device.name.clone(), capabilities })
    }
}

impl Engine for BurnEngine {
    fn name(&self) -> String {
        format!("burn on {}", self.device_name)
    }

    fn capabilities(&self) -> EngineCapabilities {
        self.capabilities
    }

    fn forward(&mut self, examples: Examples) -> Result<Vec<f32>, Error> {
        let examples = if self.network.trims_padding() { examples.trim_padding() } else { examples };
        let Examples { rows, dense, indices, .. } = examples;
        let input = InputBatch::new(rows, dense, indices, &self.device);
        let fail = |why: String| cupola_nn::Error::Device { device: self.device_name.clone(), why };
        let values = self.network.forward(&input).try_into_vec_as::<f32>();
        Ok(values.map_err(|error| fail(error.to_string()))?)
    }

    fn cpu_network(&self) -> Option<Network> {
        // Gradients are taken on Flex: weights on another backend of the CPU cannot be shared.
        (self.device == Device::flex()).then(|| self.network.clone())
    }

    fn decoder(&mut self) -> Option<&mut dyn Decoder> {
        if self.capabilities.decodes { Some(self) } else { None }
    }
}

impl Decoder for BurnEngine {
    fn decode(&mut self, requests: &mut [DecodeRequest<'_>]) -> Result<Vec<Vec<f32>>, Error> {
        // Taken out while they are written, so that a failure leaves empty caches.
        let empty = || Box::new(self.network.new_kv_cache(&self.device));
        let mut caches: Vec<Box<KvCache>> =
            requests.iter_mut().map(|request| request.cache.take().unwrap_or_else(empty)).collect();
        let texts = requests.iter().zip(&mut caches);
        let texts = texts.map(|(request, cache)| SequenceStep {
            tokens: request.tokens,
            cache,
            every_token: request.every_token,
        });
        let mut texts: Vec<SequenceStep<'_>> = texts.collect();
        let logits = self.network.decode(&mut texts, &self.device)?;
        for (request, cache) in requests.iter_mut().zip(caches) {
            request.cache.put(cache);
        }
        Ok(logits)
    }

    fn cache_bytes(&self, _tokens: usize) -> usize {
        self.network.kv_cache_bytes()
    }
}

impl CacheContents for KvCache {
    fn tokens(&self) -> usize {
        self.tokens()
    }

    fn common_prefix(&self, tokens: &[i32]) -> usize {
        self.common_prefix(tokens)
    }

    fn prefix(&self, tokens: usize) -> Box<dyn CacheContents> {
        Box::new(self.prefix(tokens))
    }

    fn bytes(&self) -> usize {
        self.bytes()
    }
}
