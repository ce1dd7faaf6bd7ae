//! Counts of bytes in use, and those that one request adds to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::exceeded::Exceeded;

/// Bytes in use against a limit.
#[derive(Debug)]
pub(crate) struct Account {
    limit: usize,
    used: AtomicUsize,
}

impl Account {
    pub fn new(limit: usize) -> Self {
        Self { limit, used: AtomicUsize::new(0) }
    }

    /// Adds bytes; `Err((needed, allowed))` leaves the account as it was.
    pub fn add(&self, bytes: usize) -> Result<(), (usize, usize)> {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        match before.checked_add(bytes) {
            Some(now) if now <= self.limit => Ok(()),
            now => {
                self.remove(bytes);
                Err((now.unwrap_or(usize::MAX), self.limit))
            }
        }
    }

    /// Gives bytes back.
    pub fn remove(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// Account of a caller.
#[derive(Debug)]
pub(crate) struct CallerAccount {
    pub id: String,
    pub account: Account,
}

/// Accounts that a request takes from.
#[derive(Debug)]
pub(crate) struct RequestAccount {
    pub own: Account,
    pub caller: Option<Arc<CallerAccount>>,
    pub server: Arc<Account>,
    pub timeout: Duration,
    pub deadline: Option<Instant>,
}

impl RequestAccount {
    pub fn add(&self, bytes: usize) -> Result<(), Exceeded> {
        self.own.add(bytes).map_err(|(needed, allowed)| Exceeded::Request { needed, allowed })?;
        if let Some(caller) = &self.caller
            && let Err((needed, allowed)) = caller.account.add(bytes)
        {
            self.own.remove(bytes);
            return Err(Exceeded::Caller { needed, allowed });
        }
        if let Err((needed, allowed)) = self.server.add(bytes) {
            self.own.remove(bytes);
            self.caller.iter().for_each(|caller| caller.account.remove(bytes));
            return Err(Exceeded::Server { needed, allowed });
        }
        Ok(())
    }

    pub fn remove(&self, bytes: usize) {
        self.own.remove(bytes);
        self.caller.iter().for_each(|caller| caller.account.remove(bytes));
        self.server.remove(bytes);
    }
}

impl Drop for RequestAccount {
    /// Gives back what was charged to the request.
    fn drop(&mut self) {
        self.remove(self.own.used());
    }
}
