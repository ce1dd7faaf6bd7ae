use std::fs;
use std::path::Path;

use cupola_sources::{NoProgress, TextColumns};
use cupola_spec::{Data, Source, parse_data};

use super::*;
use crate::load::LoadRequest;

fn add(home: &Path, dir: &Path, data: &Data) -> Result<AddOutcome, Error> {
    let roots = [dir.to_owned()];
    let request = LoadRequest {
        source: &data.source,
        data,
        expect: &[],
        texts: TextColumns::None,
        roots: &roots,
        home,
        progress: &NoProgress,
    };
    Datasets::new(home).add("t", &request, &DatasetInfo::default())
}

fn plain(name: &str) -> Data {
    Data::plain(Source::One(name.to_owned()), &[String::new()])
}

fn rows(home: &Path, source: &str) -> usize {
    let (data, roots) = (plain(source), [PathBuf::from(".")]);
    let request = LoadRequest {
        source: &data.source,
        data: &data,
        expect: &[],
        texts: TextColumns::None,
        roots: &roots,
        home,
        progress: &NoProgress,
    };
    crate::load(&request).unwrap().rows()
}

#[test]
fn versions_never_change_and_equal_data_is_no_new_one() {
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let csv = dir.path().join("a.csv");
    fs::write(&csv, "x,y\n1,a\n2,b\n").unwrap();
    assert!(matches!(add(home.path(), dir.path(), &plain("a.csv")).unwrap(), AddOutcome::New(_)));
    assert!(matches!(add(home.path(), dir.path(), &plain("a.csv")).unwrap(), AddOutcome::Same(_)));
    fs::write(&csv, "x,y,z\n1,a,0\n2,b,0\n9,c,1\n").unwrap();
    let second = Datasets::new(home.path()).pull("t", &NoProgress).unwrap();
    assert_eq!((second.manifest().version, second.manifest().parent), (2, Some(1)));
    fs::remove_file(&csv).unwrap();
    assert_eq!((rows(home.path(), "dataset:t"), rows(home.path(), "dataset:t:1")), (3, 2));
    let datasets = Datasets::new(home.path());
    let diff = Diff::of(&datasets.named("t:1").unwrap(), &datasets.named("t:2").unwrap());
    assert_eq!((diff.rows, diff.added, diff.removed.len()), ((2, 3), vec!["z".to_owned()], 0));
    assert_eq!(diff.columns[0].mean, Some((1.5, 4.0)));
}

#[test]
fn a_damaged_blob_is_found_and_named() {
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(dir.path().join("a.csv"), "x\n1\n").unwrap();
    let added = add(home.path(), dir.path(), &plain("a.csv")).unwrap();
    let datasets = Datasets::new(home.path());
    let file = &added.manifest().dataset.files[0];
    let blob = datasets.blobs().path(&file.sha256);
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "x\n2\n").unwrap();
    let error = datasets.verify(added.manifest(), &NoProgress).unwrap_err().to_string();
    assert!(error.contains("a.csv: expected SHA-256") && error.contains("data pull"), "{error}");
    fs::write(&blob, "x\n").unwrap();
    let error = datasets.files("t", None).unwrap_err().to_string();
    assert!(error.contains("expected 4 bytes, found 2"), "{error}");
}

#[test]
fn a_version_travels_through_a_remote() {
    let (dir, a, b) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(dir.path().join("a.csv"), "x\n1\n").unwrap();
    fs::write(dir.path().join("b.csv"), "x\n2\n").unwrap();
    let added = add(a.path(), dir.path(), &plain("*.csv")).unwrap();
    let remote = dir.path().join("remote").to_string_lossy().into_owned();
    let push = || Datasets::new(a.path()).push(added.manifest(), &remote, &[], &NoProgress).unwrap();
    assert_eq!((push(), push()), (2, 0));
    let there = Datasets::new(b.path());
    let got = there.fetch("t", None, &remote, &[], &NoProgress).unwrap();
    assert_eq!(got.dataset, added.manifest().dataset);
    assert_eq!(there.fetch("t", Some(1), &remote, &[], &NoProgress).unwrap().version, got.version);
    assert_eq!(rows(b.path(), "dataset:t"), 2);
    let error = there.fetch("u", None, &remote, &[], &NoProgress).unwrap_err().to_string();
    assert!(error.contains("unknown dataset `u`"), "{error}");
    // A blob that is missing there leaves no version here.
    let c = tempfile::tempdir().unwrap();
    fs::remove_dir_all(Path::new(&remote).join("blobs")).unwrap();
    assert!(Datasets::new(c.path()).fetch("t", None, &remote, &[], &NoProgress).is_err());
    assert!(Datasets::new(c.path()).versions("t").is_empty());
}

#[tokio::test]
async fn rows_of_a_database_come_with_their_types_and_only_once() {
    use sqlx::{ConnectOptions, Executor};
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = dir.path().join("shop.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut shop = options.connect().await.unwrap();
    shop.execute("CREATE TABLE sales (id INTEGER, price REAL, what TEXT)").await.unwrap();
    shop.execute("INSERT INTO sales VALUES (1, 0.1, 'a'), (2, NULL, 'b'), (3, 5, 'c')").await.unwrap();
    let url = format!("sqlite:{}", file.display());
    let data = Data { sql: Some("SELECT * FROM sales;".into()), watermark: Some("id".into()), ..plain(&url) };
    let work = {
        let (home, dir, data) = (home.path().to_owned(), dir.path().to_owned(), data.clone());
        move || add(&home, &dir, &data)
    };
    let first = tokio::task::spawn_blocking(work).await.unwrap().unwrap();
    let types: Vec<&str> = first.manifest().dataset.schema.iter().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(types, ["Int64", "Float64", "Utf8View"]);
    assert_eq!(first.manifest().watermark.as_deref(), Some("3"));
    let pull = {
        let home = home.path().to_owned();
        move || Datasets::new(&home).pull("t", &NoProgress)
    };
    let again = tokio::task::spawn_blocking(pull.clone()).await.unwrap().unwrap();
    assert!(matches!(again, AddOutcome::Same(_)));
    // The row that was there already may change: it is not asked for again.
    shop.execute("UPDATE sales SET what = 'z'").await.unwrap();
    shop.execute("INSERT INTO sales VALUES (12, 7.25, 'd')").await.unwrap();
    let second = tokio::task::spawn_blocking(pull).await.unwrap().unwrap();
    assert_eq!(second.manifest().dataset.rows, 4);
    assert_eq!(second.manifest().watermark.as_deref(), Some("12"));
    assert!(second.manifest().profile.column("what").unwrap().top.iter().all(|(value, _)| value != "z"));
    // A later row that is no number makes the column a text.
    // One transaction, because each on its own waits for the disk.
    shop.execute("BEGIN; CREATE TABLE odd (v)").await.unwrap();
    for i in 0..9000 {
        let value = if i < 8500 { i.to_string() } else { format!("'t{i}'") };
        shop.execute(sqlx::AssertSqlSafe(format!("INSERT INTO odd VALUES ({value})"))).await.unwrap();
    }
    shop.execute("COMMIT").await.unwrap();
    let odd = Data { sql: Some("SELECT v FROM odd".into()), watermark: None, ..data };
    let (home, dir) = (home.path().to_owned(), dir.path().to_owned());
    let odd = tokio::task::spawn_blocking(move || add(&home, &dir, &odd)).await.unwrap().unwrap();
    assert_eq!(odd.manifest().dataset.schema, [("v".to_owned(), "Utf8View".to_owned())]);
}

#[test]
fn dvc_files_are_read_and_written() {
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(dir.path().join("a.csv"), "x\n1\n").unwrap();
    fs::write(dir.path().join("b.csv"), "x\n2\n").unwrap();
    let added = add(home.path(), dir.path(), &plain("*.csv")).unwrap();
    let repository = dir.path().join("repository");
    fs::create_dir_all(repository.join(".dvc")).unwrap();
    fs::write(
        repository.join(".dvc/config"),
        "[core]\n    remote = own\n['remote \"own\"']\n    url = ../../remote\n",
    )
    .unwrap();
    let remote = dir.path().join("remote").to_string_lossy().into_owned();
    let datasets = Datasets::new(home.path());
    let file =
        push_dvc(&datasets, added.manifest(), &remote, &repository.join("t"), &[], &NoProgress).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(".dir") && text.contains("nfiles: 2"), "{text}");
    assert_eq!(rows(home.path(), &file.to_string_lossy()), 2);
    fs::remove_dir_all(dir.path().join("remote")).unwrap();
    let other = tempfile::tempdir().unwrap();
    let (data, roots) = (plain(&file.to_string_lossy()), [PathBuf::from(".")]);
    let request = LoadRequest {
        source: &data.source,
        data: &data,
        expect: &[],
        texts: TextColumns::None,
        roots: &roots,
        home: other.path(),
        progress: &NoProgress,
    };
    assert!(crate::load(&request).is_err());
}

#[test]
fn drift_is_measured_against_the_version_before() {
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let text = |shift: f64| {
        let rows = (0..2000)
            .map(|i| format!("{},{}\n", f64::from(i % 500) + shift, if i % 2 == 0 { "a" } else { "b" }));
        format!("x,y\n{}", rows.collect::<String>())
    };
    let (_, expect) = parse_data(
        "t",
        "data.source='a.csv'\n[[expect]]\ncolumn='x'\ndrift=0.2\n[[expect]]\ncolumn='y'\ndrift=0.2",
    )
    .unwrap();
    let data = plain("a.csv");
    let roots = [dir.path().to_owned()];
    let request = LoadRequest {
        source: &data.source,
        data: &data,
        expect: &expect,
        texts: TextColumns::None,
        roots: &roots,
        home: home.path(),
        progress: &NoProgress,
    };
    let put = |shift: f64| {
        fs::write(dir.path().join("a.csv"), text(shift)).unwrap();
        Datasets::new(home.path()).add("t", &request, &DatasetInfo::default())
    };
    put(0.0).unwrap();
    put(5.0).unwrap();
    let error = put(150.0).unwrap_err().to_string();
    assert!(
        error.contains("x: drift below 0.2: the population stability index is") && !error.contains("y:"),
        "{error}"
    );
    assert_eq!(Datasets::new(home.path()).versions("t"), [1, 2]);
}

/// Adds the rows of `a.csv` with expectations.
fn add_with(home: &Path, dir: &Path, settings: &str) -> AddOutcome {
    let (data, expect) = parse_data("test", &format!("data.source = 'a.csv'\n{settings}")).unwrap();
    let roots = [dir.to_owned()];
    let request = LoadRequest {
        source: &data.source,
        data: &data,
        expect: &expect,
        texts: TextColumns::None,
        roots: &roots,
        home,
        progress: &NoProgress,
    };
    Datasets::new(home).add("t", &request, &DatasetInfo::default()).unwrap()
}

#[test]
fn versions_with_other_rows_have_other_digests() {
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(dir.path().join("a.csv"), "x,y\n1,?\n2,b\n3,c\n").unwrap();
    let range =
        |most: u64| format!("[[expect]]\ncolumn = 'x'\nrange = [0, {most}]\nseverity = 'quarantine'\n");
    let all = ["", &range(2), &range(1), "data.null = ['?']\n"];
    let added: Vec<AddOutcome> =
        all.iter().map(|settings| add_with(home.path(), dir.path(), settings)).collect();
    let digests: std::collections::BTreeSet<&str> =
        added.iter().map(|added| added.manifest().dataset.sha256.as_str()).collect();
    let versions: Vec<u64> = added.iter().map(|added| added.manifest().version).collect();
    assert_eq!((digests.len(), versions), (all.len(), vec![1, 2, 3, 4]));
}

#[test]
fn a_version_is_validated_against_the_drift_from_the_one_before() {
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let write = |shift: usize| {
        let rows: Vec<String> = (0..500).map(|row| format!("{}\n", row % 100 + shift)).collect();
        fs::write(dir.path().join("a.csv"), format!("x\n{}", rows.concat())).unwrap();
    };
    let expect = "[[expect]]\ncolumn = 'x'\ndrift = 0.1\nseverity = 'warn'\n";
    write(0);
    add_with(home.path(), dir.path(), expect);
    write(90);
    let pulled = Datasets::new(home.path()).pull("t", &NoProgress).unwrap();
    let outcome = &pulled.manifest().report.outcomes[0];
    assert!(!outcome.met, "{outcome:?}");
    let validated = |source: &str| {
        let data = plain(source);
        let request = LoadRequest {
            source: &data.source,
            data: &data,
            expect: &pulled.manifest().expect,
            texts: TextColumns::None,
            roots: &[],
            home: home.path(),
            progress: &NoProgress,
        };
        crate::stream(&request).unwrap().report().outcomes[0].clone()
    };
    assert_eq!(validated("dataset:t:2"), *outcome);
    // The first version has none before it.
    assert!(validated("dataset:t:1").met);
}
