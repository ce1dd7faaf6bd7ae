use std::fs::{self, OpenOptions};
use std::io::Write;

use serde_json::json;

use super::*;
use crate::{ParamDistribution, StudyDirection};

/// Journal that Optuna 5.0.0 has written; `scripts/golden/studies.py` makes it.
const OPTUNA: &str = include_str!("golden/optuna.log");

fn replayed(text: &str) -> JournalState {
    let mut state = JournalState::default();
    for line in text.lines() {
        state.apply(JournalOperation::parse(line).unwrap_or_else(|why| panic!("{line}: {why:?}")));
    }
    state
}

#[test]
fn a_journal_of_optuna_is_read() {
    let state = replayed(OPTUNA);
    assert_eq!(state.study_names().collect::<Vec<_>>(), ["golden", "pair"]);
    let index = state.study_index("golden").unwrap();
    let study = state.study(index).unwrap();
    assert_eq!(study.directions, [StudyDirection::Maximize]);
    assert_eq!(study.user_attrs["note"], "naïve \"NaN\"");
    let trials: Vec<&TrialRecord> = state.trials(index).collect();
    let states: Vec<&str> = trials.iter().map(|trial| trial.state.name()).collect();
    assert_eq!(states, ["complete", "pruned", "failed", "complete", "waiting", "running"]);
    let first = trials[0];
    assert_eq!(first.values, Some(vec![0.75]));
    assert_eq!(first.value("rate"), Some(json!(0.125)));
    assert_eq!(first.value("layers"), Some(json!(3)));
    assert_eq!(first.value("kind"), Some(json!("b")));
    assert_eq!(
        first.params["rate"].1,
        ParamDistribution::Float { low: 0.001, high: 1.0, log: true, step: None }
    );
    assert_eq!(first.params["layers"].1, ParamDistribution::Int { low: 1, high: 9, log: false, step: 2 });
    assert_eq!(first.intermediate.len(), 2);
    assert!(trials[1].intermediate[&1].is_nan());
    assert_eq!(trials[1].values, Some(vec![0.25]));
    assert_eq!(trials[3].values, Some(vec![f64::INFINITY]));
    assert_eq!(trials[3].user_attrs["from"], "add_trial");
    assert_eq!(trials[4].system_attrs["fixed_params"], json!({ "rate": 0.5 }));
    let pair = state.study_index("pair").unwrap();
    let trial = state.trials(pair).next().unwrap();
    assert_eq!((trial.number, trial.values.clone()), (0, Some(vec![1.0, 2.0])));
}

#[test]
fn operations_are_written_as_they_are_read() {
    for line in OPTUNA.lines() {
        let operation = JournalOperation::parse(line).unwrap();
        let written = operation.line("me");
        let read = JournalOperation::parse(&written).unwrap_or_else(|why| panic!("{written}: {why:?}"));
        // NaN differs from itself, so that texts are compared.
        assert_eq!(read.line("me"), written);
        assert_eq!(format!("{read:?}"), format!("{operation:?}"), "{line}");
    }
}

#[test]
fn late_operations_have_no_effect() {
    let mut state = replayed(OPTUNA);
    let before = state.clone();
    let study = state.study_index("golden").unwrap();
    let trials: Vec<usize> = state.trials(study).map(|trial| trial.id).collect();
    let (finished, running) = (trials[0], trials[5]);
    let claim = |trial| JournalOperation::State {
        trial,
        state: JournalTrialState::Running,
        values: None,
        time: Some("2026-01-01T00:00:00.000000+00:00".to_owned()),
    };
    let other = ParamDistribution::float(0.0, 1.0);
    let late = [
        claim(running),
        claim(finished),
        claim(999),
        JournalOperation::Intermediate { trial: finished, step: 1, value: 1.0 },
        JournalOperation::CreateStudy {
            name: "golden".to_owned(),
            directions: vec![StudyDirection::Minimize],
        },
        // Optuna refuses another scale for a parameter of the same study.
        JournalOperation::Parameter {
            trial: running,
            name: "rate".to_owned(),
            internal: 0.5,
            distribution: other,
        },
    ];
    for operation in late {
        assert!(!state.apply(operation.clone()), "{operation:?}");
        assert_eq!(format!("{state:?}"), format!("{before:?}"));
    }
    assert!(state.apply(claim(trials[4])));
}

#[test]
fn a_torn_line_is_cut_off_and_a_damaged_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("studies/a/journal.log");
    let mut storage = JournalStorage::open(&path, "one").unwrap();
    let create = |state: &JournalState, operations: &mut Vec<JournalOperation>| {
        let name = format!("study-{}", state.study_count());
        operations.push(JournalOperation::CreateStudy { name, directions: vec![StudyDirection::Minimize] });
    };
    storage.transaction(create).unwrap();
    let whole = fs::read(&path).unwrap();
    for cut in 1..whole.len() {
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&whole[..cut]).unwrap();
        drop(file);
        let mut other = JournalStorage::open(&path, "two").unwrap();
        assert_eq!(other.state().study_count(), cut);
        other.transaction(create).unwrap();
        assert_eq!(other.state().study_count(), cut + 1);
    }
    storage.refresh().unwrap();
    assert_eq!(storage.state().study_count(), whole.len());
    let lines = whole.len();
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"op_code\":4}\n").unwrap();
    let error = storage.refresh().unwrap_err().to_string();
    assert!(error.contains(&format!("journal.log:{}: ", lines + 1)), "{error}");
    assert!(!path.with_file_name("journal.log.lock").exists());
}

/// Four workers that append 25 studies each.
fn take_turns(place: &JournalPlace) {
    std::thread::scope(|scope| {
        for worker in 0..4 {
            scope.spawn(move || {
                let mut storage = JournalStorage::open(place, &worker.to_string()).unwrap();
                for _ in 0..25 {
                    let name = storage
                        .transaction(|state, operations| {
                            let name = format!("study-{}", state.study_count());
                            let directions = vec![StudyDirection::Maximize];
                            operations.push(JournalOperation::CreateStudy { name: name.clone(), directions });
                            name
                        })
                        .unwrap();
                    assert!(storage.state().study_index(&name).is_some());
                }
            });
        }
    });
    let storage = JournalStorage::read_only(place, "").unwrap();
    let names: Vec<String> = (0..100).map(|number| format!("study-{number}")).collect();
    assert!(storage.state().study_names().eq(names.iter().map(String::as_str)));
}

#[test]
fn processes_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    take_turns(&JournalPlace::File(folder.path().join("journal.log")));
}

#[test]
fn workers_of_an_sqlite_file_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite://{}", folder.path().join("new/studies.db").display());
    let place = |journal| JournalPlace::parse(&address, journal).unwrap();
    assert!(matches!(JournalStorage::read_only(place("a"), ""), Err(StudyError::Storage { .. })));
    // A folder that does not exist is named, and not created.
    let new = folder.path().join("new");
    assert!(
        matches!(JournalStorage::open(place("a"), ""), Err(StudyError::NoFolder { folder }) if folder == new)
    );
    assert!(!new.exists());
    fs::create_dir(&new).unwrap();
    take_turns(&place("a"));
    // Another journal of the same table is empty.
    assert_eq!(JournalStorage::open(place("b"), "w").unwrap().state().study_count(), 0);
}

#[test]
fn workers_create_an_sqlite_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let workers = 8;
    for round in 0..25 {
        let path = folder.path().join(format!("{round}.db"));
        let place = JournalPlace::Sqlite { path, journal: "a".to_owned() };
        let start = std::sync::Barrier::new(workers);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    start.wait();
                    JournalStorage::open(&place, "").unwrap();
                });
            }
        });
    }
}

#[test]
fn a_worker_waits_for_a_long_transaction_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let place = JournalPlace::Sqlite { path: folder.path().join("studies.db"), journal: "a".to_owned() };
    let create = |name: &str| JournalOperation::CreateStudy {
        name: name.to_owned(),
        directions: vec![StudyDirection::Minimize],
    };
    std::thread::scope(|scope| {
        let (held, wait) = std::sync::mpsc::channel();
        scope.spawn(|| {
            let mut storage = JournalStorage::open(&place, "slow").unwrap();
            let slow = move |_: &JournalState, operations: &mut Vec<JournalOperation>| {
                held.send(()).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(300));
                operations.push(create("slow"));
            };
            storage.transaction(slow).unwrap();
        });
        wait.recv().unwrap();
        let mut storage = JournalStorage::open(&place, "fast").unwrap();
        let before = storage.transaction(|state, operations| {
            operations.push(create("fast"));
            state.study_count()
        });
        assert_eq!(before.unwrap(), 1);
    });
}

/// `CUPOLA_POSTGRES=postgres://me@127.0.0.1/db` names the server.
#[cfg(feature = "postgres")]
#[test]
#[ignore = "needs a PostgreSQL server: scripts/check-tune starts one and runs this test"]
fn workers_of_a_server_take_turns() {
    let url = std::env::var("CUPOLA_POSTGRES").unwrap();
    take_turns(&JournalPlace::Postgres { url: url.clone(), journal: uuid::Uuid::new_v4().to_string() });
    // Another journal of the same table is empty.
    let other = JournalPlace::Postgres { url, journal: uuid::Uuid::new_v4().to_string() };
    assert_eq!(JournalStorage::open(&other, "w").unwrap().state().study_count(), 0);
}

#[test]
fn a_server_that_is_not_there_is_named_without_its_password() {
    let url = "postgres://me:secret@127.0.0.1:9/studies".to_owned();
    let error =
        JournalStorage::open(&JournalPlace::Postgres { url, journal: "a".to_owned() }, "w").unwrap_err();
    let text = error.to_string();
    let expected =
        if cfg!(feature = "postgres") { "postgres://127.0.0.1:9/studies/a" } else { "--features postgres" };
    assert!(text.contains(expected) && !text.contains("secret"), "{text}");
}

#[test]
fn damage_names_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.log");
    let study = r#"{"op_code":0,"worker_id":"w","study_name":"s","directions":[1]}"#;
    let trial = r#"{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":null}"#;
    let choices = r#"{\"name\":\"CategoricalDistribution\",\"attributes\":{\"choices\":[\"a\",\"b\"]}}"#;
    let choice = |internal: &str| {
        format!(
            r#"{{"op_code":5,"worker_id":"w","trial_id":0,"param_name":"p","param_value_internal":{internal},"distribution":"{choices}"}}"#
        )
    };
    let ended =
        |values: &str| format!(r#"{{"op_code":6,"worker_id":"w","trial_id":0,"state":1,"values":{values}}}"#);
    let (first, third, nan) = (choice("1.0"), choice("2.0"), choice("NaN"));
    let (half, not) = (ended("[0.5]"), ended("[NaN]"));
    let cases: [(&[&str], &str); 6] = [
        (&[study, trial, &first, &half], ""),
        (&[trial, &first], ":1: study 0 does not exist here"),
        (&[study, &first], ":2: trial 0 does not exist here"),
        (&[study, trial, &third], ":3: parameter `p` is choice 2 of 2"),
        (&[study, trial, &nan], ":3: parameter `p` is NaN"),
        (&[study, trial, &first, &not], ":4: a value of the trial is NaN"),
    ];
    for (lines, expected) in cases {
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        match JournalStorage::open(&path, "w") {
            Ok(_) => assert_eq!(expected, "", "{lines:?}"),
            Err(error) => {
                let text = error.to_string();
                assert!(
                    !expected.is_empty() && text.contains(expected) && text.contains("restore"),
                    "{text}"
                );
            }
        }
    }
    let error = JournalStorage::open(folder.path(), "w").unwrap_err();
    assert!(matches!(error, StudyError::NotAJournal { .. }), "{error}");
}
