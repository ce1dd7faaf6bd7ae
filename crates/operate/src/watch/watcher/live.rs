//! The canary of a challenger, and the metrics of a server before and after a promotion.

use cupola_monitor::service::{RolloutVerdict, VersionFigures};
use cupola_registry::Aliases;
use cupola_spec::{WatchCanary, WatchLive};
use cupola_workflow::set_alias;

use crate::watch::cycle::WatchCycle;
use crate::watch::error::WatchError;
use crate::watch::live::{LiveServer, bounds};
use crate::watch::record::{LiveContest, WatchState};
use crate::watch::watcher::Watcher;

impl Watcher<'_> {
    fn live(&self) -> Result<Option<(LiveServer<'_>, &WatchLive)>, WatchError> {
        let Some(live) = &self.watch.live else { return Ok(None) };
        Ok(Some((LiveServer::open(live, &self.roots, self.session.home().root())?, live)))
    }

    fn canary(&self) -> Option<&WatchCanary> {
        self.watch.live.as_ref()?.canary.as_ref()
    }

    /// Record that comes before the promotion of a version in place of another one: that of the canary, or of the figures of
    /// the champion. `None` if the promotion may be made.
    pub(super) fn before_promotion(
        &self,
        cycle: &WatchCycle,
        from: Option<u64>,
        to: u64,
    ) -> Result<Option<WatchState>, WatchError> {
        let Some((from, (server, _))) = from.zip(self.live()?) else { return Ok(None) };
        if cycle.tried().is_some() || cycle.measured().is_some() {
            return Ok(None);
        }
        if let Some(canary) = self.canary() {
            self.lead_canary(to)?;
            return Ok(Some(WatchState::Canary { alias: canary.alias.clone(), to }));
        }
        let state = match server.figures(&self.run.name, from) {
            Ok(figures) => WatchState::Measured { figures: Some(figures), why: None },
            Err(error) => WatchState::Measured { figures: None, why: Some(error.to_string()) },
        };
        Ok(Some(state))
    }

    /// Points the alias of the canary at a version, if there is one and it is not there.
    pub(super) fn lead_canary(&self, to: u64) -> Result<(), WatchError> {
        let (home, name) = (self.session.home(), &self.run.name);
        let Some(canary) = self.canary() else { return Ok(()) };
        let now = Aliases::read(home, name)?.get(&canary.alias).copied();
        if now != Some(to) {
            set_alias(home, name, &canary.alias, to, Some(now), false)?;
        }
        Ok(())
    }

    /// Gives the requests of a canary back to the champion. Without a canary of this retraining nothing happens.
    pub(super) fn withdraw_canary(&self, cycle: &WatchCycle) -> Result<(), WatchError> {
        let Some((to, canary)) = cycle.canary().zip(self.canary()) else { return Ok(()) };
        let aliases = Aliases::read(self.session.home(), &self.run.name)?;
        match aliases.get(&self.watch.alias) {
            Some(champion) if aliases.get(&canary.alias) == Some(&to) => self.lead_canary(*champion),
            _ => Ok(()),
        }
    }

    /// Looks at the canary; `None` while it may go on.
    pub(super) fn try_canary(&self, cycle: &WatchCycle) -> Result<Option<WatchState>, WatchError> {
        let ended = |contest: LiveContest| Ok(Some(WatchState::Tried(Box::new(contest))));
        let failed = |why: &str| LiveContest { worse: true, why: why.to_owned(), earlier: None, newer: None };
        let from = cycle.gated().and_then(|gated| gated.champion);
        let (Some(to), Some(from), Some((server, live)), Some(canary)) =
            (cycle.canary(), from, self.live()?, self.canary())
        else {
            return ended(failed("the config has no canary any more"));
        };
        let now = Aliases::read(self.session.home(), &self.run.name)?.get(&canary.alias).copied();
        if now != Some(to) {
            return ended(failed(&format!("`{}` was moved by others", canary.alias)));
        }
        let (earlier, newer) = (server.figures(&self.run.name, from), server.figures(&self.run.name, to));
        let age = cycle.record_of("canary").map_or(0.0, |record| self.age(record));
        let is_over = age >= canary.within_seconds();
        let (earlier, newer) = match (earlier, newer) {
            (Ok(earlier), Ok(newer)) => (earlier, newer),
            (Err(error), _) | (_, Err(error)) => {
                return if is_over { ended(failed(&error.to_string())) } else { Ok(None) };
            }
        };
        let verdict = RolloutVerdict::of(&earlier, &newer, &bounds(live));
        if !is_over && !verdict.is_worse() {
            return Ok(None);
        }
        let few = !verdict.enough && !verdict.is_worse();
        let why = if few {
            let got = earlier.requests.min(newer.requests);
            format!("{got} requests within {}, of {} for a verdict", canary.within, live.requests)
        } else {
            words(&verdict, &newer)
        };
        let worse = few || verdict.is_worse();
        ended(LiveContest { worse, why, earlier: Some(earlier), newer: Some(newer) })
    }

    /// Compares the promoted version with the earlier one by the metrics of the server. `None` if there is nothing new;
    /// reasons for that are added to `notes`.
    pub(super) fn followed_live(
        &self,
        cycle: &WatchCycle,
        to: u64,
        notes: &mut Vec<String>,
    ) -> Result<Option<WatchState>, WatchError> {
        let Some((server, live)) = self.live()? else { return Ok(None) };
        let tried = cycle.tried().and_then(|tried| tried.earlier.as_ref());
        let Some(earlier) = tried.or(cycle.measured().flatten()) else {
            notes.push(
                "the server gave no figures of the earlier version, so metrics are not compared".to_owned(),
            );
            return Ok(None);
        };
        let newer = match server.figures(&self.run.name, to) {
            Ok(newer) => newer,
            Err(error) => {
                notes.push(error.to_string());
                return Ok(None);
            }
        };
        notes.extend(newer.notes.iter().cloned());
        let verdict = RolloutVerdict::of(earlier, &newer, &bounds(live));
        // A version that is not worse is written again only once it has twice as many requests.
        let before = cycle.records.iter().rev().find_map(|record| match &record.state {
            WatchState::Live(contest) => contest.newer.as_ref().map(|newer| newer.requests),
            _ => None,
        });
        let grown = before.is_none_or(|before| newer.requests >= before.saturating_mul(2).max(1));
        let says_something = verdict.is_worse() || (verdict.enough && grown);
        if !says_something {
            return Ok(None);
        }
        Ok(Some(WatchState::Live(Box::new(LiveContest {
            worse: verdict.is_worse(),
            why: words(&verdict, &newer),
            earlier: Some(earlier.clone()),
            newer: Some(newer),
        }))))
    }
}

/// Verdict in words.
fn words(verdict: &RolloutVerdict, newer: &VersionFigures) -> String {
    if verdict.is_worse() {
        verdict.crossed.join("; ")
    } else {
        let known = newer.right + newer.wrong + newer.measured;
        format!("within the bounds on {} requests and {known} rows of feedback", newer.requests)
    }
}
