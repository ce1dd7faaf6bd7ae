//! One retraining, as its records tell it.

use super::record::{
    ChallengerConfig, GateEvidence, TrainedChallenger, TriggerEvidence, WatchRecord, WatchState, WatchedData,
};

/// Records of one retraining, in the order of the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchCycle {
    /// Its number, from 1.
    pub number: u64,
    /// Its records; never empty.
    pub records: Vec<WatchRecord>,
}

/// Next step of a retraining.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchStep {
    /// Pin the version of the dataset.
    Collect,
    /// Look at the expectations.
    Validate,
    /// Make the examples and fix the config.
    Prepare,
    /// Train the challenger.
    Train,
    /// Compare it with the champion.
    Gate,
    /// End without a promotion.
    Reject,
    /// Ask a person.
    Ask,
    /// Wait for a person.
    Wait,
    /// Move the alias.
    Promote,
    /// Compare the promoted version on newer rows.
    Follow,
    /// Move the alias back.
    RollBack,
    /// Nothing: it has ended.
    Done,
}

impl WatchCycle {
    /// All retrainings of a journal.
    pub(super) fn all(records: &[WatchRecord]) -> Vec<Self> {
        let mut cycles: Vec<Self> = Vec::new();
        for record in records {
            let Some(number) = record.cycle else { continue };
            match cycles.iter_mut().find(|cycle| cycle.number == number) {
                Some(cycle) => cycle.records.push(record.clone()),
                None => cycles.push(Self { number, records: vec![record.clone()] }),
            }
        }
        cycles
    }

    /// The record that ended it; `None` while it is open. Records after the first end do not count.
    pub fn end(&self) -> Option<&WatchRecord> {
        self.records.iter().find(|record| record.state.is_end())
    }

    /// `true` if it has not ended.
    pub fn is_open(&self) -> bool {
        self.end().is_none()
    }

    /// Its last state.
    pub fn state(&self) -> &WatchState {
        let last = self.end().or(self.records.last());
        last.map_or(&WatchState::Opened, |record| &record.state)
    }

    /// First state of a kind.
    fn first<'a, T>(&'a self, of: impl Fn(&'a WatchState) -> Option<T>) -> Option<T> {
        self.records.iter().find_map(|record| of(&record.state))
    }

    /// Evidence of its beginning.
    pub fn triggered(&self) -> Option<&TriggerEvidence> {
        self.first(|state| if let WatchState::Triggered(one) = state { Some(&**one) } else { None })
    }

    /// Version of the dataset.
    pub fn collected(&self) -> Option<&WatchedData> {
        self.first(|state| if let WatchState::Collected(one) = state { Some(one) } else { None })
    }

    /// Config of the challenger.
    pub fn prepared(&self) -> Option<&ChallengerConfig> {
        self.first(|state| if let WatchState::Prepared(one) = state { Some(&**one) } else { None })
    }

    /// The challenger.
    pub fn trained(&self) -> Option<&TrainedChallenger> {
        self.first(|state| if let WatchState::Trained(one) = state { Some(&**one) } else { None })
    }

    /// The comparison with the champion.
    pub fn gated(&self) -> Option<&GateEvidence> {
        self.first(|state| if let WatchState::Gated(one) = state { Some(&**one) } else { None })
    }

    /// The decision of a person: the first one counts. `Err` has the reason of a refusal.
    pub fn decision(&self) -> Option<Result<(), &str>> {
        self.first(|state| match state {
            WatchState::Approved { .. } => Some(Ok(())),
            WatchState::Declined { why, .. } => Some(Err(why.as_str())),
            _ => None,
        })
    }

    /// Version before and after the promotion.
    pub fn promoted(&self) -> Option<(Option<u64>, u64)> {
        self.first(|state| match state {
            WatchState::Promoted { from, to, .. } => Some((*from, *to)),
            _ => None,
        })
    }

    /// Record of the promotion.
    pub(super) fn promotion(&self) -> Option<&WatchRecord> {
        self.records.iter().find(|record| matches!(record.state, WatchState::Promoted { .. }))
    }

    fn has(&self, name: &str) -> bool {
        self.records.iter().any(|record| record.state.name() == name)
    }

    /// Its next step.
    pub fn next(&self) -> WatchStep {
        let worse = |record: &WatchRecord| matches!(record.state, WatchState::Watched { worse: true, .. });
        if !self.is_open() {
            return WatchStep::Done;
        }
        if self.promoted().is_some() {
            return if self.records.iter().any(worse) { WatchStep::RollBack } else { WatchStep::Follow };
        }
        if let Some(gated) = self.gated() {
            let asks = self.triggered().is_some_and(|triggered| triggered.approval);
            return match (gated.passed, asks, self.decision()) {
                (false, ..) | (_, _, Some(Err(_))) => WatchStep::Reject,
                (_, false, _) | (_, _, Some(Ok(()))) => WatchStep::Promote,
                (_, true, None) if self.has("pending") => WatchStep::Wait,
                (_, true, None) => WatchStep::Ask,
            };
        }
        match (self.has("collected"), self.has("validated"), self.has("prepared"), self.has("trained")) {
            (false, ..) => WatchStep::Collect,
            (_, false, ..) => WatchStep::Validate,
            (_, _, false, _) => WatchStep::Prepare,
            (.., false) => WatchStep::Train,
            _ => WatchStep::Gate,
        }
    }
}
