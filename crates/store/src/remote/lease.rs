//! Lease of an object: at most one of all machines has it, and it ends by itself after its holder is killed.
//!
//! The object is changed by conditional writes only. Its holder renews it from a thread of its own. Others may take it
//! when it was not renewed for its duration by the clock of the store: the time of its last write is compared with that of
//! an object that is written now, so that no clock of a machine counts (Gray and Cheriton, "Leases", 1989). Each holder
//! has a larger fencing number than the ones before it, also after the object was deleted or came from a backup: the caller
//! knows the newest number under which something was written.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::{PutCondition, Remote};
use crate::digest::sha256_hex;
use crate::disk::staged::write_file;
use crate::error::Error;

/// Largest object of a lease in bytes.
const LIMIT: u64 = 1 << 16;
/// Part of the duration after which the holder renews the lease.
const RENEWALS: u32 = 3;
/// Added to the duration before others take a lease, since stores tell times in whole seconds.
const ROUNDING: Duration = Duration::from_secs(2);
/// Longest duration of a lease in seconds: a damaged object must not hold one for years.
const LONGEST: u64 = 86_400;
/// Added to the fencing number after the object is lost: holders that have written nothing left no trace of theirs.
const UNSEEN_HOLDERS: u64 = 1 << 32;

/// Content of the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LeaseRecord {
    /// Id of the holding.
    id: String,
    /// Holder in words.
    holder: String,
    /// Number of the holding, from 1.
    fence: u64,
    /// Makes each renewal another content, and so another tag.
    renewals: u64,
    /// Seconds without a renewal after which others may take it.
    seconds: u64,
    /// `true` after its holder has given it back.
    released: bool,
}

/// Lease that this process holds until it is dropped, or until the store says otherwise.
#[derive(Debug)]
pub struct Lease {
    held: Arc<HeldLease>,
    is_taken_over: bool,
    stop: Option<Sender<()>>,
}

#[derive(Debug)]
struct HeldLease {
    remote: Arc<Remote>,
    key: String,
    id: String,
    fence: u64,
    duration: Duration,
    /// Time before the last successful renewal.
    renewed: Mutex<Instant>,
}

impl Lease {
    /// Takes the lease at `key` for `holder`, which names this process for others. A process of this machine that held it
    /// before is over: the caller holds a lock of the cache. `used` is the largest fencing number under which something was
    /// written, or 0: the new one is larger, whatever the object says.
    ///
    /// # Errors
    /// [`Error::Locked`] with the holder if another machine has it; [`Error::Lease`]; [`Error::Remote`].
    pub fn take(
        remote: &Arc<Remote>,
        key: &str,
        holder: &str,
        duration: Duration,
        used: u64,
    ) -> Result<Self, Error> {
        let (begun, id) = (Instant::now(), new_id(holder));
        let own = std::fs::read_to_string(remote.root().join(key)).unwrap_or_default();
        let is_done = |bytes: &[u8]| parsed(remote, key, bytes).is_ok_and(|found| found.id == id);
        let (fence, is_taken_over) = remote.update(key, LIMIT, is_done, |found| {
            let found = found.map(|bytes| parsed(remote, key, bytes)).transpose()?;
            if let Some(found) = &found
                && !found.released
                && found.id != own
                && !is_over(remote, key, Duration::from_secs(found.seconds))?
            {
                let holder =
                    format!("{}, whose lease ends {} s after its last renewal", found.holder, found.seconds);
                return Err(Error::Locked { path: remote.address(key), holder });
            }
            let current = found.filter(|found| found.fence >= used);
            let fence = next_fence(remote, key, current.as_ref(), used)?;
            // A holder of a lost lease may be at work as well.
            let is_taken_over = current.map_or(used > 0, |found| !found.released);
            let (id, holder, seconds) = (id.clone(), holder.to_owned(), duration.as_secs().clamp(1, LONGEST));
            let record = LeaseRecord { id, holder, fence, renewals: 0, seconds, released: false };
            Ok((Some(written(remote, key, &record)?), (fence, is_taken_over)))
        })?;
        write_file(&remote.root().join(key), id.as_bytes())?;
        let (remote, key, renewed) = (Arc::clone(remote), key.to_owned(), Mutex::new(begun));
        let held = Arc::new(HeldLease { remote, key, id, fence, duration, renewed });
        let stop = Some(renewing(Arc::clone(&held)));
        Ok(Self { held, is_taken_over, stop })
    }

    /// Fencing number: larger than that of every earlier holder.
    pub fn fence(&self) -> u64 {
        self.held.fence
    }

    /// `true` if the holder before has not given it back, so that it may still be at work.
    pub fn is_taken_over(&self) -> bool {
        self.is_taken_over
    }

    /// Checks that this process still has the lease. Asks the store unless a renewal was a moment ago.
    ///
    /// # Errors
    /// [`Error::Locked`] if another machine has it; [`Error::Lease`] if it is gone; [`Error::Remote`] if the store does not
    /// answer.
    pub fn check(&self) -> Result<(), Error> {
        let renewed = *self.held.renewed();
        if renewed.elapsed() < self.held.duration / 2 { Ok(()) } else { self.held.renew() }
    }

    /// Renews the lease now, before a step that must not be taken twice.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn confirm(&self) -> Result<(), Error> {
        self.held.renew()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.stop.take();
        // A lease that cannot be given back ends by itself.
        let _ = self.held.release();
    }
}

impl HeldLease {
    fn renewed(&self) -> MutexGuard<'_, Instant> {
        self.renewed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn parsed(&self, bytes: Option<&[u8]>) -> Result<LeaseRecord, Error> {
        let gone =
            || damaged(&self.remote, &self.key, "the lease was deleted while a process held it".to_owned());
        parsed(&self.remote, &self.key, bytes.ok_or_else(gone)?)
    }

    /// Writes the next renewal if the lease is still that of this process.
    fn renew(&self) -> Result<(), Error> {
        let begun = Instant::now();
        self.remote.update(
            &self.key,
            LIMIT,
            |_| false,
            |found| {
                let found = self.parsed(found)?;
                if found.id != self.id || found.released {
                    let holder = format!("{}, which has taken over", found.holder);
                    return Err(Error::Locked { path: self.remote.address(&self.key), holder });
                }
                let next = LeaseRecord { renewals: found.renewals.wrapping_add(1), ..found };
                Ok((Some(written(&self.remote, &self.key, &next)?), ()))
            },
        )?;
        let mut renewed = self.renewed();
        *renewed = begun.max(*renewed);
        Ok(())
    }

    /// Gives the lease back, with one attempt.
    fn release(&self) -> Result<(), Error> {
        let Some((tag, bytes)) = self.remote.document(&self.key, LIMIT)? else { return Ok(()) };
        let found = self.parsed(Some(&bytes))?;
        if found.id != self.id {
            return Ok(());
        }
        let bytes = written(&self.remote, &self.key, &LeaseRecord { released: true, ..found })?;
        self.remote.client.put(&self.key, &bytes, PutCondition::Tag(&tag)).map(drop)
    }
}

/// Renews a lease until the sender is dropped, or another machine has it.
fn renewing(held: Arc<HeldLease>) -> Sender<()> {
    let (stop, stopped) = channel();
    std::thread::spawn(move || {
        while stopped.recv_timeout(held.duration / RENEWALS) == Err(RecvTimeoutError::Timeout) {
            if matches!(held.renew(), Err(Error::Locked { .. })) {
                return;
            }
        }
    });
    stop
}

/// `true` if an object was not written for `duration`, by the clock of the store.
fn is_over(remote: &Remote, key: &str, duration: Duration) -> Result<bool, Error> {
    let Some(written) = remote.client.modified(key)? else { return Ok(false) };
    let clock = format!("{}.clock", key.trim_end_matches(".json"));
    remote.client.put(&clock, new_id(key).as_bytes(), PutCondition::Always)?;
    let now = remote.client.modified(&clock)?;
    let passed = now.and_then(|now| now.duration_since(written).ok());
    Ok(passed.is_some_and(|passed| passed > duration + ROUNDING))
}

/// Fencing number of the next holder. Without a `current` object it passes those of holders that have left no trace.
fn next_fence(remote: &Remote, key: &str, current: Option<&LeaseRecord>, used: u64) -> Result<u64, Error> {
    let next = match current {
        Some(found) => found.fence.checked_add(1),
        None if used == 0 => Some(1),
        None => used.checked_add(UNSEEN_HOLDERS),
    };
    next.ok_or_else(|| damaged(remote, key, "its fencing numbers are used up".to_owned()))
}

fn parsed(remote: &Remote, key: &str, bytes: &[u8]) -> Result<LeaseRecord, Error> {
    let mut record: LeaseRecord = serde_json::from_slice(bytes)
        .map_err(|error| damaged(remote, key, format!("the lease is damaged: {error}")))?;
    if record.seconds > LONGEST {
        let reason = format!("the lease is damaged: {} seconds are more than a day", record.seconds);
        return Err(damaged(remote, key, reason));
    }
    // The text of another machine goes to a terminal.
    record.holder.retain(|letter| !letter.is_control());
    Ok(record)
}

fn damaged(remote: &Remote, key: &str, reason: String) -> Error {
    Error::Lease { path: remote.address(key), reason }
}

fn written(remote: &Remote, key: &str, record: &LeaseRecord) -> Result<Vec<u8>, Error> {
    crate::disk::json::to_json(&remote.address(key), record)
}

/// Id that no other process has.
fn new_id(holder: &str) -> String {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos());
    sha256_hex(format!("{holder}\n{time}\n{}\n{count}", std::process::id()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::FolderClient;

    const SHORT: Duration = Duration::from_secs(1);

    fn machine(folder: &std::path::Path, name: &str) -> Arc<Remote> {
        let client = Arc::new(FolderClient::new(folder.join("store")));
        Remote::attach(&folder.join(name), "test://home", client, Box::new(|_| {}))
    }

    fn take(machine: &Arc<Remote>, holder: &str) -> Result<Lease, Error> {
        Lease::take(machine, "watch/m/lease.json", holder, SHORT, 0)
    }

    /// Ends the renewals of a lease without giving it back, as a kill does.
    fn kill(mut lease: Lease) {
        lease.stop.take();
        std::mem::forget(lease);
    }

    #[test]
    fn one_machine_holds_a_lease_and_the_other_learns_who() {
        let folder = cupola_testkit::temporary();
        let (a, b) = (machine(folder.path(), "a"), machine(folder.path(), "b"));
        let first = take(&a, "process 1 on a").unwrap();
        // Longer than the duration: the renewals hold it.
        std::thread::sleep(SHORT + ROUNDING + SHORT);
        let error = take(&b, "process 2 on b").unwrap_err();
        assert!(
            matches!(&error, Error::Locked { holder, .. } if holder.starts_with("process 1 on a")),
            "{error}"
        );
        assert!(first.check().is_ok() && first.fence() == 1 && !first.is_taken_over());
        drop(first);
        let second = take(&b, "process 2 on b").unwrap();
        assert!(second.fence() == 2 && !second.is_taken_over());
    }

    #[test]
    fn the_lease_of_a_killed_holder_ends_and_its_fence_is_passed() {
        let folder = cupola_testkit::temporary();
        let (a, b) = (machine(folder.path(), "a"), machine(folder.path(), "b"));
        let lease = take(&a, "process 1 on a").unwrap();
        let stale = Arc::clone(&lease.held);
        kill(lease);
        assert!(take(&b, "process 2 on b").is_err());
        let begun = Instant::now();
        let second = loop {
            match take(&b, "process 2 on b") {
                Ok(lease) => break lease,
                Err(error) => assert!(begun.elapsed() < Duration::from_secs(20), "{error}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        assert!(second.fence() == 2 && second.is_taken_over() && begun.elapsed() > SHORT);
        assert!(matches!(stale.renew(), Err(Error::Locked { .. })), "a stale holder learns it");
        assert!(stale.release().is_ok() && second.confirm().is_ok(), "and gives back nothing");
    }

    #[test]
    fn a_machine_takes_its_own_lease_again_at_once() {
        let folder = cupola_testkit::temporary();
        let a = machine(folder.path(), "a");
        kill(take(&a, "process 1 on a").unwrap());
        let again = take(&a, "process 3 on a").unwrap();
        assert!(again.fence() == 2 && again.is_taken_over());
    }

    #[test]
    fn of_machines_at_once_one_gets_it() {
        let folder = cupola_testkit::temporary();
        let machines: Vec<_> = (0..4).map(|i| machine(folder.path(), &format!("m{i}"))).collect();
        let leases: Vec<Option<Lease>> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                machines.iter().map(|machine| scope.spawn(|| take(machine, "some process").ok())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(leases.iter().flatten().count(), 1);
    }

    #[test]
    fn a_lost_lease_has_a_larger_fence_than_any_holder_before() {
        let folder = cupola_testkit::temporary();
        let (a, b) = (machine(folder.path(), "a"), machine(folder.path(), "b"));
        let path = folder.path().join("store/watch/m/lease.json");
        for _ in 0..3 {
            take(&a, "process 1 on a").unwrap();
        }
        let before = std::fs::read(&path).unwrap();
        let stale = take(&a, "process 2 on a").unwrap();
        std::fs::remove_file(&path).unwrap();
        let error = stale.confirm().unwrap_err();
        assert!(matches!(&error, Error::Lease { .. }) && error.is_user_error(), "{error}");
        // Something was written under the second holding, nothing under the later ones.
        let take = |machine: &Arc<Remote>, used| Lease::take(machine, "watch/m/lease.json", "b", SHORT, used);
        let next = take(&b, 2).unwrap();
        assert!(next.fence() > stale.fence() && next.is_taken_over());
        assert!(matches!(stale.confirm(), Err(Error::Locked { .. })), "the stale holder stays out");
        let used = next.fence();
        drop((next, stale));
        // An object of a backup does not lead back.
        std::fs::write(&path, before).unwrap();
        let next = take(&b, used).unwrap();
        assert!(next.fence() > used && next.is_taken_over());
    }

    #[test]
    fn a_damaged_lease_is_refused_with_a_remedy() {
        let folder = cupola_testkit::temporary();
        let a = machine(folder.path(), "a");
        let path = folder.path().join("store/watch/m/lease.json");
        drop(take(&a, "a").unwrap());
        let whole = std::fs::read_to_string(&path).unwrap();
        let record = |fence: u64, seconds: u64, released: bool| {
            let holder = "\u{1b}[2Jme".to_owned();
            let record =
                LeaseRecord { id: "x".to_owned(), holder, fence, renewals: u64::MAX, seconds, released };
            serde_json::to_string(&record).unwrap()
        };
        let broken = [
            String::new(),
            "null".to_owned(),
            whole[..whole.len() / 2].to_owned(),
            whole.replace("fence", "fences"),
            record(1, u64::MAX, false),
            record(u64::MAX, 1, true),
        ];
        for text in broken {
            std::fs::write(&path, &text).unwrap();
            let error = take(&a, "a").unwrap_err();
            assert!(matches!(&error, Error::Lease { .. }) && error.is_user_error(), "{text}: {error}");
            let message = error.to_string();
            assert!(
                message.contains("test://home/watch/m/lease.json") && message.contains("delete the object")
            );
        }
        std::fs::write(&path, record(7, 30, false)).unwrap();
        let error = take(&a, "a").unwrap_err().to_string();
        assert!(error.contains("[2Jme") && !error.contains('\u{1b}'), "{error}");
    }
}
