//! Samplers: suggestions for the next trial from the trials so far.

use crate::{ParamValues, SearchSpace, StudyDirection, TrialView, TuneError};

mod cmaes;
mod gp;
mod grid;
mod nsga2;
mod random;
mod sobol;
#[cfg(test)]
mod tests;
mod tpe;

pub use cmaes::CmaEsSampler;
pub use gp::GpSampler;
pub use grid::GridSampler;
pub use nsga2::Nsga2Sampler;
pub use random::RandomSampler;
pub use sobol::SobolSampler;
pub use tpe::TpeSampler;

/// Inputs of a suggestion.
#[derive(Debug, Clone, Copy)]
pub struct SampleRequest<'a> {
    /// Space of the study.
    pub space: &'a SearchSpace,
    /// Direction of each objective; at least one.
    pub directions: &'a [StudyDirection],
    /// All trials so far in any order, running and failed ones included. An entry with the number of the trial itself
    /// is ignored.
    pub history: &'a [TrialView],
    /// Number of the trial to sample.
    pub trial: u64,
    /// Seed of the study.
    pub seed: u64,
}

/// Strategy that suggests the parameters of a trial.
pub trait Sampler: Send + Sync {
    /// Values of all active parameters, within their bounds and on their steps. The result depends on the request
    /// alone; a sampler may cache, but never so that it shows.
    ///
    /// # Errors
    /// A space or a number of objectives that the sampler does not support, or an exhausted grid.
    fn sample(&self, request: &SampleRequest<'_>) -> Result<ParamValues, TuneError>;
}

/// Names that [`sampler`] knows.
pub const SAMPLERS: [&str; 7] = ["cmaes", "gp", "grid", "nsga2", "random", "sobol", "tpe"];

/// Sampler of a name, with its defaults.
///
/// # Errors
/// An unknown name.
pub fn sampler(name: &str) -> Result<Box<dyn Sampler>, TuneError> {
    Ok(match name {
        "cmaes" => Box::new(CmaEsSampler),
        "gp" => Box::new(GpSampler::default()),
        "grid" => Box::new(GridSampler),
        "nsga2" => Box::new(Nsga2Sampler::default()),
        "random" => Box::new(RandomSampler),
        "sobol" => Box::new(SobolSampler),
        "tpe" => Box::new(TpeSampler::default()),
        _ => {
            return Err(TuneError::UnknownSampler { name: name.to_owned(), expected: SAMPLERS.join(", ") });
        }
    })
}
