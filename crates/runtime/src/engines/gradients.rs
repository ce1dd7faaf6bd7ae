//! Networks whose outputs have gradients with respect to their inputs, on the CPU.

use burn::tensor::Device;
use cupola_nn::{Architecture, DifferentiableNetwork, Network, WeightReader};

use crate::error::Error;

/// Loads a network onto the CPU.
pub(crate) fn cpu_network(architecture: &Architecture, weights: &dyn WeightReader) -> Result<Network, Error> {
    Ok(Network::load(architecture, weights, &Device::flex())?)
}

/// Network with gradients that shares the weights of one on the CPU.
pub(crate) fn differentiable(network: &Network) -> DifferentiableNetwork {
    DifferentiableNetwork::new(network, &Device::flex())
}
