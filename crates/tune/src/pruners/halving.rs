//! Asynchronous successive halving and Hyperband, as Optuna's `SuccessiveHalvingPruner` and `HyperbandPruner`.

use super::{PruneDecision, PruneRequest};
use crate::storage::{JournalTrialState, TrialRecord};
use crate::trial::StudyDirection;

/// Rungs of one bracket.
pub(super) struct Rungs {
    pub min_resource: Option<i64>,
    pub factor: i64,
    pub rate: u32,
}

impl Rungs {
    #[allow(clippy::maybe_infinite_iter, reason = "the rungs grow until they end it")]
    pub fn decide(&self, request: &PruneRequest<'_>) -> PruneDecision {
        let mut decision = PruneDecision::default();
        let trial = request.trial;
        let Some((step, value)) = trial.intermediate.iter().next_back().map(|(step, value)| (*step, *value))
        else {
            return decision;
        };
        let estimated = || first_complete_steps(request.trials).map(|steps| (steps / 100).max(1));
        let Some(min_resource) = self.min_resource.or_else(estimated) else { return decision };
        let mut rung = (0..).find(|rung| !trial.system_attrs.contains_key(&rung_key(*rung))).unwrap_or(0);
        loop {
            let promotion = self.factor.saturating_pow(self.rate + rung).saturating_mul(min_resource);
            if step < promotion {
                return decision;
            }
            if value.is_nan() {
                decision.prune = true;
                return decision;
            }
            let key = rung_key(rung);
            let others = request.trials.iter().filter(|other| other.id != trial.id);
            let others = others.filter_map(|other| other.system_attrs.get(&key)?.as_f64());
            let competing: Vec<f64> = others.chain([value]).collect();
            decision.rungs.push((key, value));
            if !is_promoted(value, competing, self.factor, request.direction) {
                decision.prune = true;
                return decision;
            }
            rung += 1;
        }
    }
}

fn rung_key(rung: u32) -> String {
    format!("completed_rung_{rung}")
}

/// `true` if the value is among the best of a rung: one of `factor`, but at least the best one.
fn is_promoted(value: f64, mut competing: Vec<f64>, factor: i64, direction: StudyDirection) -> bool {
    let factor = usize::try_from(factor).unwrap_or(usize::MAX).max(1);
    let last = (competing.len() / factor).saturating_sub(1);
    competing.sort_by(f64::total_cmp);
    match direction {
        StudyDirection::Minimize => value <= competing[last],
        StudyDirection::Maximize => value >= competing[competing.len() - 1 - last],
    }
}

/// Last step of the trial that was complete first.
pub(super) fn first_complete_steps(trials: &[&TrialRecord]) -> Option<i64> {
    let complete = trials.iter().filter(|trial| trial.state == JournalTrialState::Complete);
    let steps = complete.filter_map(|trial| Some((&trial.complete, trial.last_step()?)));
    steps.min_by(|a, b| a.0.cmp(b.0)).map(|(_, step)| step)
}

/// Decision in the bracket of the trial.
pub(super) fn hyperband(
    request: &PruneRequest<'_>,
    min_resource: i64,
    max_resource: i64,
    factor: i64,
) -> PruneDecision {
    let brackets = Brackets::new(min_resource, max_resource, factor);
    let own = brackets.of(request.study, request.trial.number);
    let same = |trial: &&&TrialRecord| brackets.of(request.study, trial.number) == own;
    let trials: Vec<&TrialRecord> = request.trials.iter().filter(same).copied().collect();
    let rungs = Rungs { min_resource: Some(min_resource), factor, rate: own };
    rungs.decide(&PruneRequest { trials: &trials, ..*request })
}

/// Share of the trials of each bracket.
struct Brackets(Vec<u32>);

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
impl Brackets {
    #[allow(clippy::cast_possible_wrap, reason = "the numbers are small")]
    fn new(min_resource: i64, max_resource: i64, factor: i64) -> Self {
        let ratio = max_resource as f64 / min_resource.max(1) as f64;
        // As Python computes a logarithm of another base.
        let count = (ratio.max(1.0).ln() / (factor as f64).ln()).floor() as u32 + 1;
        let share = |bracket: u32| {
            let s = count - 1 - bracket;
            (f64::from(count) * (factor as f64).powi(s as i32) / f64::from(s + 1)).ceil() as u32
        };
        Self((0..count).map(share).collect())
    }

    /// Bracket of a trial of a study.
    fn of(&self, study: &str, number: usize) -> u32 {
        let total: u32 = self.0.iter().sum();
        let mut rest = crc32(format!("{study}_{number}").as_bytes()) % total.max(1);
        for (bracket, share) in (0..).zip(&self.0) {
            if rest < *share {
                return bracket;
            }
            rest -= share;
        }
        0
    }
}

/// CRC-32 of IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_and_brackets_are_those_of_optuna() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        // `HyperbandPruner(1, 27, 3)._trial_allocation_budgets`
        assert_eq!(Brackets::new(1, 27, 3).0, [27, 12, 6, 4]);
    }
}
