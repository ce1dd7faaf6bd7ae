//! Search for good parameters: spaces, samplers and what they know of earlier trials.
//!
//! The data model is Optuna's, so that a study can be stored in Optuna's formats: a [`SearchSpace`] names parameters
//! with a [`ParamDistribution`] each, a [`TrialView`] holds the internal numbers of the parameters and the values of
//! the objectives, and a [`Sampler`] suggests the parameters of the next trial from the trials so far.
//!
//! A suggestion is a pure function of the space, the trials, the number of the trial and the seed. Workers share
//! nothing but the list of trials, and a worker that is killed loses no state of the search.
//!
//! A [`Study`] keeps its trials in a journal file of Optuna, which several processes of both may write. A [`Pruner`]
//! ends trials early.

mod error;
#[cfg(test)]
mod golden;
mod importance;
mod numeric;
mod pareto;
mod pruners;
mod samplers;
mod space;
mod storage;
mod study;
mod trial;

pub use error::TuneError;
pub use importance::{IMPORTANCE_TRIALS, ParamImportance, param_importances};
pub use pareto::{crowding_distances, dominates, front_ranks, hypervolume_2d, pareto_front};
pub use pruners::{PruneDecision, PruneRequest, Pruner};
pub use samplers::{
    CmaEsSampler, GpSampler, GridSampler, Nsga2Sampler, RandomSampler, SAMPLERS, SampleRequest, Sampler,
    SobolSampler, TpeSampler, sampler,
};
pub use space::{ParamCondition, ParamDistribution, SearchSpace, SpaceParam};
pub use storage::{
    InvalidOperation, JournalOperation, JournalPlace, JournalState, JournalStorage, JournalTrialState,
    StudyError, StudyRecord, TrialRecord, TrialTemplate,
};
pub use study::{
    Claim, ClaimRequest, EarlierTrial, Study, StudyIdentity, TRIAL_ERROR, TRIAL_RUN, Worker, to_view,
    undominated,
};
pub use trial::{ParamValues, StudyDirection, TrialState, TrialView};
