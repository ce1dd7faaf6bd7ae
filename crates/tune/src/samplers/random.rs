//! Independent uniform samples.

use super::{SampleRequest, Sampler};
use crate::numeric::DrawStream;
use crate::{ParamValues, TuneError};

/// Purpose of the draws of this sampler.
const PURPOSE: u64 = 1;

/// Samples each parameter from its distribution, independent of the history.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomSampler;

impl Sampler for RandomSampler {
    fn sample(&self, request: &SampleRequest<'_>) -> Result<ParamValues, TuneError> {
        let mut stream = DrawStream::new(request.seed, PURPOSE, request.trial);
        let mut values = ParamValues::new();
        for (name, param) in request.space.params() {
            // One draw for every parameter, so that a value does not depend on which others are active.
            let unit = stream.unit();
            if request.space.is_active(name, &values) {
                values.insert(name.clone(), param.distribution.from_unit(unit));
            }
        }
        Ok(values)
    }
}
