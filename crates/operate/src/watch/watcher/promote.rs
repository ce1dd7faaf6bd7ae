//! Promotion, the watch over a promoted version, and the way back.

use cupola_registry::Aliases;
use cupola_spec::WatchClaim;
use cupola_workflow::{JudgedCondition, roll_back_alias, set_alias};
use jiff::{SignedDuration, Timestamp};

use crate::watch::contest::Contest;
use crate::watch::cycle::WatchCycle;
use crate::watch::error::WatchError;
use crate::watch::look::clock::ages;
use crate::watch::record::WatchState;
use crate::watch::watcher::Watcher;
use crate::watch::watcher::steps::needed;

impl Watcher<'_> {
    /// Moves the alias to the challenger. A process that was killed after the move finds it made.
    pub(in crate::watch) fn promote(&self, cycle: &WatchCycle) -> Result<Option<WatchState>, WatchError> {
        let (home, name, alias) = (self.session.home(), &self.run.name, &self.watch.alias);
        let gated = needed(cycle.gated(), "gated")?;
        let trained = needed(cycle.trained(), "trained")?;
        let to = home.package(&trained.package)?.manifest.version;
        let promoted = WatchState::Promoted {
            alias: alias.clone(),
            from: gated.champion,
            to,
            until: self.until(gated.champion),
        };
        let now = Aliases::read(home, name)?.get(alias).copied();
        if now == Some(to) || Aliases::moves_to(home, name, alias, to)? > gated.moves {
            return Ok(Some(promoted));
        }
        if now != gated.champion {
            let at =
                now.map_or_else(|| "was removed".to_owned(), |version| format!("is at version {version}"));
            let why = format!("`{alias}` {at} since the challenger was compared with another version");
            return Ok(Some(WatchState::Rejected { why }));
        }
        if let Some(state) = self.before_promotion(cycle, now, to)? {
            return Ok(Some(state));
        }
        self.journal.confirm()?;
        // First the canary, so that no server gives its share of the requests to an older version.
        self.lead_canary(to)?;
        set_alias(home, name, alias, to, Some(now), false)?;
        Ok(Some(promoted))
    }

    /// End of the watch over a version that is promoted now in place of another one; `None` without anything to compare.
    fn until(&self, from: Option<u64>) -> Option<String> {
        from?;
        let within = SignedDuration::try_from_secs_f64(self.watch.rollback_seconds()).ok()?;
        let end = Timestamp::now().checked_add(within).ok()?;
        (self.compares() && within.is_positive()).then(|| format!("{end:.0}"))
    }

    /// `true` if a promoted version is compared with the earlier one.
    fn compares(&self) -> bool {
        self.watch.recent.is_some() || self.watch.live.is_some()
    }

    /// Compares the promoted version with the earlier one if there are newer rows or requests; `None` while neither these
    /// nor the end of the watch are there. Reasons why something was not compared are added to `notes`.
    pub(in crate::watch) fn follow(
        &self,
        cycle: &WatchCycle,
        notes: &mut Vec<String>,
    ) -> Result<Option<WatchState>, WatchError> {
        let (home, name, alias) = (self.session.home(), &self.run.name, &self.watch.alias);
        let Some((from, to)) = cycle.promoted() else { return Ok(None) };
        let kept = |why: String| Ok(Some(WatchState::Kept { why }));
        let now = Aliases::read(home, name)?.get(alias).copied();
        if now != Some(to) {
            let now = now.map_or_else(|| "nothing".to_owned(), |version| format!("version {version}"));
            return kept(format!("`{alias}` was moved to {now} by others"));
        }
        let Some(from) = from else { return kept("there is no earlier version to compare with".to_owned()) };
        if !self.compares() {
            return kept("the config names no recent rows and no server to compare on".to_owned());
        }
        if let Some(live) = self.followed_live(cycle, to, notes)? {
            return Ok(Some(live));
        }
        if let Some(watched) = self.compared(cycle, from, to, notes)? {
            return Ok(Some(watched));
        }
        let age = cycle.record_of("promoted").map_or(0.0, |promotion| self.age(promotion));
        if age < self.watch.rollback_seconds() {
            return Ok(None);
        }
        kept(format!("not worse {} within {}", compared_on(cycle), self.watch.rollback.within))
    }

    /// Comparison on recent rows that were not there before; `None` without any.
    fn compared(
        &self,
        cycle: &WatchCycle,
        from: u64,
        to: u64,
        notes: &mut Vec<String>,
    ) -> Result<Option<WatchState>, WatchError> {
        let Some(rows) = self.surroundings().recent(notes) else { return Ok(None) };
        let label = rows.label();
        let known = cycle.records.iter().any(|record| match &record.state {
            WatchState::Watched { contest, .. } => contest.data.dataset == label,
            WatchState::Gated(gated) => {
                gated.recent.as_ref().is_some_and(|contest| contest.data.dataset == label)
            }
            _ => false,
        });
        if known || rows.dataset.rows < self.watch.rollback.rows {
            return Ok(None);
        }
        let (home, name) = (self.session.home(), &self.run.name);
        let (earlier, promoted) = (home.version(name, from)?, home.version(name, to)?);
        let contest = Contest { champion: &earlier, challenger: &promoted, device: self.device() };
        let required = WatchClaim::NoWorse.requirement();
        let contest = contest.on(self.session, &rows, &self.watch, required, &self.run.sealed.targets)?;
        // A difference that is undefined on these rows is not worse.
        let worse = contest.gate.broken().any(|condition| condition.found.is_some());
        Ok(Some(WatchState::Watched { worse, contest: Box::new(contest) }))
    }

    /// Moves the alias back to the version before the promotion. A process that was killed after the move finds it made.
    pub(in crate::watch) fn roll_back(&self, cycle: &WatchCycle) -> Result<Option<WatchState>, WatchError> {
        let (home, name, alias) = (self.session.home(), &self.run.name, &self.watch.alias);
        let Some((Some(before), promoted)) = cycle.promoted() else {
            return Ok(Some(WatchState::Kept { why: "there is no earlier version to return to".to_owned() }));
        };
        let now = Aliases::read(home, name)?.get(alias).copied();
        if now == Some(promoted) {
            self.journal.confirm()?;
            roll_back_alias(home, name, alias, false)?;
        }
        let now = Aliases::read(home, name)?.get(alias).copied();
        if now != Some(before) {
            let now = now.map_or_else(|| "nothing".to_owned(), |version| format!("version {version}"));
            return Ok(Some(WatchState::Kept { why: format!("`{alias}` was moved to {now} by others") }));
        }
        self.lead_canary(before)?;
        let why = cycle.records.iter().rev().find_map(|record| match &record.state {
            WatchState::Watched { worse: true, contest } => {
                let reasons: Vec<String> = contest.gate.broken().map(JudgedCondition::remark).collect();
                Some(format!("worse on {} newer rows: {}", contest.rows, reasons.join("; ")))
            }
            WatchState::Live(contest) if contest.worse => Some(format!("worse in use: {}", contest.why)),
            _ => None,
        });
        Ok(Some(WatchState::RolledBack { from: promoted, to: before, why: why.unwrap_or_default() }))
    }

    /// Seconds since a record, on a clock that may jump.
    pub(super) fn age(&self, record: &crate::watch::record::WatchRecord) -> f64 {
        let records = self.journal.records();
        let at = records.iter().position(|one| one == record);
        at.and_then(|at| ages(records, Timestamp::now()).get(at).copied()).unwrap_or(0.0)
    }
}

/// Rows and requests on which a promoted version was compared, in words.
fn compared_on(cycle: &WatchCycle) -> String {
    let sets = cycle.records.iter().filter(|record| record.state.name() == "watched").count();
    let requests = cycle.records.iter().rev().find_map(|record| match &record.state {
        WatchState::Live(contest) => contest.newer.as_ref().map(|newer| newer.requests),
        _ => None,
    });
    let plural = if sets == 1 { "" } else { "s" };
    let requests = requests.map(|requests| format!(" and {requests} requests")).unwrap_or_default();
    format!("on {sets} newer set{plural} of rows{requests}")
}
