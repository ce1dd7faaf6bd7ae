//! Eight tasks as a new user does them, by `scripts/check-first-hour`, which is the one place that describes them.

use std::process::Command;

/// Runs the tasks that are named, with the built binary.
#[track_caller]
fn tasks(names: &[&str]) {
    let has =
        |program: &str| Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success());
    if !has("python3") || !has("curl") {
        cupola_testkit::skip("first_hour", "python3 and curl");
        return;
    }
    let output = Command::new("python3")
        .arg(cupola_testkit::root().join("scripts/check-first-hour"))
        .args(names)
        .env("CUPOLA", env!("CARGO_BIN_EXE_cupola"))
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(shown.lines().filter(|line| line.contains(" commands ")).count(), names.len(), "{shown}");
}

#[test]
fn tables_are_served_from_raw_files() {
    tasks(&["churn", "homes", "sensors"]);
}

#[test]
fn pictures_and_texts_are_served_from_raw_files() {
    tasks(&["photos", "reviews", "book"]);
}

#[test]
fn forecasts_and_canaries_are_served_from_raw_files() {
    tasks(&["sales", "orders"]);
}
