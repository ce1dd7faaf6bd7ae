//! Several replicas with a store in memory, in simulated time.

use std::collections::BTreeMap;
use std::time::Instant;

use super::usage::{RENEWED_AFTER, UsageAnswer, UsageReport};
use super::*;

/// Store as the scripts define it.
#[derive(Default)]
struct MemoryStore {
    /// Tokens, time of the last report, requests.
    keys: BTreeMap<String, (f64, f64, u64)>,
}

impl MemoryStore {
    fn spend(&mut self, report: &UsageReport, now: f64) -> UsageAnswer {
        let burst = report.rate.max(1.0);
        let (level, at, used) = self.keys.get(&report.id).copied().unwrap_or((burst, now, report.known));
        let level = (level + (now - at) * report.rate).min(burst);
        let level = (level - report.tokens as f64).max(-10.0 * burst - 100.0);
        let used = used.max(report.known) + report.requests;
        self.keys.insert(report.id.clone(), (level, now, used));
        UsageAnswer { tokens: level, requests: used }
    }
}

/// Replicas that exchange with a store every 100 ms, each at another time.
struct Fleet {
    tables: Vec<UsageTable>,
    store: MemoryStore,
    began: Clock,
    /// Time of the next exchange of each replica, in seconds.
    next: Vec<f64>,
    /// `false` while the store does not answer.
    up: bool,
}

impl Fleet {
    fn new(replicas: u32) -> Self {
        Self {
            tables: (0..replicas).map(|_| UsageTable::shared(replicas)).collect(),
            store: MemoryStore::default(),
            began: Clock { now: Instant::now(), unix_seconds: 1_800_000_000 },
            next: (0..replicas).map(|replica| 0.1 * f64::from(replica) / f64::from(replicas)).collect(),
            up: true,
        }
    }

    fn clock(&self, seconds: f64) -> Clock {
        Clock { now: self.began.now + Duration::from_secs_f64(seconds), ..self.began }
    }

    /// Admitted requests of those that come at a rate from `from` to `to`; `choose` gives the replica of each.
    fn admitted(&mut self, key: &ApiKey, times: (f64, f64), rate: f64, choose: impl Fn(u32) -> usize) -> u32 {
        let (from, to) = times;
        let (mut admitted, mut number) = (0, 0);
        let mut now = from;
        while now < to {
            self.exchange(now);
            let table = &self.tables[choose(number)];
            admitted += u32::from(table.admit_at(key, self.clock(now)).is_ok());
            number += 1;
            now = from + f64::from(number) / rate;
        }
        admitted
    }

    fn exchange(&mut self, now: f64) {
        for (table, next) in self.tables.iter().zip(&mut self.next) {
            if *next > now {
                continue;
            }
            *next += RENEWED_AFTER.as_secs_f64();
            let reports = table.take_reports();
            let clock = Clock { now: self.began.now + Duration::from_secs_f64(now), ..self.began };
            if self.up {
                for report in &reports {
                    table.settle(report, self.store.spend(report, now), clock);
                }
            } else {
                table.give_back(&reports);
            }
        }
    }
}

fn key(rate: Option<f64>, quota: Option<u64>) -> ApiKey {
    let (id, name, sha256) = ("k".to_owned(), "k".to_owned(), String::new());
    ApiKey { id, name, sha256, before: None, scopes: Vec::new(), rate, quota, expires: None }
}

/// `true` if the admitted requests are those of 20 seconds and the tokens of the first one, but for a share and for one
/// request of each replica.
fn fits(admitted: u32, rate: f64, share: f64, replicas: u32) -> bool {
    (f64::from(admitted) - 20.0 * rate - rate).abs() <= share * 20.0 * rate + f64::from(replicas)
}

#[test]
fn replicas_admit_a_rate_together() {
    for replicas in [1, 3, 8] {
        for rate in [2.0, 50.0, 400.0] {
            let key = key(Some(rate), None);
            let even = |number: u32| (number % replicas) as usize;
            let all = Fleet::new(replicas).admitted(&key, (0.0, 20.0), 4.0 * rate, even);
            assert!(fits(all, rate, 0.03, replicas), "{replicas} replicas at {rate}/s: {all}");
            let one = Fleet::new(replicas).admitted(&key, (0.0, 20.0), 4.0 * rate, |_| 0);
            assert!(fits(one, rate, 0.05, replicas), "one of {replicas} replicas at {rate}/s: {one}");
            let few = Fleet::new(replicas).admitted(&key, (0.0, 20.0), 0.9 * rate, even);
            assert!(f64::from(few) >= 0.98 * 18.0 * rate, "{replicas} replicas below {rate}/s: {few}");
        }
    }
}

#[test]
fn replicas_admit_a_quota_together() {
    for (replicas, quota) in [(1, 1_000), (3, 1_000), (8, 1_000), (3, 2)] {
        let even = |number: u32| (number % replicas) as usize;
        let all = Fleet::new(replicas).admitted(&key(None, Some(quota)), (0.0, 20.0), 200.0, even);
        // As many as come within 100 ms.
        let most = quota + 20;
        assert!((quota..=most).contains(&u64::from(all)), "{replicas} replicas: {all} of {quota}");
    }
    let mut fleet = Fleet::new(3);
    assert_eq!(fleet.admitted(&key(None, Some(1_000)), (0.0, 20.0), 200.0, |_| 1), 1_000);
    assert!(
        fleet.tables[1].admit_at(&key(None, Some(1_000)), fleet.clock(21.0)).unwrap_err()
            > Duration::from_mins(1)
    );
}

#[test]
fn without_the_store_each_replica_has_its_part() {
    let (rate, quota) = (60.0, 2_000);
    let both = key(Some(rate), Some(quota));
    let even = |number: u32| (number % 3) as usize;
    let mut fleet = Fleet::new(3);
    let before = fleet.admitted(&both, (0.0, 5.0), 240.0, even);
    fleet.up = false;
    let during = fleet.admitted(&both, (5.0, 15.0), 240.0, even);
    assert!((570..=630).contains(&during), "{during}");
    // The store has lost everything meanwhile; the requests of the day are not lost with it.
    (fleet.up, fleet.store) = (true, MemoryStore::default());
    let after = fleet.admitted(&both, (15.0, 25.0), 240.0, even);
    assert!((570..=690).contains(&after), "{after}");
    let rest = fleet.admitted(&both, (25.0, 60.0), 240.0, even);
    let all = u64::from(before + during + after + rest);
    assert!((quota..=quota + 20).contains(&all), "{all}");
}

#[test]
fn a_cold_replica_asks_at_once_and_a_fresh_answer_is_kept() {
    let table = UsageTable::shared(3);
    let began = Clock::now();
    let key = key(Some(30.0), None);
    assert!(table.admit_at(&key, began).is_ok());
    let mut keys = table.keys();
    let usage = keys.get_mut("k").unwrap();
    assert!(usage.is_due(began));
    assert_eq!(
        usage.report("k"),
        UsageReport { id: "k".into(), rate: 30.0, tokens: 1, requests: 1, known: 0 }
    );
    usage.settle(UsageAnswer { tokens: 29.0, requests: 1 }, 3.0, began);
    assert!(!usage.is_due(began) && !usage.has_asked());
    // A third of 29 tokens.
    let admitted = (0..20).filter(|_| usage.admit(&key, 3.0, began).is_ok()).count();
    assert_eq!(admitted, 9);
}
