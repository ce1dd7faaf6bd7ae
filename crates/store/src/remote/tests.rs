//! Claims and updates among other writers, lost responses and stores that fail.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::digest::sha256_hex;

/// Client that fails or loses its responses at given calls.
#[derive(Debug)]
struct Unreliable {
    inner: FolderClient,
    puts: AtomicUsize,
    /// Every how many writes the response is lost after the write.
    lose_every: usize,
    down: std::sync::atomic::AtomicBool,
}

impl Unreliable {
    fn new(root: &Path, lose_every: usize) -> Self {
        let (puts, down) = (AtomicUsize::new(0), false.into());
        Self { inner: FolderClient::new(root), puts, lose_every, down }
    }

    fn check(&self) -> Result<(), Error> {
        if self.down.load(Ordering::SeqCst) { Err(lost()) } else { Ok(()) }
    }
}

fn lost() -> Error {
    Error::Remote { location: "test".to_owned(), why: "connection reset".to_owned(), transient: true }
}

impl ObjectClient for Unreliable {
    fn get(&self, key: &str, limit: u64, known: Option<&str>) -> Result<Fetched, Error> {
        self.check()?;
        self.inner.get(key, limit, known)
    }

    fn get_file(&self, key: &str, to: &Path, limit: u64) -> Result<bool, Error> {
        self.check()?;
        self.inner.get_file(key, to, limit)
    }

    fn put(&self, key: &str, bytes: &[u8], condition: PutCondition<'_>) -> Result<bool, Error> {
        self.check()?;
        let written = self.inner.put(key, bytes, condition)?;
        let count = self.puts.fetch_add(1, Ordering::SeqCst) + 1;
        if self.lose_every > 0 && count.is_multiple_of(self.lose_every) { Err(lost()) } else { Ok(written) }
    }

    fn put_file(&self, key: &str, from: &Path) -> Result<(), Error> {
        self.check()?;
        self.inner.put_file(key, from)
    }

    fn length(&self, key: &str) -> Result<Option<u64>, Error> {
        self.check()?;
        self.inner.length(key)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, Error> {
        self.check()?;
        self.inner.list(prefix)
    }

    fn modified(&self, key: &str) -> Result<Option<std::time::SystemTime>, Error> {
        self.check()?;
        self.inner.modified(key)
    }

    fn delete(&self, key: &str) -> Result<(), Error> {
        self.check()?;
        self.inner.delete(key)
    }
}

fn remote(folder: &Path, cache: &str, client: Arc<dyn ObjectClient>) -> Arc<Remote> {
    Remote::attach(&folder.join(cache), "test://home/", client, Box::new(|_| {}))
}

#[test]
fn each_number_is_claimed_once_even_if_responses_are_lost() {
    let folder = cupola_testkit::temporary();
    let won = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let client = Arc::new(Unreliable::new(&folder.path().join("store"), 3));
            let remote = remote(folder.path(), &format!("cache-{writer}"), client);
            let won = &won;
            scope.spawn(move || {
                for number in 1..=10 {
                    let bytes = format!("writer {writer}");
                    if remote.claim(&format!("numbers/{number}"), bytes.as_bytes()).unwrap() {
                        assert!(won.lock().unwrap().insert(number, writer).is_none(), "{number} twice");
                    }
                }
            });
        }
    });
    let won = won.into_inner().unwrap();
    assert_eq!(won.len(), 10);
    for (number, writer) in won {
        let text = std::fs::read_to_string(folder.path().join(format!("store/numbers/{number}"))).unwrap();
        assert_eq!(text, format!("writer {writer}"));
    }
}

#[test]
fn no_update_is_lost_and_none_is_made_twice() {
    let folder = cupola_testkit::temporary();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let client = Arc::new(Unreliable::new(&folder.path().join("store"), 4));
            let remote = remote(folder.path(), &format!("cache-{writer}"), client);
            scope.spawn(move || {
                for turn in 0..10 {
                    let own = format!("{writer}:{turn}");
                    let is_done =
                        |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().any(|line| line == own);
                    let change = |found: Option<&[u8]>| {
                        let text = String::from_utf8_lossy(found.unwrap_or_default()).into_owned();
                        Ok::<_, Error>((Some(format!("{text}{own}\n").into_bytes()), ()))
                    };
                    remote.update("list", 10_000, is_done, change).unwrap();
                }
            });
        }
    });
    let text = std::fs::read_to_string(folder.path().join("store/list")).unwrap();
    let lines: std::collections::BTreeSet<&str> = text.lines().collect();
    assert_eq!((text.lines().count(), lines.len()), (40, 40));
}

#[test]
fn a_refused_change_writes_nothing() {
    let folder = cupola_testkit::temporary();
    let remote = remote(folder.path(), "cache", Arc::new(Unreliable::new(&folder.path().join("store"), 0)));
    let refuse = |_: Option<&[u8]>| Err::<(Option<Vec<u8>>, ()), _>(Error::Key { key: "no".to_owned() });
    assert!(matches!(remote.update("doc", 10, |_| false, refuse), Err(Error::Key { .. })));
    let keep = |_: Option<&[u8]>| Ok::<_, Error>((None, 5));
    assert_eq!(remote.update("doc", 10, |_| false, keep).unwrap(), 5);
    assert!(remote.document("doc", 10).unwrap().is_none());
}

#[test]
fn a_file_with_another_digest_never_appears() {
    let folder = cupola_testkit::temporary();
    let remote = remote(folder.path(), "cache", Arc::new(FolderClient::new(folder.path().join("store"))));
    let (from, to) = (folder.path().join("from"), folder.path().join("cache/to"));
    std::fs::write(&from, b"weights").unwrap();
    let (sha256, key) = (sha256_hex(b"weights"), Remote::blob_key(&sha256_hex(b"weights"), ""));
    remote.send(&key, &from).unwrap();
    assert!(remote.receive(&key, &to, 100, Some(&sha256)).unwrap());
    assert_eq!(std::fs::read(&to).unwrap(), b"weights");
    std::fs::remove_file(&to).unwrap();
    std::fs::write(folder.path().join("store").join(&key), b"Weights").unwrap();
    let error = remote.receive(&key, &to, 100, Some(&sha256)).unwrap_err().to_string();
    assert!(error.contains("test://home/blobs/") && error.contains(&sha256), "{error}");
    assert!(matches!(remote.receive(&key, &to, 3, None), Err(Error::Damaged { .. })));
    assert!(!to.exists() && !remote.receive("blobs/no/thing", &to, 100, None).unwrap());
}

#[test]
fn reads_fall_back_while_the_store_is_down_and_warn_once() {
    let folder = cupola_testkit::temporary();
    let client = Arc::new(Unreliable::new(&folder.path().join("store"), 0));
    client.inner.put("a/b", b"1", PutCondition::Always).unwrap();
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&warnings);
    let warning = Box::new(move |text: &str| sink.lock().unwrap().push(text.to_owned()));
    let remote = Remote::attach(&folder.path().join("cache"), "test://home", client.clone(), warning);
    assert_eq!(remote.try_document("a/b", 10), Some(Some(b"1".to_vec())));
    assert_eq!(remote.listing("a/").unwrap().len(), 1);
    assert!(remote.listing("a/").is_none(), "a listing of a moment ago is used again");
    client.down.store(true, Ordering::SeqCst);
    remote.forget_listings();
    assert!(remote.listing("a/").is_none() && remote.try_document("a/b", 10).is_none());
    assert!(!remote.is_reachable() && remote.document("a/b", 10).is_err());
    let warnings = warnings.lock().unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("using the cache in"), "{warnings:?}");
}

#[test]
fn a_path_in_a_cache_has_a_key() {
    let folder = cupola_testkit::temporary();
    let remote = remote(folder.path(), "cache", Arc::new(FolderClient::new(folder.path().join("store"))));
    let (found, key) = Remote::containing(&remote.root().join("runs/a-1")).unwrap();
    assert!(Arc::ptr_eq(&found, &remote) && key == "runs/a-1");
    assert!(Remote::containing(&folder.path().join("other/runs")).is_none());
    assert_eq!(remote.address("runs"), Path::new("test://home/runs"));
}

#[test]
fn only_a_store_of_objects_is_enrolled() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("new");
    let client = FolderClient::new(&root);
    Remote::enrol(&client, "file:///new").unwrap();
    Remote::enrol(&client, "file:///new").unwrap();
    // A proxy or a login page answers every request with a page.
    std::fs::write(root.join("store.json"), "<html>Log in</html>").unwrap();
    let error = Remote::enrol(&client, "file:///new").unwrap_err();
    assert!(error.to_string().contains("not one of a home"), "{error}");
}

#[test]
fn a_known_folder_that_is_gone_is_no_empty_store() {
    let folder = tempfile::tempdir().unwrap();
    let client = FolderClient::known(folder.path().join("unmounted"));
    assert!(client.get("a", 10, None).is_err() && client.list("models").is_err());
    assert!(client.put("a", b"1", PutCondition::Absent).is_err_and(|error| error.is_transient()));
    assert!(!folder.path().join("unmounted").exists());
}

#[test]
fn the_mount_point_of_a_store_is_no_empty_store() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("mounted");
    Remote::enrol(&FolderClient::new(&root), "file:///mounted").unwrap();
    assert!(FolderClient::is_marked(&root));
    let client = FolderClient::marked(&root);
    assert!(client.put("a", b"1", PutCondition::Absent).unwrap());
    std::fs::rename(&root, folder.path().join("elsewhere")).unwrap();
    std::fs::create_dir(&root).unwrap();
    let error = client.put("b", b"2", PutCondition::Absent).unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("mount its file system"), "{error}");
    // For a person who waits it is a mistake, at once.
    let remote = remote(folder.path(), "cache", Arc::new(FolderClient::marked(&root)));
    assert!(remote.check_writable().is_err_and(|error| error.is_user_error()));
    let keep = |_: Option<&[u8]>| Ok::<_, Error>((None, ()));
    assert!(remote.update("doc", 10, |_| false, keep).is_err_and(|error| error.is_user_error()));
    assert!(client.get("a", 10, None).is_err() && client.list("models").is_err());
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0, "nothing is written below the mount point");
    std::fs::remove_dir(&root).unwrap();
    std::fs::rename(folder.path().join("elsewhere"), &root).unwrap();
    assert!(client.put("b", b"2", PutCondition::Absent).unwrap());
}
