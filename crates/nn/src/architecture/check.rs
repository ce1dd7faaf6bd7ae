//! Checks of an architecture, alone and with trained weights.

use std::collections::BTreeSet;

use super::Architecture;
use crate::error::Error;
use crate::weights::WeightReader;

/// Number of unexpected weights that an error names.
const MOST_NAMED: usize = 5;

impl Architecture {
    /// `true` if the range of the logits, if there is one, has its ends in order.
    pub(super) fn is_range_valid(&self) -> bool {
        self.logit_range.is_none_or(|[low, high]| low.is_finite() && high.is_finite() && low <= high)
    }

    /// Checks that `weights` are those of this architecture, by name and shape.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::WeightShape`] or [`Error::Unexpected`] with the names, and the errors of
    /// [`Architecture::new`].
    pub fn check_weights(&self, weights: &dyn WeightReader) -> Result<(), Error> {
        let mut rest: BTreeSet<&str> = weights.names().into_iter().collect();
        for (name, spec) in self.weights()? {
            rest.remove(name.as_str());
            let Some(found) = weights.shape(&name) else { return Err(Error::Missing { name }) };
            if found != spec.shape {
                let found = found.to_vec();
                return Err(Error::WeightShape { name, expected: spec.shape, found });
            }
        }
        if rest.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = rest.into_iter().take(MOST_NAMED).collect();
        Err(Error::Unexpected { names: names.join(", ") })
    }
}
