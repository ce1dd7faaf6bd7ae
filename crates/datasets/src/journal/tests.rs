use std::fs;

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

fn entry(request: &str, version: u64, rows: usize) -> JournalEntry {
    let column = |name: &str, values| JournalColumn { name: name.into(), values };
    JournalEntry {
        time: 1_700_000_000_000,
        request: request.into(),
        model: "m".into(),
        version,
        latency_ms: 1.5,
        rows,
        columns: vec![
            column("x", JournalValues::Numbers(vec![Some(0.5); rows])),
            column("t", JournalValues::Texts(vec![None; rows])),
            column("cupola_prediction_y", JournalValues::Lists(vec![Some(vec![1.0, 2.0]); rows])),
        ],
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn rows_are_written_as_typed_columns_by_version() {
    let folder = tempfile::tempdir().unwrap();
    let journal =
        PredictionJournal::new(folder.path(), JournalSettings::default(), Box::new(|_| {})).unwrap();
    assert!(journal.push(entry("a", 1, 2)));
    assert!(journal.push(entry("b", 1, 1)));
    assert!(journal.push(entry("c", 2, 1)));
    // Another set of columns goes to a file of its own.
    let mut other = entry("d", 2, 1);
    other.columns.remove(1);
    assert!(journal.push(other));
    drop(journal);
    let found = files(folder.path());
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found[0].starts_with(folder.path().join("m/1")) && found[1].starts_with(folder.path().join("m/2"))
    );
    let file = fs::File::open(&found[0]).unwrap();
    let mut batches = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let batch = batches.next().unwrap().unwrap();
    let column = |name: &str| batch.column_by_name(name).unwrap().clone();
    assert_eq!(column("cupola_row").as_primitive::<UInt64Type>().values(), &[1, 2, 1]);
    let requests: Vec<_> =
        column("cupola_request").as_string::<i32>().iter().flatten().map(str::to_owned).collect();
    assert_eq!(requests, ["a", "a", "b"]);
    assert_eq!(column("x").as_primitive::<Float64Type>().values(), &[0.5; 3]);
    assert_eq!(column("t").null_count(), 3);
    assert_eq!(column("cupola_prediction_y").as_list::<i32>().value_length(0), 2);
}

#[test]
fn old_files_and_the_oldest_of_too_many_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let day = folder.path().join("m/1/2026-01-01");
    fs::create_dir_all(&day).unwrap();
    let now = jiff::Timestamp::from_millisecond(100 * 86_400_000).unwrap();
    let name = |days: i64, number: u64| format!("{}-7-{number}.parquet", days * 86_400_000 + 1);
    for (days, number) in [(10, 1), (98, 2), (99, 3)] {
        fs::write(day.join(name(days, number)), [0; 100]).unwrap();
    }
    fs::write(day.join("notes.parquet"), [0; 100]).unwrap();
    let left = || {
        files(&day)
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect::<Vec<_>>()
    };
    let keep =
        |keep_days, keep_bytes| JournalSettings { keep_days, keep_bytes, ..JournalSettings::default() };
    retention::delete_old(folder.path(), &keep(None, None), now).unwrap();
    assert_eq!(left().len(), 4);
    retention::delete_old(folder.path(), &keep(Some(30), None), now).unwrap();
    assert_eq!(left(), [name(98, 2), name(99, 3), "notes.parquet".into()]);
    retention::delete_old(folder.path(), &keep(None, Some(150)), now).unwrap();
    assert_eq!(left(), [name(99, 3), "notes.parquet".into()]);
}

#[test]
fn a_full_queue_drops_rows_and_never_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (told, heard) = std::sync::mpsc::channel();
    let warning = Box::new(move |text: &str| told.send(text.to_owned()).unwrap());
    let journal = PredictionJournal::new(folder.path(), JournalSettings::default(), warning).unwrap();
    assert!(journal.push(entry("a", 1, 1)));
    let rows = MAX_WAITING_BYTES / 8 + 1;
    assert!(!journal.push(entry("b", 1, rows)), "larger than the queue");
    drop(journal);
    assert!(heard.recv().unwrap().contains(&format!("dropped {rows} rows")));
    assert_eq!(files(folder.path()).len(), 1);
}
