//! Checkpoints: `model.safetensors`, `optimizer.bpk`, `state.json`, and `ema.safetensors` if there is a
//! moving average, written as one folder that appears at once.

mod position;
mod resume_state;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::tensor::Bytes;
use cupola_nn::{Architecture, Network, StateDict, catch_panic};
use cupola_registry::{RunFolder, read_limited, sha256_hex};
use serde::{Deserialize, Serialize};

pub(crate) use self::position::RunPosition;
pub use self::resume_state::ResumeState;
use crate::error::Error;

/// Version of `state.json` and of the files beside it.
const FORMAT_VERSION: u32 = 2;
const LIMIT: u64 = 64 << 30;

/// Contents of `state.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StateFile {
    format_version: u32,
    progress: ResumeState,
    sha256: BTreeMap<String, String>,
}

/// State from which a run resumes.
pub struct Checkpoint {
    /// State of the run.
    pub progress: ResumeState,
    /// Weights and running statistics.
    pub weights: StateDict,
    ema: Option<StateDict>,
    optimizer: Vec<u8>,
    path: PathBuf,
}

/// Writes, prunes and reads the checkpoints of a run.
#[derive(Debug)]
pub struct Checkpointer<'a> {
    /// Folder of the run.
    pub folder: &'a RunFolder,
}

impl Checkpointer<'_> {
    /// Writes the state after a step, then removes all checkpoints except the best and the newest two.
    ///
    /// # Errors
    /// [`Error::Record`]; earlier checkpoints are then unchanged.
    pub fn write(
        &self,
        progress: &ResumeState,
        weights: &StateDict,
        ema: Option<&StateDict>,
        optimizer: &ModuleOptimizer,
    ) -> Result<(), Error> {
        let path = self.folder.checkpoint(progress.step);
        let moments = optimizer.into_bytes().map_err(|error| damaged(&path, error.to_string()))?;
        let moments: Vec<u8> = moments.to_vec();
        let model = weights.to_safetensors()?;
        let ema = ema.map(StateDict::to_safetensors).transpose()?;
        let mut files: Vec<(&str, &[u8])> = vec![("model.safetensors", &model), ("optimizer.bpk", &moments)];
        files.extend(ema.as_deref().map(|ema| ("ema.safetensors", ema)));
        let sha256 = files.iter().map(|(name, bytes)| ((*name).to_owned(), sha256_hex(bytes))).collect();
        let state = StateFile { format_version: FORMAT_VERSION, progress: progress.clone(), sha256 };
        let state = serde_json::to_vec_pretty(&state).map_err(|error| damaged(&path, error.to_string()))?;
        files.push(("state.json", &state));
        Ok(self.folder.write_checkpoint(progress.step, &files, &self.kept(progress)?)?)
    }

    /// Steps of the earlier checkpoints that stay beside a new one: the newest and the best.
    fn kept(&self, progress: &ResumeState) -> Result<Vec<u64>, Error> {
        let mut keep: Vec<u64> = self.folder.checkpoint_steps()?;
        keep.retain(|&step| step < progress.step);
        keep = keep.split_off(keep.len().saturating_sub(1));
        keep.extend(progress.best.as_ref().map(|best| best.step));
        Ok(keep)
    }

    /// Step of the newest checkpoint; `None` before the first.
    ///
    /// # Errors
    /// [`Error::Record`] if the folder cannot be read.
    pub fn newest_step(&self) -> Result<Option<u64>, Error> {
        Ok(self.folder.checkpoint_steps()?.last().copied())
    }

    /// The newest checkpoint; `None` before the first.
    ///
    /// # Errors
    /// The errors of [`Checkpointer::read`].
    pub fn latest(&self) -> Result<Option<Checkpoint>, Error> {
        self.newest_step()?.map(|step| self.read(step)).transpose()
    }

    /// Reads the checkpoint of a step and checks its digests.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for missing or changed files and for other formats.
    pub fn read(&self, step: u64) -> Result<Checkpoint, Error> {
        let path = self.folder.checkpoint(step);
        let wrong = |why: String| damaged(&path, why);
        let bytes = |name: &str| read_limited(&path.join(name), LIMIT).map_err(|e| wrong(e.to_string()));
        let state: StateFile =
            serde_json::from_slice(&bytes("state.json")?).map_err(|e| wrong(format!("state.json: {e}")))?;
        if state.format_version != FORMAT_VERSION {
            let found = state.format_version;
            return Err(wrong(format!(
                "unsupported format {found}; this version reads format {FORMAT_VERSION}"
            )));
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
            path: path.clone(),
        })
    }
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
    pub fn restore(&self, optimizer: ModuleOptimizer) -> Result<ModuleOptimizer, Error> {
        let wrong = |why: String| damaged(&self.path, why);
        let bytes = Bytes::from_bytes_vec(self.optimizer.clone());
        let record = OptimizerRecord::from_bytes(bytes).map_err(|error| wrong(error.to_string()))?;
        catch_panic(|| optimizer.load_record(record)).map_err(|panic| wrong(panic.into()))
    }
}

fn damaged(path: &Path, why: String) -> Error {
    Error::Checkpoint { path: path.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Stop;
    use crate::tests::{data, job, run, run_dir, turn};
    use crate::trainer::Trainer;
    use crate::{BestCheckpoint, SingleDevice};

    #[test]
    fn written_state_is_read_back_and_older_checkpoints_are_pruned() {
        let (run, run_dir) = (run("ema = 0.5"), run_dir());
        let prepared = data(&run);
        let architecture = crate::architecture(&run, &prepared.plan).unwrap();
        let job = job(&run, &prepared, &architecture, &run_dir);
        let _turn = turn();
        let mut trainer = Trainer::new(&job, &SingleDevice).unwrap();
        let mut order = trainer.epoch_order();
        let checkpointer = Checkpointer { folder: &run_dir.folder };
        assert!(checkpointer.latest().unwrap().is_none());
        for _ in 0..4 {
            trainer.train_step(&mut order, &mut |_| Stop::No).unwrap();
            if trainer.position.step == 1 {
                trainer.early_stopping.best =
                    Some(BestCheckpoint { step: 1, epoch: 0, value: 0.5, loss: None });
            }
            trainer.checkpoint(&mut |_| Stop::No).unwrap();
        }
        assert_eq!(run_dir.folder.checkpoint_steps().unwrap(), [1, 3, 4]);
        let found = checkpointer.latest().unwrap().unwrap();
        assert_eq!(found.progress, trainer.resume_state());
        assert_eq!(found.weights, trainer.stepper.network().unwrap().state_dict().unwrap());
        let share = crate::DecayShare::default();
        let fresh = crate::optimizer(&run.train, trainer.stepper.network().unwrap(), &job.device, &share);
        assert!(found.restore(fresh).is_ok());
        let mut model = run_dir.folder.checkpoint(3);
        model.push("model.safetensors");
        std::fs::write(&model, "changed").unwrap();
        assert!(matches!(checkpointer.read(3), Err(Error::Checkpoint { .. })));
    }
}
