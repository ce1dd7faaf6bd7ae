//! Homes in an object store: caches of several machines, races, damage and a store that is gone.

use std::path::Path;
use std::sync::Arc;

use cupola_store::{FolderClient, Remote};

use super::*;

/// Home of one machine: a cache of the store in `folder`.
fn machine(folder: &Path, name: &str) -> Home {
    let cache = folder.join(name);
    let client = Arc::new(FolderClient::new(folder.join("store")));
    Remote::attach(&cache, "test://team/home", client, Box::new(|_| {}));
    Home::new(cache)
}

fn listed(home: &Home) -> Vec<(u64, Vec<String>)> {
    home.remote().unwrap().forget_listings();
    let packages = Index::open(home).unwrap().packages().unwrap();
    packages.into_iter().map(|row| (row.version, row.aliases)).collect()
}

#[test]
fn another_machine_finds_packages_aliases_and_runs() {
    let folder = temporary();
    let (a, b) = (machine(folder.path(), "a"), machine(folder.path(), "b"));
    seal(&a, "m", b"one");
    seal(&a, "m", b"two");
    Aliases::set(&a, "m", "champion", 1, Some(None)).unwrap();
    let package = b.package("m@champion").unwrap();
    assert_eq!(package.read("model.safetensors").unwrap(), b"one");
    assert!(package.path.starts_with(b.root()) && package.verify().is_ok());
    assert_eq!(b.package("m").unwrap().manifest.version, 2);
    assert_eq!(listed(&b), [(2, vec!["latest".to_owned()]), (1, vec!["champion".to_owned()])]);
    // A listing copies manifests only.
    let c = machine(folder.path(), "c");
    assert_eq!(listed(&c).len(), 2);
    assert!(!c.models().join("m/1/model.safetensors").exists());
    assert!(matches!(c.package("m:7"), Err(Error::Unknown { .. })));
    assert!(c.package("n").unwrap_err().to_string().contains("test://team/home"));
    let record = RunRecord {
        id: String::new(),
        name: "m".into(),
        status: Status::Running,
        created: now(),
        updated: now(),
        config_sha256: "c".into(),
        dataset: RunDataset::default(),
        device: "cpu".into(),
        code_version: "0".into(),
        package: None,
        seconds: None,
        valid: None,
        metrics: Map::new(),
    };
    let (run, record) = RunFolder::create(&a, record, "name = \"m\"\n").unwrap();
    run.write("metrics.json", &json!({"accuracy": 1.0})).unwrap();
    assert!(RunFolder::open(&b, &record.id).is_err(), "a run that is training is not shared");
    run.save(&RunRecord { status: Status::Finished, ..record.clone() }).unwrap();
    b.remote().unwrap().forget_listings();
    let found = RunFolder::open(&b, &record.id).unwrap();
    assert!(found.path().starts_with(b.root()) && found.path().join("metrics.json").is_file());
    assert_eq!(found.config_text().unwrap(), "name = \"m\"\n");
    assert_eq!(Index::open(&b).unwrap().runs().unwrap()[0].status, Status::Finished);
}

#[test]
fn machines_that_publish_at_once_lose_and_double_nothing() {
    let folder = temporary();
    let versions: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4_u8)
            .map(|i| {
                let home = machine(folder.path(), &format!("machine-{i}"));
                scope.spawn(move || {
                    (0..5).map(|n| seal(&home, "m", &[i, n]).manifest.version).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut sorted = versions;
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=20).collect::<Vec<_>>());
    let home = machine(folder.path(), "reader");
    let weights: std::collections::BTreeSet<Vec<u8>> = (1..=20)
        .map(|version| home.version("m", version).unwrap().read("model.safetensors").unwrap())
        .collect();
    assert_eq!(weights.len(), 20, "each package has its own weights");
    assert_eq!(Aliases::read(&home, "m").unwrap()["latest"], 20);
}

#[test]
fn one_of_two_moves_from_the_same_place_wins() {
    let folder = temporary();
    let first = machine(folder.path(), "first");
    (0..2_u8).for_each(|i| drop(seal(&first, "m", &[i])));
    Aliases::set(&first, "m", "champion", 1, None).unwrap();
    for _ in 0..10 {
        let from = Aliases::read(&first, "m").unwrap()["champion"];
        let won: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3)
                .map(|i| {
                    let home = machine(folder.path(), &format!("machine-{i}"));
                    scope.spawn(move || {
                        match Aliases::set(&home, "m", "champion", 3 - from, Some(Some(from))) {
                            Ok(before) => usize::from(before == Some(from)),
                            Err(Error::Moved { .. }) => 0,
                            Err(error) => panic!("{error}"),
                        }
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(won, 1);
        assert_eq!(Aliases::read(&first, "m").unwrap()["champion"], 3 - from);
    }
    assert_eq!(Aliases::moves_to(&first, "m", "champion", 2).unwrap(), 5);
    assert_eq!(Aliases::roll_back(&first, "m", "latest", false).unwrap(), (2, 1));
    assert!(Aliases::roll_back(&first, "m", "latest", false).is_err());
}

#[test]
fn a_publish_that_was_killed_before_its_manifest_shows_nothing() {
    let folder = temporary();
    let (a, b) = (machine(folder.path(), "a"), machine(folder.path(), "b"));
    seal(&a, "m", b"one");
    let store = folder.path().join("store");
    // The blobs of a second version are there, its manifest is not.
    seal(&a, "m", b"two");
    fs::remove_file(store.join("models/m/2/manifest.json")).unwrap();
    fs::write(
        store.join("models/m/pointers.json"),
        json!({"aliases": {"latest": 1}, "moves": []}).to_string(),
    )
    .unwrap();
    assert_eq!(listed(&b), [(1, vec!["latest".to_owned()])]);
    assert_eq!(seal(&b, "m", b"two").manifest.version, 2, "the number is free");
}

#[test]
fn a_damaged_object_is_refused_with_its_address() {
    let folder = temporary();
    let (a, b) = (machine(folder.path(), "a"), machine(folder.path(), "b"));
    let package = seal(&a, "m", b"weights");
    let key = Remote::blob_key(&package.manifest.files["model.safetensors"], "");
    fs::write(folder.path().join("store").join(&key), b"weightS").unwrap();
    let error = b.package("m").unwrap_err();
    assert!(matches!(error, Error::Store(StoreError::Digest { .. })), "{error}");
    assert!(error.to_string().contains(&format!("test://team/home/{key}")), "{error}");
    fs::remove_file(folder.path().join("store").join(&key)).unwrap();
    assert!(b.package("m").unwrap_err().to_string().contains("is missing in the store"));
    fs::write(folder.path().join("store").join(&key), b"weights").unwrap();
    assert_eq!(b.package("m").unwrap().read("model.safetensors").unwrap(), b"weights");
}

#[test]
fn the_cache_answers_while_the_store_is_gone() {
    let folder = temporary();
    let (a, b) = (machine(folder.path(), "a"), machine(folder.path(), "b"));
    seal(&a, "m", b"one");
    b.package("m").unwrap();
    seal(&a, "m", b"two");
    // A file in place of the store makes every operation fail.
    fs::rename(folder.path().join("store"), folder.path().join("away")).unwrap();
    fs::write(folder.path().join("store"), "not a folder").unwrap();
    let b = machine(folder.path(), "b");
    assert_eq!(b.package("m").unwrap().read("model.safetensors").unwrap(), b"one");
    assert_eq!(listed(&b).len(), 1);
    assert!(!b.remote().unwrap().is_reachable());
    assert!(b.package("m:2").is_err() && Aliases::set(&b, "m", "champion", 1, None).is_err());
    fs::remove_file(folder.path().join("store")).unwrap();
    fs::rename(folder.path().join("away"), folder.path().join("store")).unwrap();
    let b = machine(folder.path(), "b");
    assert_eq!(b.package("m").unwrap().manifest.version, 2);
}
