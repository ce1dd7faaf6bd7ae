//! Neural networks: Burn modules built from an architecture, with `PyTorch`'s weight names and layouts.
//!
//! An [`Architecture`] is a value. [`Network::build`] makes its modules and takes each weight from a [`WeightSource`]:
//! random, pretrained or loaded. [`Network::state_dict`] returns the weights under names and in layouts that `torch.nn`
//! reads. [`Network::decode`] generates text with a [`KvCache`]. [`open_device`] opens a device, and [`check_agreement`]
//! compares it with the CPU before it trains.
//!
//! Trained weights are in memory ([`StateDict`]) or in a file ([`SafetensorsFile`]), from which each one is read when a
//! layer takes it; [`WeightReader`] is the interface of both. This crate opens no file: callers bring an open one as
//! [`ReadAt`].

#![allow(
    clippy::needless_pass_by_value,
    clippy::large_enum_variant,
    reason = "tensors are handles that Burn's operations take by value; layers are few"
)]

mod architecture;
mod decode;
mod device;
mod error;
mod fused;
mod input;
mod layers;
mod loss;
mod network;
mod precision;
mod weights;

pub use architecture::{Architecture, Average, InputSource, LogitPart};
pub use cupola_kernels::simd::join_new_pool;
pub use decode::{KvCache, SequenceStep};
pub use device::{
    Agreement, Backend, DeviceChoice, OpenDevice, PanicError, catch_panic, check_agreement, nth_device,
    open_device, probe_vulkan,
};
pub use error::Error;
pub use fused::{AdamwTensors, adamw_step, cell_kind, pointwise, square_sum};
pub use input::InputBatch;
pub use loss::{Loss, LossTargets, Objective};
pub use network::{DifferentiableNetwork, InputGradient, Network};
pub use precision::activation_dtype;
pub use weights::{
    Array, LoadedWeights, PretrainedWeights, RandomWeights, ReadAt, SafetensorsFile, StateDict, WeightReader,
    WeightSource, join_safetensors, member_safetensors, merge_lora,
};
