//! Publishing, aliases and checkpoints among other writers, killed ones and odd entries.

use super::*;

#[test]
fn an_alias_moves_only_from_where_it_is_expected() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    seal(&home, "m", b"one");
    seal(&home, "m", b"two");
    assert_eq!(Aliases::set(&home, "m", "champion", 1, Some(None)).unwrap(), None);
    assert_eq!(Aliases::set(&home, "m", "champion", 2, Some(Some(1))).unwrap(), Some(1));
    let error = Aliases::set(&home, "m", "champion", 1, Some(Some(1))).unwrap_err();
    assert!(matches!(error, Error::Moved { .. }), "{error}");
    assert!(matches!(Aliases::set(&home, "m", "champion", 7, None), Err(Error::Unknown { .. })));
    // Back once, and no further.
    assert_eq!(Aliases::roll_back(&home, "m", "champion", false).unwrap(), (2, 1));
    assert!(Aliases::roll_back(&home, "m", "champion", false).is_err());
    assert_eq!(Aliases::roll_back(&home, "m", "latest", false).unwrap(), (2, 1));
    assert!(matches!(Aliases::set(&home, "m", "../x", 1, None), Err(Error::Store(StoreError::Name { .. }))));
}

#[test]
fn publishing_at_once_loses_nothing() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    let versions: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8_u8)
            .map(|i| {
                let home = home.clone();
                scope.spawn(move || {
                    (0..5).map(|_| seal(&home, "m", &[i]).manifest.version).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    let mut sorted = versions;
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=40).collect::<Vec<_>>());
    assert_eq!(home.versions("m").unwrap().len(), 40);
    assert_eq!(Aliases::read(&home, "m").unwrap()["latest"], 40);
}

#[test]
fn odd_folders_never_break_publishing() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    let first = seal(&home, "m", b"one");
    let root = home.models().join("m");
    let copy = |to: &str| {
        let target = root.join(to);
        fs::create_dir(&target).unwrap();
        for entry in fs::read_dir(&first.path).unwrap().flatten() {
            fs::copy(entry.path(), target.join(entry.file_name())).unwrap();
        }
    };
    for name in
        ["18446744073709551615", "9223372036854775807", "1000000000", "999999999", "01", "+7", "-1", "x\ny"]
    {
        copy(name);
    }
    fs::create_dir(root.join("2")).unwrap();
    fs::write(root.join("3"), "a file").unwrap();
    std::os::unix::fs::symlink("/nowhere", root.join("4")).unwrap();
    assert_eq!(seal(&home, "m", b"two").manifest.version, 5);
    assert_eq!(seal(&home, "m", b"three").manifest.version, 6);
    assert_eq!(Aliases::read(&home, "m").unwrap()["latest"], 6);
    assert_eq!(home.package("m").unwrap().manifest.version, 6);
    // The last number of all.
    let text = fs::read_to_string(root.join("999999999/manifest.json")).unwrap();
    let text = text.replace("\"version\": 1,", "\"version\": 999999999,");
    fs::write(root.join("999999999/manifest.json"), text).unwrap();
    let files: [(&str, &[u8]); 4] =
        [("config.json", b"{}"), ("metrics.json", b"{}"), ("model.safetensors", b"w"), ("plan.json", b"{}")];
    let contents = PackageContents {
        name: "m",
        files: &files,
        signature: json!({}),
        lineage: lineage(),
        metrics: Map::new(),
        keep_latest: false,
    };
    let error = publish(&home, &contents).unwrap_err().to_string();
    assert!(error.contains("no version number after 999999999 is left; move that version away"), "{error}");
    assert!(home.leftovers().unwrap().is_empty());
}

#[test]
fn a_move_that_was_begun_and_never_made_is_forgotten() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    for weights in [b"1", b"2", b"3"] {
        seal(&home, "m", weights);
    }
    Aliases::set(&home, "m", "best", 1, None).unwrap();
    Aliases::set(&home, "m", "best", 2, None).unwrap();
    let (aliases, moves) = (home.models().join("m/aliases.json"), home.models().join("m/moves.json"));
    let before = fs::read(&aliases).unwrap();
    // The process is killed between the two files of a move, and of a roll-back.
    Aliases::set(&home, "m", "best", 3, None).unwrap();
    fs::write(&aliases, &before).unwrap();
    let half = fs::read(&moves).unwrap();
    assert_eq!(Aliases::roll_back(&home, "m", "best", false).unwrap(), (2, 1));
    fs::write(&moves, half).unwrap();
    fs::write(&aliases, &before).unwrap();
    Aliases::set(&home, "m", "best", 1, None).unwrap();
    assert_eq!(Aliases::roll_back(&home, "m", "best", false).unwrap(), (1, 2));
    // Damage is reported before a version appears.
    fs::write(&moves, "[").unwrap();
    let files: [(&str, &[u8]); 4] =
        [("config.json", b"{}"), ("metrics.json", b"{}"), ("model.safetensors", b"w"), ("plan.json", b"{}")];
    let (signature, metrics) = (json!({}), Map::new());
    let contents = PackageContents {
        name: "m",
        files: &files,
        signature,
        lineage: lineage(),
        metrics,
        keep_latest: false,
    };
    let error = publish(&home, &contents).unwrap_err().to_string();
    assert!(error.contains("moves.json"), "{error}");
    assert_eq!(home.versions("m").unwrap(), [1, 2, 3]);
}

#[test]
fn checkpoints_appear_whole_and_old_ones_go() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    let (run, _) = RunFolder::create(&home, record("m"), "x").unwrap();
    for step in [1, 2, 3] {
        run.write_checkpoint(step, &[("state.json", b"{}")], &[1]).unwrap();
    }
    assert_eq!(run.checkpoint_steps().unwrap(), [1, 3]);
    // The staging folder of a killed writer does not count as a checkpoint.
    fs::create_dir(run.path().join("checkpoints/.staged-x")).unwrap();
    assert_eq!(run.checkpoint_steps().unwrap(), [1, 3]);
}

#[test]
fn one_process_trains_a_run() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    let (run, _) = RunFolder::create(&home, record("m"), "x").unwrap();
    let held = run.hold().unwrap();
    assert!(run.hold().is_err());
    drop(held);
    run.hold().unwrap();
}

#[test]
fn events_after_the_checkpoint_are_dropped() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    let (run, _) = RunFolder::create(&home, record("m"), "x").unwrap();
    fs::write(run.path().join("events.jsonl"), "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n{\"ste").unwrap();
    run.rewind_events(2).unwrap();
    assert_eq!(fs::read_to_string(run.path().join("events.jsonl")).unwrap(), "{\"step\":1}\n{\"step\":2}\n");
}
