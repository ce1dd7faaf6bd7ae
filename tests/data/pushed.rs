//! Rows that are pushed to a dataset: validation, versions, and a kill.

use std::fs;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{Server, TestHome};

/// Pushes rows to the dataset `sensors` and returns the status and the JSON of the response.
fn push(server: &Server, body: &str) -> (u16, Value) {
    let response = server.post("/v1/datasets/sensors/rows", body, &[]);
    (response.status, response.json())
}

fn sensors() -> TestHome {
    let home = TestHome::new();
    home.write("first.csv", "id,heat,room\n1,20.5,hall\n2,,attic\n");
    home.write(
        "sensors.toml",
        "[data]\nsource = 'first.csv'\n[[expect]]\ncolumn = 'id'\nrequired = true\n[[expect]]\ncolumn = 'heat'\nrange = [-50, 60]\nseverity = 'quarantine'\n",
    );
    home.json(&["data", "add", "sensors", "--config", "sensors.toml"]);
    home
}

#[test]
fn pushed_rows_are_validated_stored_and_become_a_version() {
    let home = sensors();
    let server = home.serve(&[]);
    let row = |id: u64| json!({ "id": id, "heat": null, "room": null });
    let rows = |rows: &[Value]| json!({ "rows": rows }).to_string();
    let kept = push(&server, &rows(&[json!({"id": 3, "heat": 21, "room": "hall"}), row(4)])).1;
    assert_eq!(kept["kept"], 2, "{kept}");
    let refused = [
        (
            r#"{"rows": [{"id": 5, "heat": 1, "room": ""}, {"id": 6, "heat": 99, "room": ""}]}"#,
            422,
            "rows[1].heat",
            "99",
        ),
        (r#"{"rows": [{"id": "x", "heat": 1, "room": ""}]}"#, 422, "rows[0].id", "Int64"),
        // A row must have every column, and all that it lacks are named at once.
        (r#"{"rows": [{"id": 7}]}"#, 422, "rows[0].heat", "`heat`, `room` are missing; send null"),
        (r#"{"rows": [{"id": 7, "heet": 1}]}"#, 422, "rows[0].heet", "did you mean `heat`"),
        (r#"{"rows": [{"id": null, "heat": 1, "room": ""}]}"#, 422, "rows[0].id", "required"),
        (r#"{"rows": []}"#, 400, "", "at least one"),
        ("{", 400, "", "invalid body: expected"),
    ];
    for (body, status, field, words) in refused {
        let (found, response) = push(&server, body);
        let error = &response["error"];
        assert_eq!(
            (found, error["field"].as_str().unwrap_or_default()),
            (status, field),
            "{body}: {response}"
        );
        assert!(error["message"].as_str().unwrap().contains(words), "{body}: {response}");
    }
    let lines = server.post(
        "/v1/datasets/sensors/rows",
        format!("{}\n{}\n", row(8), json!({ "id": 9, "heat": null, "room": "é" })),
        &[("content-type", "application/x-ndjson")],
    );
    assert_eq!(lines.status, 200, "{}", lines.text);
    assert_eq!(server.post("/v1/datasets/nothing/rows", "{\"rows\": [{}]}", &[]).status, 404);
    // An incomplete line, as a killed server leaves it, was never acknowledged.
    let inbox = home.path(".cupola/data/sensors/inbox/rows.jsonl");
    let mut file = fs::File::options().append(true).open(&inbox).unwrap();
    file.write_all(b"{\"id\": 1").unwrap();
    assert_eq!(push(&server, &rows(&[row(10)])).0, 200);
    let pulled = home.json(&["data", "pull", "sensors"]);
    assert_eq!((&pulled["version"], &pulled["dataset"]["rows"]), (&json!(2), &json!(7)), "{pulled}");
    assert!(!inbox.exists());
    // A pull without new rows keeps the version; the next one extends a version of pushed rows.
    assert_eq!(home.json(&["data", "pull", "sensors"])["version"], 2);
    assert_eq!(push(&server, &rows(&[row(11)])).0, 200);
    assert_eq!(home.json(&["data", "pull", "sensors"])["dataset"]["rows"], 8);
    // Duplicates of earlier rows are kept.
    assert_eq!(push(&server, &rows(&[row(11)])).0, 200);
    let manifest = home.json(&["data", "pull", "sensors"]);
    assert_eq!((&manifest["version"], &manifest["dataset"]["rows"]), (&json!(4), &json!(9)));
    // A pull that was killed after it published the version leaves its rows behind; they are not added again.
    let left = format!(".cupola/data/sensors/inbox/taken-{}.jsonl", manifest["pushed"].as_str().unwrap());
    home.write(&left, "{\"id\":11}\n");
    assert_eq!(home.json(&["data", "pull", "sensors"])["version"], 4);
    assert!(!home.path(&left).exists());
    home.write(
        "out.toml",
        "[data]\nsource = 'dataset:sensors:3'\nquery = 'SELECT id FROM data ORDER BY id'\n",
    );
    let rows = home.json(&["data", "profile", "dataset:sensors:3"]);
    assert_eq!(rows["columns"][0]["distinct"], 8, "{rows}");
}

#[test]
fn acknowledged_rows_survive_a_kill() {
    let home = sensors();
    let server = home.serve(&[]);
    let kept = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..6)
            .map(|client| {
                let (server, kept) = (&server, &kept);
                scope.spawn(move || {
                    for row in 0.. {
                        let body =
                            json!({ "rows": [{ "id": client * 100_000 + row, "heat": null, "room": null }] })
                                .to_string();
                        match server.try_post("/v1/datasets/sensors/rows", &body) {
                            Some(200) => kept.fetch_add(1, Ordering::SeqCst),
                            _ => return,
                        };
                    }
                })
            })
            .collect();
        while kept.load(Ordering::SeqCst) < 200 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        server.kill();
        for client in clients {
            client.join().unwrap();
        }
    });
    let rows = home.json(&["data", "pull", "sensors"])["dataset"]["rows"].as_u64().unwrap();
    let kept = kept.load(Ordering::SeqCst) as u64;
    // Each of the six clients may have one row that was written but not acknowledged.
    assert!((kept + 2..=kept + 8).contains(&rows), "{kept} rows were acknowledged, {rows} are stored");
}
