//! Memory of a server and the shares of its callers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::account::{Account, CallerAccount};
use crate::budget::Budget;

/// Callers in the table before those without a request in flight are first removed.
const CALLERS: usize = 1_024;

/// Bytes that requests may hold at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimits {
    /// All requests together.
    pub server: usize,
    /// All requests of one caller.
    pub caller: usize,
    /// One request.
    pub request: usize,
}

impl MemoryLimits {
    /// Limits of a server with this memory for requests: a caller has half of it, and one request a quarter, but
    /// at least 64 MiB and at most 512 MiB, which a picture of 100 megapixels needs.
    pub fn of_server(server: usize) -> Self {
        let request = (server / 4).clamp(64 << 20, 512 << 20).min(server);
        Self { server, caller: (server / 2).max(request), request }
    }

    /// Limits that no request reaches.
    pub fn unlimited() -> Self {
        Self { server: usize::MAX, caller: usize::MAX, request: usize::MAX }
    }
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self::of_server(1 << 30)
    }
}

/// Memory of a server: one account for all requests, one for each caller with requests in flight.
#[derive(Debug, Clone)]
pub struct Accounts {
    limits: MemoryLimits,
    server: Arc<Account>,
    callers: Arc<Mutex<Callers>>,
}

impl Accounts {
    /// Accounts with these limits.
    pub fn new(limits: MemoryLimits) -> Self {
        Self { limits, server: Arc::new(Account::new(limits.server)), callers: Arc::default() }
    }

    /// Limits of the accounts.
    pub fn limits(&self) -> MemoryLimits {
        self.limits
    }

    /// Bytes that all requests hold.
    pub fn used(&self) -> usize {
        self.server.used()
    }

    /// Budget of a request that begins now. Requests without a caller, at a server that is open to everybody,
    /// share the server's memory alone.
    pub fn request(&self, caller: Option<&str>, timeout: Duration) -> Budget {
        let caller = caller.map(|id| self.caller(id));
        Budget::new(self.limits.request, caller, Arc::clone(&self.server), timeout)
    }

    fn caller(&self, id: &str) -> Arc<CallerAccount> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        callers.get(id, self.limits.caller)
    }
}

/// Accounts of callers by their id.
#[derive(Debug)]
struct Callers {
    accounts: HashMap<String, Weak<CallerAccount>>,
    /// Number of accounts at which those without a request in flight are removed.
    sweep_at: usize,
}

impl Default for Callers {
    fn default() -> Self {
        Self { accounts: HashMap::new(), sweep_at: CALLERS }
    }
}

impl Callers {
    fn get(&mut self, id: &str, limit: usize) -> Arc<CallerAccount> {
        if let Some(known) = self.accounts.get(id).and_then(Weak::upgrade) {
            return known;
        }
        if self.accounts.len() >= self.sweep_at {
            self.accounts.retain(|_, account| account.strong_count() > 0);
            // Doubling keeps the cost of sweeps proportional to the number of new callers.
            self.sweep_at = CALLERS.max(2 * self.accounts.len());
        }
        let account = Arc::new(CallerAccount { id: id.to_owned(), account: Account::new(limit) });
        self.accounts.insert(id.to_owned(), Arc::downgrade(&account));
        account
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Exceeded;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn each_account_refuses_what_exceeds_it_and_gets_back_what_was_held() {
        let accounts = Accounts::new(MemoryLimits { server: 100, caller: 60, request: 40 });
        let one = accounts.request(Some("a"), MINUTE);
        let held = one.take(40).unwrap();
        assert_eq!(one.take(1).unwrap_err(), Exceeded::Request { needed: 41, allowed: 40 });
        let two = accounts.request(Some("a"), MINUTE);
        assert_eq!(two.take(21).unwrap_err(), Exceeded::Caller { needed: 61, allowed: 60 });
        let kept = two.take(20).unwrap();
        let other = accounts.request(Some("b"), MINUTE);
        let _other = other.take(40).unwrap();
        let open = accounts.request(None, MINUTE);
        assert_eq!(open.take(1).unwrap_err(), Exceeded::Server { needed: 101, allowed: 100 });
        drop(held);
        assert_eq!(accounts.used(), 60);
        assert!(open.take(40).is_ok());
        drop((kept, one, two));
        assert_eq!(accounts.used(), 40);
    }

    #[test]
    fn what_is_charged_is_given_back_when_the_request_ends() {
        let accounts = Accounts::new(MemoryLimits { server: 100, caller: 100, request: 100 });
        let budget = accounts.request(Some("a"), MINUTE);
        budget.charge(30).unwrap();
        let hold = budget.take(20).unwrap();
        assert!(budget.charge_each(2, 30).is_err());
        drop(budget);
        assert_eq!(accounts.used(), 50);
        drop(hold);
        assert_eq!(accounts.used(), 0);
    }

    #[test]
    fn a_refusal_changes_no_account_and_huge_numbers_do_not_wrap() {
        let accounts = Accounts::new(MemoryLimits { server: 100, caller: 100, request: 100 });
        let budget = accounts.request(Some("a"), MINUTE);
        let _held = budget.take(10).unwrap();
        for bytes in [91, usize::MAX, usize::MAX - 5] {
            assert!(matches!(budget.take(bytes), Err(Exceeded::Request { .. })), "{bytes}");
        }
        assert!(budget.take_each(usize::MAX, 8).is_err());
        assert_eq!(accounts.used(), 10);
    }

    #[test]
    fn the_table_of_callers_forgets_those_without_requests() {
        let accounts = Accounts::new(MemoryLimits::default());
        for caller in 0..20_000 {
            let budget = accounts.request(Some(&caller.to_string()), MINUTE);
            assert!(budget.take(1).is_ok());
        }
        assert!(accounts.callers.lock().unwrap().accounts.len() <= CALLERS);
    }

    #[test]
    fn shares_follow_the_memory_of_the_server() {
        let of = |mib: usize| {
            let limits = MemoryLimits::of_server(mib << 20);
            (limits.caller >> 20, limits.request >> 20)
        };
        assert_eq!(of(32), (32, 32));
        assert_eq!(of(128), (64, 64));
        assert_eq!(of(1_024), (512, 256));
        assert_eq!(of(65_536), (32_768, 512));
    }
}
