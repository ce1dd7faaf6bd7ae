//! One retraining, as its records tell it.

use cupola_monitor::service::VersionFigures;

use super::record::{
    ChallengerConfig, GateEvidence, LiveContest, TrainedChallenger, TriggerEvidence, WatchRecord, WatchState,
    WatchedData,
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
    /// Look at the canary.
    Try,
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

    /// Version that the alias of the canary was moved to.
    pub fn canary(&self) -> Option<u64> {
        self.first(|state| if let WatchState::Canary { to, .. } = state { Some(*to) } else { None })
    }

    /// End of the canary.
    pub fn tried(&self) -> Option<&LiveContest> {
        self.first(|state| if let WatchState::Tried(one) = state { Some(&**one) } else { None })
    }

    /// Figures of the champion before the promotion; the outer `None` if nobody asked for them.
    pub fn measured(&self) -> Option<Option<&VersionFigures>> {
        self.first(|state| match state {
            WatchState::Measured { figures, .. } => Some(figures.as_ref()),
            _ => None,
        })
    }

    /// Time until which the promoted version is followed; `None` if it is not followed now.
    pub fn followed_until(&self) -> Option<(u64, &str)> {
        let followed = matches!(self.next(), WatchStep::Follow);
        self.first(|state| match state {
            WatchState::Promoted { to, until, .. } if followed => Some((*to, until.as_deref()?)),
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

    /// Its first record of a state.
    pub(super) fn record_of(&self, name: &str) -> Option<&WatchRecord> {
        self.records.iter().find(|record| record.state.name() == name)
    }

    fn has(&self, name: &str) -> bool {
        self.records.iter().any(|record| record.state.name() == name)
    }

    /// Its next step.
    pub fn next(&self) -> WatchStep {
        let worse = |record: &WatchRecord| match &record.state {
            WatchState::Watched { worse, .. } => *worse,
            WatchState::Live(contest) => contest.worse,
            _ => false,
        };
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
                (_, false, _) | (_, _, Some(Ok(()))) => self.after_approval(),
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

    /// Step of a challenger that may be promoted: the canary first, if it has one.
    fn after_approval(&self) -> WatchStep {
        match (self.canary(), self.tried()) {
            (Some(_), None) => WatchStep::Try,
            (Some(_), Some(tried)) if tried.worse => WatchStep::Reject,
            _ => WatchStep::Promote,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gated() -> WatchState {
        WatchState::Gated(Box::new(GateEvidence {
            passed: true,
            why: String::new(),
            champion: Some(1),
            moves: 0,
            holdout: None,
            recent: None,
        }))
    }

    fn contest(worse: bool) -> Box<LiveContest> {
        Box::new(LiveContest { worse, why: String::new(), earlier: None, newer: None })
    }

    fn next(states: Vec<WatchState>) -> WatchStep {
        let at = "2026-11-27T10:00:00Z".to_owned();
        let records = states.into_iter().map(|state| WatchRecord { cycle: Some(1), at: at.clone(), state });
        WatchCycle { number: 1, records: records.collect() }.next()
    }

    #[test]
    fn a_canary_stands_between_the_gate_and_the_promotion() {
        let canary = || WatchState::Canary { alias: "candidate".to_owned(), to: 2 };
        assert_eq!(next(vec![gated()]), WatchStep::Promote);
        assert_eq!(next(vec![gated(), canary()]), WatchStep::Try);
        assert_eq!(next(vec![gated(), canary(), WatchState::Tried(contest(false))]), WatchStep::Promote);
        assert_eq!(next(vec![gated(), canary(), WatchState::Tried(contest(true))]), WatchStep::Reject);
        let measured = WatchState::Measured { figures: None, why: Some("away".to_owned()) };
        assert_eq!(next(vec![gated(), measured]), WatchStep::Promote);
    }

    #[test]
    fn a_version_that_is_worse_in_use_goes_back_once() {
        let promoted = || {
            let until = Some("2026-11-28T10:00:00Z".to_owned());
            vec![
                gated(),
                WatchState::Promoted { alias: "production".to_owned(), from: Some(1), to: 2, until },
            ]
        };
        assert_eq!(next(promoted()), WatchStep::Follow);
        let with = |worse| [promoted(), vec![WatchState::Live(contest(worse))]].concat();
        assert_eq!(next(with(false)), WatchStep::Follow);
        assert_eq!(next(with(true)), WatchStep::RollBack);
        let ended = WatchState::RolledBack { from: 2, to: 1, why: String::new() };
        assert_eq!(next([with(true), vec![ended]].concat()), WatchStep::Done);
    }
}
