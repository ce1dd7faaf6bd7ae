//! The registry as a state machine: random operations, each of them killed at a random step, beside a
//! model in memory.

use std::collections::BTreeMap;
use std::fs::{File, FileTimes};
use std::path::Path;
use std::time::{Duration, SystemTime};

use cupola_store::{LeftoverState, STAGED_PREFIX};
use proptest::prelude::*;

use super::*;

/// One operation. `killed` is the number of its durable steps that were done; `None` for all of them.
#[derive(Debug, Clone)]
#[allow(clippy::option_option, reason = "an alias may be expected to be absent")]
enum Operation {
    Publish { killed: Option<usize> },
    Alias { alias: usize, version: u64, expected: Option<Option<u64>>, killed: Option<usize> },
    RollBack { alias: usize, killed: Option<usize> },
    LoseIndex,
    RemoveLeftovers,
}

const ALIASES: [&str; 3] = ["latest", "champion", "canary"];

fn operation() -> impl Strategy<Value = Operation> {
    let killed = || prop::option::weighted(0.4, 0_usize..3);
    let expected = prop::option::weighted(0.3, prop::option::of(1_u64..5));
    let (alias, version) = (0_usize..3, 1_u64..8);
    prop_oneof![
        3 => killed().prop_map(|killed| Operation::Publish { killed }),
        4 => (alias.clone(), version, expected, killed()).prop_map(|(alias, version, expected, killed)| {
            Operation::Alias { alias, version, expected, killed }
        }),
        4 => (alias, killed()).prop_map(|(alias, killed)| Operation::RollBack { alias, killed }),
        1 => Just(Operation::LoseIndex),
        1 => Just(Operation::RemoveLeftovers),
    ]
}

/// The registry as its users understand it.
#[derive(Debug, Default)]
struct Oracle {
    versions: Vec<u64>,
    aliases: BTreeMap<String, u64>,
    /// Moves that were made: alias, version before and after, and `true` for a roll-back.
    moves: Vec<(String, Option<u64>, u64, bool)>,
}

impl Oracle {
    fn set(&mut self, alias: &str, version: u64, back: bool) {
        let before = self.aliases.insert(alias.to_owned(), version);
        if before != Some(version) {
            self.moves.push((alias.to_owned(), before, version, back));
        }
    }

    /// Versions before and after a roll-back; `None` if there is none to go back to.
    fn earlier(&self, alias: &str) -> Option<(u64, u64)> {
        let current = *self.aliases.get(alias)?;
        let came =
            self.moves.iter().rev().find(|(name, _, to, back)| name == alias && *to == current && !back);
        came.and_then(|came| came.1).map(|before| (current, before))
    }
}

/// Files of a model that operations change, in the order in which they do.
struct Durable {
    versions: Vec<u64>,
    moves: Option<Vec<u8>>,
    aliases: Option<Vec<u8>>,
}

impl Durable {
    fn of(home: &Home) -> Self {
        let folder = home.models().join("m");
        let read = |name: &str| fs::read(folder.join(name)).ok();
        Self {
            versions: home.versions("m").unwrap(),
            moves: read("moves.json"),
            aliases: read("aliases.json"),
        }
    }

    /// Takes back the steps of an operation after the first `done`, as if it had been killed there, and
    /// leaves a staged folder as the killed process would.
    fn undo_after(&self, home: &Home, done: usize, publishes: bool) {
        let folder = home.models().join("m");
        let restore = |name: &str, before: &Option<Vec<u8>>| match before {
            Some(bytes) => fs::write(folder.join(name), bytes).unwrap(),
            None => drop(fs::remove_file(folder.join(name))),
        };
        let first = usize::from(publishes);
        if done < first + 2 {
            restore("aliases.json", &self.aliases);
        }
        if done < first + 1 {
            restore("moves.json", &self.moves);
        }
        if publishes && done == 0 {
            for version in home.versions("m").unwrap().iter().filter(|one| !self.versions.contains(one)) {
                fs::remove_dir_all(folder.join(version.to_string())).unwrap();
            }
        }
        let staged = folder.join(format!("{STAGED_PREFIX}{:?}", SystemTime::now()).replace([' ', ':'], "-"));
        fs::create_dir_all(&staged).unwrap();
        fs::write(staged.join("config.json"), "{").unwrap();
        let time = SystemTime::now() - Duration::from_hours(1);
        File::open(&staged).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
    }
}

/// Writes happen in the order that [`Durable::undo_after`] assumes.
fn check_order(home: &Home, before: &Durable) {
    let folder = home.models().join("m");
    if fs::read(folder.join("moves.json")).ok() == before.moves {
        return;
    }
    let time = |path: &Path| fs::metadata(path).and_then(|about| about.modified()).ok();
    if let (Some(moves), Some(aliases)) =
        (time(&folder.join("moves.json")), time(&folder.join("aliases.json")))
    {
        assert!(moves <= aliases, "the move is recorded before it is made");
    }
}

fn apply(home: &Home, oracle: &mut Oracle, operation: &Operation) {
    let before = Durable::of(home);
    match operation {
        Operation::Publish { killed } => {
            let version = seal(home, "m", b"w").manifest.version;
            assert_eq!(version, oracle.versions.last().map_or(1, |last| last + 1));
            check_order(home, &before);
            if let Some(done) = *killed {
                before.undo_after(home, done, true);
            }
            if killed.is_none_or(|done| done > 0) {
                oracle.versions.push(version);
            }
            if killed.is_none_or(|done| done > 2) {
                oracle.set("latest", version, false);
            }
        }
        Operation::Alias { alias, version, expected, killed } => {
            let alias = ALIASES[*alias];
            let found = Aliases::set(home, "m", alias, *version, *expected);
            let current = oracle.aliases.get(alias).copied();
            if !oracle.versions.contains(version) {
                assert!(matches!(found, Err(Error::Unknown { .. })), "{found:?}");
            } else if expected.is_some_and(|expected| expected != current) {
                assert!(matches!(found, Err(Error::Moved { .. })), "{found:?}");
            } else {
                assert_eq!(found.unwrap(), current);
                check_order(home, &before);
                settle(home, oracle, &before, (alias, *version, false), *killed);
            }
        }
        Operation::RollBack { alias, killed } => {
            let alias = ALIASES[*alias];
            let found = Aliases::roll_back(home, "m", alias, false);
            match oracle.earlier(alias) {
                None => assert!(matches!(found, Err(Error::Unknown { .. })), "{found:?}"),
                Some(expected) => {
                    assert_eq!(found.unwrap(), expected);
                    check_order(home, &before);
                    settle(home, oracle, &before, (alias, expected.1, true), *killed);
                }
            }
        }
        Operation::LoseIndex => Index::discard(home),
        Operation::RemoveLeftovers => {
            for leftover in home.leftovers().unwrap() {
                assert_eq!(leftover.state, LeftoverState::Abandoned);
                assert!(leftover.remove().unwrap());
            }
            assert!(home.leftovers().unwrap().is_empty());
        }
    }
}

/// Ends a move of an alias, or kills it: it is made only when its second file is written.
fn settle(
    home: &Home,
    oracle: &mut Oracle,
    before: &Durable,
    (alias, version, back): (&str, u64, bool),
    killed: Option<usize>,
) {
    if let Some(done) = killed {
        before.undo_after(home, done, false);
    }
    if killed.is_none_or(|done| done > 1) {
        oracle.set(alias, version, back);
    }
}

/// Every reader sees the oracle's state.
fn check(home: &Home, oracle: &Oracle) {
    assert_eq!(home.versions("m").unwrap(), oracle.versions);
    assert_eq!(Aliases::read(home, "m").unwrap(), oracle.aliases);
    for (alias, version) in &oracle.aliases {
        assert_eq!(home.package(&format!("m@{alias}")).unwrap().manifest.version, *version);
    }
    let listed = Index::open(home).unwrap().packages().unwrap();
    let found: BTreeMap<u64, Vec<String>> =
        listed.into_iter().map(|row| (row.version, row.aliases)).collect();
    let mut expected: BTreeMap<u64, Vec<String>> =
        oracle.versions.iter().map(|version| (*version, Vec::new())).collect();
    for (alias, version) in &oracle.aliases {
        expected.get_mut(version).unwrap().push(alias.clone());
    }
    assert_eq!(found, expected);
    assert!(home.findings().is_empty(), "{:?}", home.findings());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_kill_leaves_a_state_that_every_reader_understands(
        operations in prop::collection::vec(operation(), 1..16),
    ) {
        let folder = temporary();
        let home = Home::new(folder.path().join("home"));
        let mut oracle = Oracle::default();
        for operation in &operations {
            apply(&home, &mut oracle, operation);
            check(&home, &oracle);
        }
    }
}
