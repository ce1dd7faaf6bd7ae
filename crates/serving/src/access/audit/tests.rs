use serde_json::Value;

use super::*;

const CALL: AuditedCall<'_> = AuditedCall {
    event: AuditEvent::Refusal,
    key: "-",
    method: "GET",
    path: "/v1/models",
    model: None,
    status: 401,
};

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

#[test]
fn lines_are_bounded_and_show_no_control_characters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("home/audit.jsonl");
    let log = AuditLog::open(&path).unwrap();
    let long = "\u{1b}[2J\n\u{202e}\u{9b}x\"".repeat(100_000);
    let model = Some(long.as_str());
    log.record(&AuditedCall { path: &long, method: &long, key: &long, model, ..CALL });
    assert!(log.flush(Duration::from_secs(20)));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.len() < 6_000 && text.lines().count() == 1, "{} bytes", text.len());
    assert!(text.trim_end().chars().all(|letter| !letter.is_control() && letter != '\u{202e}'), "{text}");
    let line = &lines(&path)[0];
    assert!(line["path"].as_str().unwrap().ends_with("..."), "{line}");
}

#[test]
fn a_flood_of_refusals_leaves_administrative_calls_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let log = AuditLog::open(&path).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..25_000).for_each(|_| log.record(&CALL)));
        }
        for _ in 0..500 {
            log.record(&AuditedCall { event: AuditEvent::Administration, key: "k", status: 200, ..CALL });
        }
    });
    drop(log);
    let lines = lines(&path);
    assert_eq!(lines.iter().filter(|line| line["key"] == "k").count(), 500);
    let refused = lines.iter().filter(|line| line["key"] == "-").count() as u64;
    let left_out: u64 = lines.iter().filter_map(|line| line["left_out"].as_u64()).sum();
    assert_eq!(refused + left_out, 100_000);
    assert!((10..2_000).contains(&refused), "{refused}");
}

#[test]
fn an_abandoned_call_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let log = AuditLog::open(&path).unwrap();
    let call = AuditedCall { event: AuditEvent::Administration, ..CALL };
    PendingCall::new(Some(&log), call).finish(200);
    drop(PendingCall::new(Some(&log), call));
    drop(log);
    let statuses: Vec<u64> = lines(&path).iter().filter_map(|line| line["status"].as_u64()).collect();
    assert_eq!(statuses, [200, 499]);
}

#[test]
fn a_disk_that_takes_nothing_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let log = AuditLog::open(&path).unwrap();
    // The file cannot be opened anew: a folder has taken its place.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let administration = AuditedCall { event: AuditEvent::Administration, key: "k", ..CALL };
    log.record(&administration);
    assert!(!log.flush(Duration::from_millis(50)));
    let mut recorded = 1;
    while !log.is_full() {
        log.record(&administration);
        recorded += 1;
        assert!(recorded < 1_000_000);
    }
    std::fs::remove_dir(&path).unwrap();
    assert!(log.flush(Duration::from_secs(20)) && !log.is_full());
    assert_eq!(lines(&path).len(), recorded);
}
