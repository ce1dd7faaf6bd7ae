//! Journals of several machines, and journals that are not whole.

use std::path::Path;
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
    Arc::new(Lease::take(remote, "watch/m/lease.json", holder, Duration::from_secs(1)).unwrap())
}

fn declined(why: &str) -> WatchState {
    WatchState::Declined { by: "ann".to_owned(), why: why.to_owned() }
}

#[test]
fn records_of_several_machines_have_one_order() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (machine(folder.path(), "a"), machine(folder.path(), "b"));
    let mut first = WatchJournal::held(&a, "m", Some(lease(&a, "a"))).unwrap();
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
    let mut first = WatchJournal::held(&a, "m", Some(Arc::clone(&stale))).unwrap();
    first.append(None, WatchState::Opened).unwrap();
    // As if the process had been stopped for longer than its lease, and looks at its clock before it is told.
    let path = folder.path().join("store/watch/m/lease.json");
    let text = std::fs::read_to_string(&path).unwrap().replace(": false", ": true");
    std::fs::write(&path, text).unwrap();
    let mut second = WatchJournal::held(&b, "m", Some(lease(&b, "b"))).unwrap();
    second.append(Some(1), declined("mine")).unwrap();
    let refused = first.append(Some(1), declined("stale")).unwrap_err();
    assert!(matches!(refused, WatchError::Busy { .. }), "{refused}");
    second.reload().unwrap();
    assert_eq!(second.records().len(), 2);
}
