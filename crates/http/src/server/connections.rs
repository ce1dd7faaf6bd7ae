//! Table of open connections: caps, and which idle connection gives way when a cap is reached.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::activity::Activity;

/// Connections beyond the cap, for health checks.
const RESERVED: usize = 16;
/// Age below which a connection without a request gives way only when nothing else does: its head may be on the
/// way.
const GRACE: Duration = Duration::from_secs(1);

/// Open connections of one listener, or of several that share a cap.
#[derive(Debug)]
pub(super) struct ConnectionTable {
    cap: usize,
    per_address: usize,
    state: Mutex<TableState>,
}

#[derive(Debug, Default)]
struct TableState {
    next: u64,
    open: BTreeMap<u64, Entry>,
    /// Connections of each address.
    addresses: HashMap<IpAddr, usize>,
    reserved: usize,
}

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    activity: Arc<Activity>,
    reserved: bool,
}

impl TableState {
    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.open.remove(&id)?;
        if entry.reserved {
            self.reserved -= 1;
        }
        if let Some(count) = self.addresses.get_mut(&entry.address) {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&entry.address);
            }
        }
        Some(entry)
    }

    /// Closes the idle connection that is missed least among those that `among` accepts.
    fn evict(&mut self, among: impl Fn(&Entry) -> bool) -> bool {
        let young = |since: Instant, requested: bool| !requested && since.elapsed() < GRACE;
        let idle = self.open.iter().filter(|(_, entry)| among(entry)).filter_map(|(id, entry)| {
            let (requested, since) = entry.activity.idle_rank()?;
            Some((young(since, requested), requested, since, *id))
        });
        let Some((.., id)) = idle.min() else { return false };
        if let Some(entry) = self.remove(id) {
            entry.activity.evict();
        }
        true
    }
}

impl ConnectionTable {
    /// Table for `cap` connections, and up to `per_address` of one address.
    pub fn new(cap: usize, per_address: Option<usize>) -> Arc<Self> {
        let per_address = per_address.unwrap_or(usize::MAX);
        Arc::new(Self { cap, per_address, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, TableState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Slot of a new connection. At the cap, an idle connection gives way; if none is idle, the new one gets a
    /// reserved slot. `None` if there is no room at all.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionSlot> {
        let mut state = self.state();
        let of_address = state.addresses.get(&address).copied().unwrap_or(0);
        if of_address >= self.per_address && !state.evict(|entry| entry.address == address) {
            return None;
        }
        let room = state.open.len() - state.reserved < self.cap || state.evict(|entry| !entry.reserved);
        let reserved = !room;
        if reserved && state.reserved >= RESERVED && !state.evict(|entry| entry.reserved) {
            return None;
        }
        let id = state.next;
        state.next += 1;
        let activity = Arc::new(Activity::new());
        state.open.insert(id, Entry { address, activity: Arc::clone(&activity), reserved });
        *state.addresses.entry(address).or_default() += 1;
        state.reserved += usize::from(reserved);
        Some(ConnectionSlot { table: Arc::clone(self), id, activity, reserved })
    }

    /// Closes up to `count` idle connections, since the process has no descriptors left.
    pub fn shed(&self, count: usize) {
        let mut state = self.state();
        let closed = (0..count).take_while(|_| state.evict(|_| true)).count();
        tracing::debug!(closed, "closed idle connections");
    }
}

/// RAII guard of a connection's place in the table.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    table: Arc<ConnectionTable>,
    id: u64,
    pub activity: Arc<Activity>,
    /// `true` if the cap is reached and the connection may only ask for health.
    pub reserved: bool,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.table.state().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
    }

    async fn is_evicted(slot: &ConnectionSlot) -> bool {
        tokio::time::timeout(Duration::from_millis(1), slot.activity.evicted()).await.is_ok()
    }

    #[tokio::test]
    async fn silent_connections_give_way_before_idle_ones_and_busy_ones_never_do() {
        let table = ConnectionTable::new(3, None);
        let busy = table.admit(address(1)).unwrap();
        let _request = busy.activity.begin(false);
        let idle = table.admit(address(1)).unwrap();
        drop(idle.activity.begin(false));
        tokio::time::sleep(Duration::from_millis(20)).await;
        let silent = table.admit(address(2)).unwrap();
        tokio::time::sleep(GRACE + Duration::from_millis(100)).await;
        let new = table.admit(address(3)).unwrap();
        assert!(!new.reserved && is_evicted(&silent).await && !is_evicted(&idle).await);
        // The newest one is too young to be silent.
        let newer = table.admit(address(3)).unwrap();
        assert!(!newer.reserved && is_evicted(&idle).await && !is_evicted(&busy).await);
        drop((busy, idle, silent, new, newer));
        let state = table.state();
        assert!(state.open.is_empty() && state.addresses.is_empty() && state.reserved == 0);
    }

    #[tokio::test]
    async fn health_has_a_reserve_when_every_connection_is_busy() {
        let table = ConnectionTable::new(2, None);
        let busy: Vec<_> = (0..2).map(|_| table.admit(address(1)).unwrap()).collect();
        let _requests: Vec<_> = busy.iter().map(|slot| slot.activity.begin(true)).collect();
        let reserved: Vec<_> = (0..RESERVED).map(|_| table.admit(address(2)).unwrap()).collect();
        assert!(reserved.iter().all(|slot| slot.reserved));
        let last = table.admit(address(2)).unwrap();
        assert!(last.reserved && is_evicted(&reserved[0]).await);
        let _asking: Vec<_> =
            reserved[1..].iter().chain([&last]).map(|slot| slot.activity.begin(false)).collect();
        assert!(table.admit(address(2)).is_none());
    }

    #[tokio::test]
    async fn an_address_has_its_share() {
        let table = ConnectionTable::new(10, Some(2));
        let slots: Vec<_> = (0..2).map(|_| table.admit(address(1)).unwrap()).collect();
        let _requests: Vec<_> = slots.iter().map(|slot| slot.activity.begin(false)).collect();
        assert!(table.admit(address(1)).is_none());
        assert!(table.admit(address(2)).is_some());
    }
}
