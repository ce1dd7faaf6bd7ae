//! Windows of live monitoring: what a model version did within a period or a number of rows.

mod durations;
mod embeddings;
mod reservoir;
mod ring;
mod state;
mod traffic;

pub use self::durations::DurationHistogram;
pub use self::embeddings::{EmbeddingSample, EmbeddingWindows, SampledVectors};
pub use self::reservoir::Reservoir;
pub use self::ring::{MonitorWindow, WindowLimits, WindowRing};
pub use self::state::MonitorState;
pub use self::traffic::WindowTraffic;
