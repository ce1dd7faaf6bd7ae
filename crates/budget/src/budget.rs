//! Budget of one request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::account::{Account, CallerAccount, RequestAccount};
use crate::exceeded::Exceeded;
use crate::hold::Hold;

/// Memory and time of one request. Clones share them.
#[derive(Debug, Clone)]
pub struct Budget(Option<Arc<RequestAccount>>);

impl Budget {
    pub(crate) fn new(
        limit: usize,
        caller: Option<Arc<CallerAccount>>,
        server: Arc<Account>,
        timeout: Duration,
    ) -> Self {
        let deadline = Instant::now().checked_add(timeout);
        let own = Account::new(limit);
        Self(Some(Arc::new(RequestAccount { own, caller, server, timeout, deadline })))
    }

    /// Budget without limits, for training and tests.
    pub fn unlimited() -> Self {
        Self(None)
    }

    /// Takes memory that is about to be allocated. It is given back when the hold is dropped.
    ///
    /// # Errors
    /// The account that has too little.
    pub fn take(&self, bytes: usize) -> Result<Hold, Exceeded> {
        if let Some(account) = &self.0 {
            account.add(bytes)?;
        }
        Ok(Hold::new(self.0.clone(), bytes))
    }

    /// Takes memory for `count` items of `bytes` each.
    ///
    /// # Errors
    /// The errors of [`Self::take`].
    pub fn take_each(&self, count: usize, bytes: usize) -> Result<Hold, Exceeded> {
        self.take(count.saturating_mul(bytes))
    }

    /// Takes memory that is held until the request ends: until the last clone of this budget and the last of its
    /// holds are dropped.
    ///
    /// # Errors
    /// The errors of [`Self::take`].
    pub fn charge(&self, bytes: usize) -> Result<(), Exceeded> {
        self.0.as_ref().map_or(Ok(()), |account| account.add(bytes))
    }

    /// [`Self::charge`] for `count` items of `bytes` each.
    ///
    /// # Errors
    /// The errors of [`Self::take`].
    pub fn charge_each(&self, count: usize, bytes: usize) -> Result<(), Exceeded> {
        self.charge(count.saturating_mul(bytes))
    }

    /// Error of a request whose deadline has passed.
    pub fn late(&self) -> Exceeded {
        Exceeded::Deadline { timeout: self.0.as_ref().map_or(Duration::ZERO, |account| account.timeout) }
    }

    /// Checks that the deadline has not passed. Loops call it between rows.
    ///
    /// # Errors
    /// [`Exceeded::Deadline`].
    pub fn check(&self) -> Result<(), Exceeded> {
        match &self.0 {
            Some(account) if account.deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                Err(self.late())
            }
            _ => Ok(()),
        }
    }

    /// Time at which the request ends; `None` without a limit.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.as_ref().and_then(|account| account.deadline)
    }

    /// Id of the caller, where the server can tell callers apart.
    pub fn caller(&self) -> Option<&str> {
        let caller = self.0.as_ref()?.caller.as_ref()?;
        Some(&caller.id)
    }

    /// Bytes that the request holds.
    pub fn used(&self) -> usize {
        self.0.as_ref().map_or(0, |account| account.own.used())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Accounts, MemoryLimits};

    #[test]
    fn a_deadline_ends_the_request_and_a_huge_timeout_never_does() {
        let accounts = Accounts::new(MemoryLimits::default());
        let late = accounts.request(None, Duration::ZERO);
        assert_eq!(late.check(), Err(Exceeded::Deadline { timeout: Duration::ZERO }));
        let endless = accounts.request(None, Duration::MAX);
        assert_eq!((endless.check(), endless.deadline()), (Ok(()), None));
        assert_eq!(Budget::unlimited().check(), Ok(()));
        assert!(Budget::unlimited().take(usize::MAX).is_ok());
    }
}
