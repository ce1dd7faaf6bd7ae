//! The index follows the files, whatever is in it.

use super::*;

#[test]
fn the_index_is_rebuilt_from_the_files() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    let (run, saved) = RunFolder::create(&home, record("m"), "x").unwrap();
    run.save(&RunRecord { status: Status::Finished, ..saved }).unwrap();
    seal(&home, "m", b"one");
    Aliases::set(&home, "m", "champion", 1, None).unwrap();
    let mut index = Index::open(&home).unwrap();
    let (runs, packages) = (index.runs().unwrap(), index.packages().unwrap());
    assert_eq!(runs[0].status, Status::Finished);
    assert_eq!(packages[0].aliases, ["champion", "latest"]);
    drop(index);
    // No SQLite at all: thrown away and made anew.
    fs::write(home.index(), b"not a database, but long enough to look like a file of something").unwrap();
    for suffix in ["index.sqlite-wal", "index.sqlite-shm"] {
        let _ = fs::remove_file(folder.path().join(suffix));
    }
    let mut index = Index::open(&home).unwrap();
    assert_eq!((index.runs().unwrap(), index.packages().unwrap()), (runs, packages));
}

#[test]
fn the_index_follows_files_that_nobody_told_it_of() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    let (run, saved) = RunFolder::create(&home, record("m"), "x").unwrap();
    seal(&home, "m", b"one");
    let list = || {
        let mut index = Index::open(&home).unwrap();
        (index.runs().unwrap(), index.packages().unwrap())
    };
    assert_eq!((list().0[0].status, list().1.len()), (Status::Running, 1));
    // A process that is killed before it opens the index.
    run.save(&RunRecord { status: Status::Finished, ..saved }).unwrap();
    seal(&home, "m", b"two");
    let (runs, packages) = list();
    assert_eq!(runs[0].status, Status::Finished);
    assert_eq!((packages.len(), packages[0].version, packages[0].aliases.len()), (2, 2, 1));
    Aliases::roll_back(&home, "m", "latest", false).unwrap();
    assert_eq!(list().1[1].aliases, ["latest"]);
    fs::remove_dir_all(home.models().join("m/2")).unwrap();
    fs::remove_dir_all(run.path()).unwrap();
    let (runs, packages) = list();
    assert!(runs.is_empty() && packages.len() == 1 && packages[0].version == 1);
    // One damaged file hides nothing else.
    fs::write(home.models().join("m/aliases.json"), "{").unwrap();
    fs::create_dir_all(home.models().join("n/1/manifest.json")).unwrap();
    assert_eq!(list().1.len(), 1);
}

#[test]
fn foreign_types_and_tables_in_the_index_are_replaced() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    RunFolder::create(&home, record("m"), "x").unwrap();
    seal(&home, "m", b"one");
    let list = || {
        let mut index = Index::open(&home).unwrap();
        assert!(index.unusable().is_none());
        (index.runs().unwrap(), index.packages().unwrap())
    };
    let expected = list();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for statement in [
        "UPDATE packages SET version = 'one'",
        "UPDATE packages SET version = -1",
        "UPDATE packages SET version = 1.5",
        "UPDATE packages SET created = x'00ff'",
        "UPDATE packages SET metrics = 'no JSON'",
        "UPDATE packages SET stamp = x'00'",
        "UPDATE runs SET metrics = x'ff'",
        "UPDATE runs SET status = 'burning'",
        "UPDATE runs SET settings = '[]', valid = '1'",
        "UPDATE aliases SET version = 'x'",
        "UPDATE aliases SET version = 9",
        "DELETE FROM aliases",
        "DROP TABLE runs",
        "DROP TABLE packages; CREATE TABLE packages (foreign_column BLOB)",
        "DROP TABLE packages; CREATE VIEW packages AS SELECT * FROM runs",
        "DROP TABLE aliases; CREATE TABLE aliases (name, alias, version); INSERT INTO aliases VALUES (1, 2, 'c')",
        "PRAGMA user_version = 99",
        "PRAGMA user_version = -1",
    ] {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(home.index());
        let mut other = runtime.block_on(sqlx::ConnectOptions::connect(&options)).unwrap();
        runtime.block_on(sqlx::raw_sql(statement).execute(&mut other)).unwrap();
        runtime.block_on(sqlx::Connection::close(other)).unwrap();
        assert_eq!(list(), expected, "{statement}");
    }
}

#[test]
fn listings_need_no_index_file() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    seal(&home, "m", b"one");
    fs::create_dir_all(home.index().join("inside")).unwrap();
    let mut index = Index::open(&home).unwrap();
    assert!(index.unusable().is_some_and(|why| why.contains("index.sqlite")));
    assert_eq!(index.packages().unwrap().len(), 1);
    assert!(index.runs().unwrap().is_empty());
    // A link is removed, and what it leads to stays as it is.
    fs::remove_dir_all(home.index()).unwrap();
    let other = folder.path().join("other");
    fs::write(&other, "precious").unwrap();
    std::os::unix::fs::symlink(&other, home.index()).unwrap();
    assert_eq!(Index::open(&home).unwrap().packages().unwrap().len(), 1);
    assert_eq!(fs::read(&other).unwrap(), b"precious");
}

#[test]
fn an_index_that_is_built_while_others_publish_has_all_of_them() {
    for _ in 0..10 {
        let folder = temporary();
        let home = Home::new(folder.path().into());
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    seal(&home, "m", b"w");
                    Index::open(&home).unwrap();
                });
            }
        });
        let found = Index::open(&home).unwrap().packages().unwrap();
        assert_eq!(found.iter().map(|p| p.version).collect::<Vec<_>>(), [6, 5, 4, 3, 2, 1]);
        assert_eq!(found[0].aliases, ["latest"]);
    }
}

#[test]
fn an_alias_that_moves_while_a_process_waits_for_the_index_is_not_moved_back() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    Index::open(&home).unwrap();
    seal(&home, "m", b"one");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(home.index());
    let mut held = runtime.block_on(sqlx::ConnectOptions::connect(&options)).unwrap();
    runtime.block_on(sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut held)).unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| Index::open(&home).unwrap().packages().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(300));
        seal(&home, "m", b"two");
        runtime.block_on(sqlx::raw_sql("COMMIT").execute(&mut held)).unwrap();
        let rows = waits.join().unwrap();
        assert_eq!((rows[0].version, rows[0].aliases.len()), (2, 1), "{rows:?}");
        assert_eq!((rows[1].version, rows[1].aliases.len()), (1, 0), "{rows:?}");
    });
}

#[test]
fn a_given_id_is_begun_once() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    let named = RunRecord { id: "mine".to_owned(), ..record("m") };
    RunFolder::create(&home, named.clone(), "x").unwrap();
    let error = RunFolder::create(&home, named, "y").unwrap_err();
    assert!(matches!(&error, Error::RunTaken { id } if id == "mine"), "{error}");
    assert!(error.to_string().ends_with("or give another id"));
}

/// `SQLite` refuses to change the journal mode at once while another connection writes, whatever the timeout.
#[test]
fn a_new_index_that_another_process_writes_is_waited_for() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    seal(&home, "m", b"one");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(home.index())
        .create_if_missing(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Delete);
    let mut held = runtime.block_on(sqlx::ConnectOptions::connect(&options)).unwrap();
    let begin = "CREATE TABLE other (id); BEGIN IMMEDIATE";
    runtime.block_on(sqlx::raw_sql(begin).execute(&mut held)).unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| Index::open(&home).unwrap().unusable().map(str::to_owned));
        std::thread::sleep(std::time::Duration::from_millis(300));
        runtime.block_on(sqlx::raw_sql("COMMIT").execute(&mut held)).unwrap();
        assert_eq!(waits.join().unwrap(), None);
    });
}

#[test]
fn processes_that_open_a_new_home_at_once_all_get_its_index() {
    const AT_ONCE: usize = 8;
    for _ in 0..25 {
        let folder = temporary();
        let home = Home::new(folder.path().into());
        let start = std::sync::Barrier::new(AT_ONCE);
        std::thread::scope(|scope| {
            let open = || {
                start.wait();
                Index::open(&home).unwrap().unusable().map(str::to_owned)
            };
            let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(open)).collect();
            for thread in threads {
                assert_eq!(thread.join().unwrap(), None);
            }
        });
    }
}
