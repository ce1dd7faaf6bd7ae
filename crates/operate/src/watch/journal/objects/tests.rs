//! Journals of several machines, and journals that are not whole.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cupola_registry::Home;
use cupola_store::FolderClient;

use crate::watch::journal::WatchJournal;
use crate::watch::record::WatchState;

use super::*;

fn machine(folder: &Path, name: &str) -> Home {
    let client = Arc::new(FolderClient::new(folder.join("store")));
    Remote::attach(&folder.join(name), "test://home", client, Box::new(|_| {}));
    Home::new(folder.join(name))
}

fn lease(home: &Home, holder: &str) -> Arc<Lease> {
    let remote = home.remote().unwrap();
    Arc::new(Lease::take(remote, "watch/m/lease.json", holder, Duration::from_secs(1), 0).unwrap())
}

/// Journal of the process that watches.
fn held(home: &Home, lease: Arc<Lease>) -> WatchJournal {
    let mut journal = WatchJournal::open(home, "m").unwrap();
    journal.hold(Some(lease)).unwrap();
    journal
}

/// Journal of `count` records, written on machine `name`.
fn written(folder: &Path, name: &str, count: usize) -> WatchJournal {
    let mut journal = WatchJournal::open(&machine(folder, name), "m").unwrap();
    for number in 0..count {
        journal.append(Some(1), declined(&format!("{name} {number}"))).unwrap();
    }
    journal
}

fn object(folder: &Path, root: &str, number: usize) -> PathBuf {
    folder.join(format!("{root}/watch/m/journal/{number:08}.json"))
}

/// Checks that an error is one of the history and ends the watch. Returns its text.
fn refused<T>(result: Result<T, WatchError>) -> String {
    let error = result.err().unwrap();
    assert!(matches!(error, WatchError::History { .. }), "{error}");
    assert!(error.is_user_error() && error.ends_watch());
    error.to_string()
}

fn declined(why: &str) -> WatchState {
    WatchState::Declined { by: "ann".to_owned(), why: why.to_owned() }
}

#[test]
fn records_of_several_machines_have_one_order() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (machine(folder.path(), "a"), machine(folder.path(), "b"));
    let mut first = held(&a, lease(&a, "a"));
    first.append(None, WatchState::Opened).unwrap();
    // A decision of a person on another machine, of which the watch does not know yet.
    let mut second = WatchJournal::open(&b, "m").unwrap();
    second.append(Some(1), declined("no")).unwrap();
    first.append(Some(1), declined("late")).unwrap();
    assert_eq!(first.records().len(), 3);
    second.reload().unwrap();
    assert_eq!(second.records(), first.records());
    assert_eq!(WatchJournal::names(&machine(folder.path(), "c")), ["m"]);
    std::fs::remove_dir_all(folder.path().join("store")).unwrap();
    assert_eq!(WatchJournal::open(&b, "m").unwrap().records().len(), 3, "the cache has them");
}

#[test]
fn a_process_that_lost_its_lease_appends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (machine(folder.path(), "a"), machine(folder.path(), "b"));
    let stale = lease(&a, "a");
    let mut first = held(&a, Arc::clone(&stale));
    first.append(None, WatchState::Opened).unwrap();
    // As if the process had been stopped for longer than its lease, and looks at its clock before it is told.
    let path = folder.path().join("store/watch/m/lease.json");
    let text = std::fs::read_to_string(&path).unwrap().replace(": false", ": true");
    std::fs::write(&path, text).unwrap();
    let mut second = held(&b, lease(&b, "b"));
    second.append(Some(1), declined("mine")).unwrap();
    let refused = first.append(Some(1), declined("stale")).unwrap_err();
    assert!(matches!(refused, WatchError::Busy { .. }), "{refused}");
    second.reload().unwrap();
    assert_eq!(second.records().len(), 2);
}

#[test]
fn a_deleted_lease_lets_no_former_holder_write() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (machine(folder.path(), "a"), machine(folder.path(), "b"));
    let mut first = held(&a, lease(&a, "a"));
    first.append(None, WatchState::Opened).unwrap();
    std::fs::remove_file(folder.path().join("store/watch/m/lease.json")).unwrap();
    let mut second = WatchJournal::open(&b, "m").unwrap();
    second.reload().unwrap();
    assert_eq!(second.fence(), 1);
    let used = second.fence();
    let taken = Lease::take(b.remote().unwrap(), "watch/m/lease.json", "b", Duration::from_secs(1), used);
    second.hold(Some(Arc::new(taken.unwrap()))).unwrap();
    assert!(second.fence() > 1, "the take-over is in the journal");
    let refused = first.append(Some(1), declined("stale")).unwrap_err();
    assert!(matches!(refused, WatchError::Busy { .. }), "{refused}");
    assert!(first.confirm().is_err() && second.confirm().is_ok());
}

#[test]
fn a_journal_without_one_of_its_objects_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut known = written(path, "a", 5);
    std::fs::rename(object(path, "store", 3), path.join("kept")).unwrap();
    let fresh = refused(WatchJournal::open(&machine(path, "b"), "m"));
    assert!(fresh.contains("00000003.json") && fresh.contains("journal of 5"), "{fresh}");
    // A machine that has read it all is refused as well, and names its copy.
    for message in [refused(known.reload()), refused(WatchJournal::open(&machine(path, "a"), "m"))] {
        let copy = object(path, "a", 3);
        assert!(copy.is_file() && message.contains(&copy.display().to_string()), "{message}");
    }
    std::fs::copy(object(path, "a", 3), object(path, "store", 3)).unwrap();
    known.reload().unwrap();
    assert_eq!(WatchJournal::open(&machine(path, "b"), "m").unwrap().records(), known.records());
    // The last one is missed by whoever has read it.
    std::fs::remove_file(object(path, "store", 5)).unwrap();
    assert!(refused(known.reload()).contains("00000005.json"));
    assert!(refused(WatchJournal::open(&machine(path, "a"), "m")).contains("00000005.json"));
}

#[test]
fn nothing_is_confirmed_on_a_journal_that_lost_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let a = machine(folder.path(), "a");
    let mut journal = held(&a, lease(&a, "a"));
    (0..3).for_each(|_| drop(journal.append(None, WatchState::Opened).unwrap().clone()));
    journal.confirm().unwrap();
    std::fs::remove_file(object(folder.path(), "store", 2)).unwrap();
    refused(journal.confirm());
}

#[test]
fn two_histories_are_not_read_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut old = written(path, "a", 3);
    let begun_anew = |count| {
        std::fs::remove_dir_all(path.join("store/watch/m")).unwrap();
        let _ = std::fs::remove_dir_all(path.join("b"));
        written(path, "b", count);
    };
    // Shorter, as long, and longer than what this machine has read.
    for count in [1, 3, 5] {
        begun_anew(count);
        refused(old.reload());
        let opened = WatchJournal::open(&machine(path, "a"), "m");
        refused(opened.and_then(|mut journal| journal.reload()));
        for number in 4..=5 {
            let _ = std::fs::remove_file(object(path, "a", number));
        }
    }
    // One object of another history.
    std::fs::copy(object(path, "a", 2), object(path, "store", 2)).unwrap();
    let message = refused(WatchJournal::open(&machine(path, "c"), "m"));
    assert!(message.contains("00000002.json") || message.contains("00000003.json"), "{message}");
}

#[test]
fn a_journal_without_digests_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for number in 1..=2 {
        let text = format!(r#"{{"fence":{number},"id":"x {number}","record":null}}"#);
        cupola_store::write_file(&object(path, "store", number), text.as_bytes()).unwrap();
    }
    let journal = written(path, "a", 2);
    assert_eq!((journal.records().len(), journal.fence()), (2, 2));
    assert_eq!(WatchJournal::open(&machine(path, "b"), "m").unwrap().records(), journal.records());
    std::fs::write(object(path, "store", 2), r#"{"fence":2,"id":"y","record":null}"#).unwrap();
    refused(WatchJournal::open(&machine(path, "c"), "m"));
}

#[test]
fn a_cache_with_a_gap_is_not_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    written(path, "a", 3);
    std::fs::remove_file(object(path, "a", 2)).unwrap();
    std::fs::rename(path.join("store"), path.join("away")).unwrap();
    let client = Arc::new(FolderClient::known(path.join("store")));
    Remote::attach(&path.join("a"), "test://home", client, Box::new(|_| {}));
    let error = WatchJournal::open(&Home::new(path.join("a")), "m").unwrap_err();
    assert!(error.to_string().contains("try again") && !error.is_user_error(), "{error}");
}

#[test]
fn an_object_that_changed_in_the_store_is_found_beside_its_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let a = machine(path, "a");
    let mut journal = held(&a, lease(&a, "a"));
    (0..4).for_each(|_| drop(journal.append(None, WatchState::Opened).unwrap().clone()));
    let own = std::fs::read(object(path, "store", 2)).unwrap();
    let swapped = std::fs::read(object(path, "store", 3)).unwrap();
    for other in [b"garbage".to_vec(), swapped, [&own[..], b"\n"].concat()] {
        std::fs::write(object(path, "store", 2), other).unwrap();
        assert!(refused(journal.confirm()).contains("00000002.json"));
    }
    drop(journal);
    std::thread::sleep(Duration::from_millis(1100));
    // The next process of this machine reads its copies, and compares them before it works.
    let mut next = WatchJournal::open(&a, "m").unwrap();
    assert!(refused(next.hold(Some(lease(&a, "b")))).contains("00000002.json"));
    std::fs::write(object(path, "store", 2), own).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    held(&a, lease(&a, "c")).confirm().unwrap();
}
