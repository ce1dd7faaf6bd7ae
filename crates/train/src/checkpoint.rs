//! Checkpoints: `model.safetensors`, `optimizer.bpk`, `state.json`, and `ema.safetensors` if there is a
//! moving average, written as one folder that appears at once.

use std::collections::BTreeMap;

use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::tensor::Bytes;
use cupola_nn::{Architecture, Network, StateDict, catch_panic};
use cupola_registry::{RunFolder, read_limited, sha256_hex};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::progress::Progress;

/// Version of `state.json` and of the files beside it.
const FORMAT_VERSION: u32 = 2;
const LIMIT: u64 = 64 << 30;

/// Contents of `state.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    format_version: u32,
    progress: Progress,
    sha256: BTreeMap<String, String>,
}

/// State from which a run resumes.
pub struct Checkpoint {
    /// Progress of the run.
    pub progress: Progress,
    /// Weights and running statistics.
    pub weights: StateDict,
    ema: Option<StateDict>,
    optimizer: Vec<u8>,
}

/// Writes the state after a step, then removes all checkpoints except the best and the newest two.
///
/// # Errors
/// [`Error::Record`]; earlier checkpoints are then unchanged.
pub fn write(
    folder: &RunFolder,
    progress: &Progress,
    weights: &StateDict,
    ema: Option<&StateDict>,
    optimizer: &ModuleOptimizer,
) -> Result<(), Error> {
    let moments =
        optimizer.into_bytes().map_err(|error| damaged(folder, progress.step, error.to_string()))?;
    let moments: Vec<u8> = moments.to_vec();
    let model = weights.to_safetensors()?;
    let ema = ema.map(StateDict::to_safetensors).transpose()?;
    let mut files: Vec<(&str, &[u8])> = vec![("model.safetensors", &model), ("optimizer.bpk", &moments)];
    files.extend(ema.as_deref().map(|ema| ("ema.safetensors", ema)));
    let sha256 = files.iter().map(|(name, bytes)| ((*name).to_owned(), sha256_hex(bytes))).collect();
    let state = State { format_version: FORMAT_VERSION, progress: progress.clone(), sha256 };
    let state = serde_json::to_vec_pretty(&state)
        .map_err(|error| damaged(folder, progress.step, error.to_string()))?;
    files.push(("state.json", &state));
    let mut keep: Vec<u64> = folder.checkpoint_steps()?;
    keep.retain(|&step| step < progress.step);
    keep = keep.split_off(keep.len().saturating_sub(1));
    keep.extend(progress.best.as_ref().map(|best| best.step));
    Ok(folder.write_checkpoint(progress.step, &files, &keep)?)
}

/// Reads the checkpoint of a step and checks its digests.
///
/// # Errors
/// [`Error::Checkpoint`] for missing or changed files and for other formats.
pub fn read(folder: &RunFolder, step: u64) -> Result<Checkpoint, Error> {
    let path = folder.checkpoint(step);
    let wrong = |why: String| damaged(folder, step, why);
    let bytes = |name: &str| read_limited(&path.join(name), LIMIT).map_err(|e| wrong(e.to_string()));
    let state: State =
        serde_json::from_slice(&bytes("state.json")?).map_err(|e| wrong(format!("state.json: {e}")))?;
    if state.format_version != FORMAT_VERSION {
        let found = state.format_version;
        return Err(wrong(format!("unsupported format {found}; this version reads format {FORMAT_VERSION}")));
    }
    let checked = |name: &str| -> Result<Vec<u8>, Error> {
        let found = bytes(name)?;
        match state.sha256.get(name) {
            Some(expected) if *expected == sha256_hex(&found) => Ok(found),
            _ => Err(wrong(format!("the digest of {name} differs from the one in state.json"))),
        }
    };
    let averaged = state.sha256.contains_key("ema.safetensors");
    let ema = averaged.then(|| checked("ema.safetensors")).transpose()?;
    Ok(Checkpoint {
        ema: ema.map(|bytes| StateDict::from_safetensors(&bytes)).transpose()?,
        weights: StateDict::from_safetensors(&checked("model.safetensors")?)?,
        optimizer: checked("optimizer.bpk")?,
        progress: state.progress,
    })
}

/// The newest checkpoint of a run; `None` before the first.
///
/// # Errors
/// The errors of [`read`].
pub fn latest(folder: &RunFolder) -> Result<Option<Checkpoint>, Error> {
    folder.checkpoint_steps()?.last().map(|&step| read(folder, step)).transpose()
}

impl Checkpoint {
    /// The network of this checkpoint on a device.
    ///
    /// # Errors
    /// [`Error::Network`] if the weights belong to another architecture.
    pub fn network(
        &self,
        architecture: &Architecture,
        device: &burn::tensor::Device,
    ) -> Result<Network, Error> {
        Ok(Network::load(architecture, &self.weights, device)?)
    }

    /// The moving average of the weights on a device, if there is one.
    ///
    /// # Errors
    /// The errors of [`Checkpoint::network`].
    pub fn ema_network(
        &self,
        architecture: &Architecture,
        device: &burn::tensor::Device,
    ) -> Result<Option<Network>, Error> {
        let load = |weights: &StateDict| Network::load(architecture, weights, device);
        Ok(self.ema.as_ref().map(load).transpose()?)
    }

    /// Weights to publish: the moving average if there is one.
    pub fn to_publish(self) -> StateDict {
        self.ema.unwrap_or(self.weights)
    }

    /// Loads the moments into a new optimiser of the same kind.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for an invalid record.
    pub fn restore(&self, folder: &RunFolder, optimizer: ModuleOptimizer) -> Result<ModuleOptimizer, Error> {
        let wrong = |why: String| damaged(folder, self.progress.step, why);
        let bytes = Bytes::from_bytes_vec(self.optimizer.clone());
        let record = OptimizerRecord::from_bytes(bytes).map_err(|error| wrong(error.to_string()))?;
        catch_panic(|| optimizer.load_record(record)).map_err(|panic| wrong(panic.into()))
    }
}

fn damaged(folder: &RunFolder, step: u64, why: String) -> Error {
    Error::Checkpoint { path: folder.checkpoint(step), why }
}
