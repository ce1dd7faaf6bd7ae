//! Weights: sources to build a network from, and the state dict that it gives back.

mod builder;
mod file;
mod loaded;
mod lora;
mod members;
mod module;
mod pretrained;
mod random;
mod reader;
mod state_dict;

use cupola_spec::Init;

use crate::error::Error;

pub(crate) use self::builder::{AxisOrder, Builder, Parameter, transpose};
pub use self::file::{ReadAt, SafetensorsFile};
pub use self::loaded::LoadedWeights;
pub use self::lora::merge_lora;
pub use self::members::{join_safetensors, member_safetensors};
pub(crate) use self::module::ModuleBuilder;
pub use self::pretrained::PretrainedWeights;
pub use self::random::RandomWeights;
pub use self::reader::WeightReader;
pub use self::state_dict::{Array, StateDict};

/// Last part of the name of a low-rank adapter's first matrix, `[rank, in]`.
pub(crate) const LORA_A: &str = "lora_a";
/// Last part of the name of a low-rank adapter's second matrix, `[out, rank]`.
pub(crate) const LORA_B: &str = "lora_b";

/// Source of weights in `PyTorch`'s names and layouts.
pub trait WeightSource {
    /// Values of the weight `name` of `shape`; `init` applies if they are drawn.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::WeightShape`] if the source has no such weight.
    fn take(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Vec<f32>, Error>;

    /// Values of the weight `name` of shape `[rows, columns]` in the order of `[columns, rows]`.
    ///
    /// # Errors
    /// As [`WeightSource::take`].
    fn take_transposed(&mut self, name: &str, shape: [usize; 2], init: Init) -> Result<Vec<f32>, Error> {
        Ok(transpose(&self.take(name, &shape, init)?, shape[0], shape[1]))
    }
}

/// `true` if a weight of this name belongs to a low-rank adapter.
pub(crate) fn is_lora(name: &str) -> bool {
    name.ends_with(LORA_A) || name.ends_with(LORA_B)
}
