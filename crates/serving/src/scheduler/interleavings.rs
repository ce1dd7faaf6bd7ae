//! Queue and table of entries under every interleaving of their threads.
//!
//! loom (Norris and Demsky 2013, "`CDSChecker`") runs each test with all orders of the operations of its threads, up to
//! a number of preemptions. The modules are compiled a second time here, with loom's primitives, so that they need no
//! build of their own.

/// Primitives that loom follows.
mod sync {
    pub(super) use loom::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock};
}

#[allow(
    dead_code,
    clippy::duplicate_mod,
    reason = "compiled again with loom's primitives; the tests call a part of it"
)]
#[path = "../catalog/entries.rs"]
mod entries;
#[allow(
    dead_code,
    clippy::duplicate_mod,
    reason = "compiled again with loom's primitives; the tests call a part of it"
)]
#[path = "queue.rs"]
mod queue;

use std::time::Duration;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use self::entries::EntryTable;
use self::queue::JobQueue;

fn explore(test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    // Beyond it the rest of the orders is left out, so that a slow machine is no failure.
    model.max_duration = Some(Duration::from_secs(10));
    model.check(test);
}

/// Version of a model: its queue closes with the last holder, as a scheduler's does.
struct Version {
    number: usize,
    queue: Arc<JobQueue<usize>>,
}

impl Drop for Version {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Starts a version with an engine thread that counts the jobs that it has run.
fn start(number: usize, ran: &Arc<AtomicUsize>) -> (Version, thread::JoinHandle<()>) {
    let queue = Arc::new(JobQueue::new(2));
    let version = Version { number, queue: Arc::clone(&queue) };
    let ran = Arc::clone(ran);
    let engine = thread::spawn(move || {
        while let Some(batch) = queue.take(|_| true) {
            ran.fetch_add(batch.len(), Ordering::Relaxed);
        }
    });
    (version, engine)
}

#[test]
fn every_accepted_job_is_run_once_and_engines_end() {
    explore(|| {
        let queue = Arc::new(JobQueue::new(2));
        let ran = Arc::new(AtomicUsize::new(0));
        let engines: Vec<_> = (0..2)
            .map(|_| {
                let (queue, ran) = (Arc::clone(&queue), Arc::clone(&ran));
                thread::spawn(move || {
                    while let Some(batch) = queue.take(|_| false) {
                        ran.fetch_add(batch.len(), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let accepted = (0..2).filter(|job| queue.push(*job).is_ok()).count();
        queue.close();
        assert!(queue.push(9).is_err(), "a closed queue accepts nothing");
        for engine in engines {
            engine.join().unwrap();
        }
        assert_eq!((accepted, ran.load(Ordering::Relaxed)), (2, 2));
    });
}

#[test]
fn a_full_queue_refuses_and_loses_nothing() {
    explore(|| {
        let queue = Arc::new(JobQueue::new(1));
        let clients: Vec<_> = (0..2_usize)
            .map(|job| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || usize::from(queue.push(job).is_ok()))
            })
            .collect();
        let mut taken = queue.take(|_| true).unwrap_or_default().len();
        let accepted: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
        taken += queue.try_take(|_| true).len();
        assert!(accepted >= 1 && accepted == taken && queue.len() == 0, "{accepted} accepted, {taken} taken");
    });
}

#[test]
fn a_request_is_run_by_the_version_that_it_took_though_another_replaces_it() {
    explore(|| {
        let ran = Arc::new(AtomicUsize::new(0));
        let table = Arc::new(EntryTable::new());
        let (first, first_engine) = start(1, &ran);
        table.insert("m", first);
        let client = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                let version = table.get("m").expect("the name is always served");
                assert!(version.queue.push(version.number).is_ok(), "a held version accepts requests");
            })
        };
        let (second, second_engine) = start(2, &ran);
        drop(table.insert("m", second));
        client.join().unwrap();
        drop(table.remove("m"));
        first_engine.join().unwrap();
        second_engine.join().unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), 1, "the request is run once");
    });
}

#[test]
fn a_slow_reload_does_not_bring_back_an_unloaded_name() {
    explore(|| {
        let table = Arc::new(EntryTable::new());
        table.insert("m", 1);
        let reload = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                let seen = table.get("m");
                seen.is_some_and(|seen| table.replace("m", &seen, 2))
            })
        };
        let removed = table.remove("m").map(|entry| *entry);
        let reloaded = reload.join().unwrap();
        assert_eq!(table.get("m").map(|entry| *entry), None);
        assert_eq!(removed, Some(if reloaded { 2 } else { 1 }));
    });
}

#[test]
fn of_two_reloads_that_saw_the_same_entry_one_wins_and_a_load_beats_both() {
    explore(|| {
        let table = Arc::new(EntryTable::new());
        table.insert("m", 0);
        let seen = table.get("m").expect("it was put there");
        let reloads: Vec<_> = [1, 2]
            .map(|version| {
                let (table, seen) = (Arc::clone(&table), Arc::clone(&seen));
                thread::spawn(move || usize::from(table.replace("m", &seen, version)))
            })
            .into();
        table.insert("m", 9);
        let won: usize = reloads.into_iter().map(|reload| reload.join().unwrap()).sum();
        assert!(won <= 1, "both reloads won");
        assert_eq!(
            table.get("m").map(|entry| *entry),
            Some(9),
            "a reload undid what an administrator loaded"
        );
    });
}
