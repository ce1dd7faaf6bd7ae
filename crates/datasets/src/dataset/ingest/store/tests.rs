//! Rows that several machines push and take, with stores that fail and processes that are killed.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use cupola_sources::{NoProgress, TextColumns};
use cupola_spec::{Data, Source};
use cupola_store::{Fetched, FolderClient, ObjectClient, ObjectInfo, PutCondition};
use serde_json::{Map, Value, json};

use super::*;
use crate::dataset::{AddOutcome, DatasetInfo, IngestLog};
use crate::load::LoadRequest;

/// Datasets of a machine with its own cache of the store in `folder`.
fn machine(folder: &Path, name: &str) -> Datasets {
    let cache = folder.join(name);
    let client = Arc::new(FolderClient::known(folder.join("store")));
    Remote::attach(&cache, "test://team/home", client, Box::new(|_| {}));
    Datasets::new(&cache)
}

fn request<'a>(datasets: &'a Datasets, data: &'a Data, roots: &'a [PathBuf]) -> LoadRequest<'a> {
    LoadRequest {
        source: &data.source,
        data,
        expect: &[],
        texts: TextColumns::None,
        roots,
        home: &datasets.home,
        progress: &NoProgress,
    }
}

/// A store with a dataset `t` of one row.
fn store(folder: &Path) -> Datasets {
    fs::create_dir(folder.join("store")).unwrap();
    fs::write(folder.join("t.csv"), "n\n0\n").unwrap();
    let first = machine(folder, "first");
    let (data, roots) = (Data::plain(Source::One("t.csv".to_owned()), &[]), [folder.to_owned()]);
    first.add("t", &request(&first, &data, &roots), &DatasetInfo::default()).unwrap();
    first
}

fn row(number: usize) -> Map<String, Value> {
    Map::from_iter([("n".to_owned(), json!(number))])
}

fn push(log: &IngestLog, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        assert_eq!(log.push("t", &[row(number)]).unwrap(), 1);
    }
}

/// Numbers in the newest version.
fn numbers(datasets: &Datasets) -> Vec<i64> {
    datasets.remote.as_ref().unwrap().forget_listings();
    let (data, roots) = (Data::plain(Source::One("dataset:t".to_owned()), &[]), [PathBuf::from(".")]);
    let table = crate::load(&request(datasets, &data, &roots)).unwrap();
    let column = |batch: &arrow::record_batch::RecordBatch| {
        let cast = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Int64).unwrap();
        arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(&cast).values().to_vec()
    };
    let mut numbers: Vec<i64> = table.batches.iter().flat_map(column).collect();
    numbers.sort_unstable();
    numbers
}

fn objects(folder: &Path) -> usize {
    fs::read_dir(folder.join("store/data/t/inbox")).map_or(0, Iterator::count)
}

fn pull(datasets: &Datasets) -> AddOutcome {
    datasets.remote.as_ref().unwrap().forget_listings();
    datasets.pull("t", &NoProgress).unwrap()
}

#[test]
fn rows_of_two_machines_are_taken_by_a_third() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    store(path);
    for (name, start) in [("a", 1), ("b", 11)] {
        push(&IngestLog::new(&machine(path, name).home), start..start + 10);
    }
    assert_eq!(objects(path), 20);
    let c = machine(path, "c");
    let version = pull(&c);
    assert_eq!((version.manifest().version, version.manifest().taken.len()), (2, 20));
    assert_eq!(numbers(&c), (0..=20).collect::<Vec<_>>());
    assert_eq!(objects(path), 0);
    assert!(matches!(pull(&c), AddOutcome::Same(_)));
}

#[test]
fn machines_that_pull_while_rows_are_pushed_take_each_row_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let first = store(path);
    std::thread::scope(|scope| {
        for machine_number in 0..2 {
            scope.spawn(move || {
                let log = IngestLog::new(&machine(path, &format!("push-{machine_number}")).home);
                push(&log, (0..30).map(|i| 1 + machine_number * 30 + i));
            });
            scope.spawn(move || {
                let datasets = machine(path, &format!("pull-{machine_number}"));
                (0..4).for_each(|_| drop(pull(&datasets)));
            });
        }
    });
    pull(&first);
    assert_eq!(numbers(&first), (0..=60).collect::<Vec<_>>());
    assert_eq!(objects(path), 0);
}

#[test]
fn rows_that_a_killed_process_left_are_not_taken_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let first = store(path);
    push(&IngestLog::new(&first.home), [1, 2]);
    let inbox = path.join("store/data/t/inbox");
    let kept: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(&inbox)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    pull(&first);
    // As if it had been killed between the version and the deletion, and another version was made since.
    for (path, bytes) in &kept {
        fs::write(path, bytes).unwrap();
    }
    push(&IngestLog::new(&first.home), [3]);
    let second = machine(path, "second");
    assert_eq!(pull(&second).manifest().version, 3);
    assert_eq!(numbers(&second), [0, 1, 2, 3]);
    assert_eq!(objects(path), 0, "what was taken is deleted");
    // A version of other rows knows it too.
    fs::write(path.join("t.csv"), "n\n7\n").unwrap();
    let (data, roots) = (Data::plain(Source::One("t.csv".to_owned()), &[]), [path.to_owned()]);
    second.add("t", &request(&second, &data, &roots), &DatasetInfo::default()).unwrap();
    for (path, bytes) in &kept {
        fs::write(path, bytes).unwrap();
    }
    push(&IngestLog::new(&first.home), [8]);
    assert_eq!(pull(&first).manifest().version, 5);
    assert_eq!(numbers(&first), [7, 8]);
}

/// Client of a store that can be made not to answer.
#[derive(Debug)]
struct Unplugged {
    inner: FolderClient,
    is_away: AtomicBool,
}

impl Unplugged {
    fn inner(&self) -> Result<&FolderClient, cupola_store::Error> {
        let (location, why) = ("test".to_owned(), "no answer".to_owned());
        let away = cupola_store::Error::Remote { location, why, transient: true };
        if self.is_away.load(Ordering::SeqCst) { Err(away) } else { Ok(&self.inner) }
    }
}

impl ObjectClient for Unplugged {
    fn get(&self, key: &str, limit: u64, known: Option<&str>) -> Result<Fetched, cupola_store::Error> {
        self.inner()?.get(key, limit, known)
    }

    fn get_file(&self, key: &str, to: &Path, limit: u64) -> Result<bool, cupola_store::Error> {
        self.inner()?.get_file(key, to, limit)
    }

    fn put(&self, key: &str, bytes: &[u8], condition: PutCondition<'_>) -> Result<bool, cupola_store::Error> {
        self.inner()?.put(key, bytes, condition)
    }

    fn put_file(&self, key: &str, from: &Path) -> Result<(), cupola_store::Error> {
        self.inner()?.put_file(key, from)
    }

    fn length(&self, key: &str) -> Result<Option<u64>, cupola_store::Error> {
        self.inner()?.length(key)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, cupola_store::Error> {
        self.inner()?.list(prefix)
    }

    fn modified(&self, key: &str) -> Result<Option<std::time::SystemTime>, cupola_store::Error> {
        self.inner()?.modified(key)
    }

    fn delete(&self, key: &str) -> Result<(), cupola_store::Error> {
        self.inner()?.delete(key)
    }
}

#[test]
fn rows_wait_while_the_store_is_away_and_are_sent_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    store(path);
    let inner = FolderClient::known(path.join("store"));
    let client = Arc::new(Unplugged { inner, is_away: AtomicBool::new(false) });
    let cache = path.join("a");
    let attach = || drop(Remote::attach(&cache, "test://team/home", client.clone(), Box::new(|_| {})));
    attach();
    let a = Datasets::new(&cache);
    push(&IngestLog::new(&cache), [1]);
    client.is_away.store(true, Ordering::SeqCst);
    push(&IngestLog::new(&cache), [2, 3]);
    let waits = || StoreInbox::of(&a, "t").unwrap().waiting().unwrap();
    assert_eq!((waits().len(), objects(path)), (2, 1));
    // The spool is bounded.
    let filler = fs::File::create(waits()[0].with_file_name("spool-0.jsonl")).unwrap();
    filler.set_len(SPOOL_LIMIT).unwrap();
    let full = IngestLog::new(&cache).push("t", &[row(4)]).unwrap_err();
    assert!(full.to_string().contains("rows wait for test://team/home"), "{full}");
    fs::remove_file(waits()[0].with_file_name("spool-0.jsonl")).unwrap();
    // A server that was killed is followed by a process that knows nothing of it.
    client.is_away.store(false, Ordering::SeqCst);
    attach();
    let again = Datasets::new(&cache);
    pull(&again);
    assert!(waits().is_empty());
    assert_eq!(numbers(&again), [0, 1, 2, 3]);
}

#[test]
fn rows_wait_while_the_folder_of_the_store_is_not_mounted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    store(path);
    fs::write(path.join("store/store.json"), "{}").unwrap();
    let cache = path.join("a");
    let client = || Arc::new(FolderClient::marked(path.join("store")));
    let attach = || drop(Remote::attach(&cache, "test://team/home", client(), Box::new(|_| {})));
    attach();
    push(&IngestLog::new(&cache), [1]);
    // The mount point is still there.
    fs::rename(path.join("store"), path.join("elsewhere")).unwrap();
    fs::create_dir(path.join("store")).unwrap();
    push(&IngestLog::new(&cache), [2, 3]);
    assert_eq!(fs::read_dir(path.join("store")).unwrap().count(), 0);
    fs::remove_dir(path.join("store")).unwrap();
    push(&IngestLog::new(&cache), [4]);
    fs::rename(path.join("elsewhere"), path.join("store")).unwrap();
    attach();
    let again = Datasets::new(&cache);
    pull(&again);
    assert_eq!(numbers(&again), [0, 1, 2, 3, 4]);
}
