//! Time of explanations: the request's deadline, and the time that it allows for them.

use std::time::{Duration, Instant};

use cupola_budget::{Budget, Exceeded};

use crate::error::Error;

/// Share of the time that estimates leave for the response.
const RESERVE: f64 = 0.1;

/// Time of the explanations of a request.
pub(crate) struct ExplainTime<'a> {
    pub budget: &'a Budget,
    /// Time that the request allows for explanations.
    allowed: Option<Duration>,
    end: Option<Instant>,
    /// Time at which an estimate ends with what it has.
    enough: Option<Instant>,
}

impl<'a> ExplainTime<'a> {
    pub fn new(budget: &'a Budget, allowed: Option<Duration>) -> Self {
        let now = Instant::now();
        let end = allowed.and_then(|allowed| now.checked_add(allowed));
        let first = end.into_iter().chain(budget.deadline()).min();
        Self { budget, allowed, end, enough: first.map(|first| before(now, first, 1)) }
    }

    /// The same time, of which an estimate takes the part of one of `rows`.
    pub fn share(&self, rows: usize) -> ExplainTime<'a> {
        let enough = self.enough.map(|enough| {
            let now = Instant::now();
            let rows = u32::try_from(rows.max(1)).unwrap_or(u32::MAX);
            now + enough.saturating_duration_since(now) / rows
        });
        ExplainTime { budget: self.budget, allowed: self.allowed, end: self.end, enough }
    }

    /// Checks that neither the deadline nor the allowed time has passed.
    pub fn check(&self) -> Result<(), Error> {
        self.budget.check()?;
        match (self.end, self.allowed) {
            (Some(end), Some(timeout)) if Instant::now() >= end => Err(Exceeded::Deadline { timeout }.into()),
            _ => Ok(()),
        }
    }

    /// Time that is left; `None` without a limit.
    pub fn left(&self) -> Option<Duration> {
        let end = self.end.into_iter().chain(self.budget.deadline()).min();
        end.map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// `true` while an estimate may be refined.
    pub fn allows_more(&self) -> bool {
        self.enough.is_none_or(|enough| Instant::now() < enough)
    }
}

/// Time a little before `end`.
fn before(now: Instant, end: Instant, rows: u32) -> Instant {
    now + end.saturating_duration_since(now).mul_f64(1.0 - RESERVE) / rows
}
