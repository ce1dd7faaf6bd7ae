//! Memory that a request has taken.

use std::sync::Arc;

use crate::account::RequestAccount;
use crate::exceeded::Exceeded;

/// Memory that is held until it is dropped.
#[derive(Debug)]
#[must_use = "the memory is given back when the hold is dropped"]
pub struct Hold {
    account: Option<Arc<RequestAccount>>,
    bytes: usize,
}

impl Hold {
    pub(crate) fn new(account: Option<Arc<RequestAccount>>, bytes: usize) -> Self {
        Self { account, bytes }
    }

    /// Hold of nothing, without an account.
    pub fn none() -> Self {
        Self { account: None, bytes: 0 }
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes more memory of the same request.
    ///
    /// # Errors
    /// The account that has too little; what was held stays held.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Exceeded> {
        if let Some(account) = &self.account {
            account.add(bytes)?;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Gives back all but `bytes`; more than is held changes nothing.
    pub fn shrink_to(&mut self, bytes: usize) {
        let surplus = self.bytes.saturating_sub(bytes);
        if let Some(account) = &self.account {
            account.remove(surplus);
        }
        self.bytes -= surplus;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{Accounts, MemoryLimits};

    #[test]
    fn holds_grow_and_shrink_within_the_budget() {
        let accounts = Accounts::new(MemoryLimits { server: 100, caller: 100, request: 50 });
        let budget = accounts.request(None, Duration::from_mins(1));
        let mut hold = budget.take(10).unwrap();
        hold.grow(40).unwrap();
        assert!(hold.grow(1).is_err());
        assert_eq!((hold.bytes(), accounts.used()), (50, 50));
        hold.shrink_to(60);
        hold.shrink_to(20);
        assert_eq!((hold.bytes(), budget.used()), (20, 20));
        drop(hold);
        assert_eq!(accounts.used(), 0);
    }
}
