//! Use of one caller: a token bucket and a daily count.

use std::time::{Duration, Instant};

use super::super::key_file::{ApiKey, unix_seconds};
use super::part;

const SECONDS_PER_DAY: u64 = 86_400;
/// Time without a request after which the tokens of any ordinary rate are full again.
const FULL_AGAIN: Duration = Duration::from_mins(1);
/// Age at which the store's answer is renewed.
pub(super) const RENEWED_AFTER: Duration = Duration::from_millis(100);
/// Age at which it is renewed if nothing is left of it.
const SPENT_AFTER: Duration = Duration::from_millis(20);
/// Wait that is announced while other replicas may still have a part of the quota.
const SHORT_WAIT: Duration = Duration::from_secs(1);

/// Moment of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub now: Instant,
    /// Seconds since 1970.
    pub unix_seconds: u64,
}

impl Clock {
    pub fn now() -> Self {
        Self { now: Instant::now(), unix_seconds: unix_seconds() }
    }

    fn day(self) -> u64 {
        self.unix_seconds / SECONDS_PER_DAY
    }

    fn until_tomorrow(self) -> Duration {
        Duration::from_secs(SECONDS_PER_DAY - self.unix_seconds % SECONDS_PER_DAY)
    }
}

/// Report of a replica to the store about a caller.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct UsageReport {
    /// Id of the key.
    pub id: String,
    /// Requests per second; 0 without a rate.
    pub rate: f64,
    /// Tokens that were spent since the last report.
    pub tokens: u64,
    /// Requests that were admitted since the last report that arrived.
    pub requests: u64,
    /// Requests of the day as the store knew them last, in case that it has lost them.
    pub known: u64,
}

/// Answer of the store to a report, with all replicas' reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct UsageAnswer {
    /// Tokens that are left; negative if the replicas have spent too many together.
    pub tokens: f64,
    /// Requests of the day.
    pub requests: u64,
}

/// Token bucket and daily count of a key.
#[derive(Debug)]
pub(super) struct KeyUsage {
    tokens: f64,
    refilled: Instant,
    rate: f64,
    day: u64,
    /// Requests of the day that the store knew at its last answer.
    known: u64,
    /// Requests in a report on its way to the store.
    reported: u64,
    /// Requests that are not reported yet. Without a store, all of the day.
    unreported: u64,
    /// Tokens that were spent since the last report.
    spent: u64,
    /// `true` if the key has a daily quota.
    limited_by_day: bool,
    /// `true` if a request came since the last report.
    asked: bool,
    /// Time of the store's last answer.
    answered: Option<Instant>,
}

/// Tokens of a full bucket: those of a second.
fn burst(rate: f64) -> f64 {
    rate.max(1.0)
}

impl KeyUsage {
    pub fn new(key: &ApiKey, replicas: f64, clock: Clock) -> Self {
        let rate = key.rate.unwrap_or_default();
        Self {
            tokens: part(burst(rate), replicas),
            refilled: clock.now,
            rate,
            day: clock.day(),
            known: 0,
            reported: 0,
            unreported: 0,
            spent: 0,
            limited_by_day: key.quota.is_some(),
            asked: false,
            answered: None,
        }
    }

    /// `true` unless forgetting it changes nothing: its tokens are full again, and nothing was counted today.
    pub fn is_counted(&self, clock: Clock) -> bool {
        clock.now.duration_since(self.refilled) < FULL_AGAIN
            || (self.limited_by_day && self.day == clock.day())
    }

    /// Counts a request; otherwise returns the time until the next one is admitted.
    pub fn admit(&mut self, key: &ApiKey, replicas: f64, clock: Clock) -> Result<(), Duration> {
        self.asked = true;
        self.limited_by_day = key.quota.is_some();
        if self.day != clock.day() {
            self.day = clock.day();
            (self.known, self.reported, self.unreported) = (0, 0, 0);
        }
        if let Some(quota) = key.quota {
            self.check_quota(quota, replicas, clock)?;
        }
        if let Some(rate) = key.rate {
            self.take_token(rate, replicas, clock)?;
        }
        self.unreported += 1;
        Ok(())
    }

    fn check_quota(&self, quota: u64, replicas: f64, clock: Clock) -> Result<(), Duration> {
        let own = self.reported + self.unreported;
        let left = quota.saturating_sub(self.known);
        if (own as f64) < part(left as f64, replicas).floor() {
            return Ok(());
        }
        Err(if own < left { SHORT_WAIT } else { clock.until_tomorrow() })
    }

    /// Takes a token from a bucket of the replica's part of `rate`, which fills within a second.
    fn take_token(&mut self, rate: f64, replicas: f64, clock: Clock) -> Result<(), Duration> {
        let elapsed = clock.now.duration_since(self.refilled).as_secs_f64();
        self.tokens = (self.tokens + elapsed * rate / replicas).min(part(burst(rate), replicas));
        (self.refilled, self.rate) = (clock.now, rate);
        if self.tokens < 1.0 {
            // A rate of zero, from a file that was edited by hand, never refills.
            let day = Duration::from_secs(SECONDS_PER_DAY);
            let wait = Duration::try_from_secs_f64((1.0 - self.tokens) / rate);
            return Err(wait.map_or(day, |wait| wait.min(day)));
        }
        self.tokens -= 1.0;
        self.spent += 1;
        Ok(())
    }

    /// `true` if a request came since the last report.
    pub fn has_asked(&self) -> bool {
        self.asked
    }

    /// `true` if the store's answer is too old for what is left of it.
    pub fn is_due(&self, clock: Clock) -> bool {
        let age = self.answered.map(|answered| clock.now.duration_since(answered));
        let longest = if self.tokens < 1.0 { SPENT_AFTER } else { RENEWED_AFTER };
        age.is_none_or(|age| age >= longest)
    }

    /// Report to the store. Either [`Self::settle`] or [`Self::give_back`] follows.
    pub fn report(&mut self, id: &str) -> UsageReport {
        self.asked = false;
        self.reported += std::mem::take(&mut self.unreported);
        UsageReport {
            id: id.to_owned(),
            rate: self.rate,
            tokens: std::mem::take(&mut self.spent),
            requests: self.reported,
            known: self.known,
        }
    }

    /// Takes over the store's answer to the last report.
    pub fn settle(&mut self, answer: UsageAnswer, replicas: f64, clock: Clock) {
        // The answer leaves out tokens that were spent while the report was on its way.
        self.tokens = part(answer.tokens, replicas) - self.spent as f64;
        self.refilled = clock.now;
        self.answered = Some(clock.now);
        (self.known, self.reported) = (answer.requests, 0);
    }

    /// Keeps the requests of a report that did not arrive. Its tokens came out of the replica's own part of the rate, and
    /// are not owed to the store.
    pub fn give_back(&mut self) {
        self.unreported += std::mem::take(&mut self.reported);
    }
}
